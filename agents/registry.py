"""Agents by name: the suite's own table, and entry points of group `coordbench.agents` for all others."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from ..envs.base import TeamSpec
    from .base import Agent

_OWN = {
    "dop": (".recurrent.dop:DOP", "policy gradients under a weighted sum of critics (Wang et al. 2021)"),
    "fop": (
        ".recurrent.fop:FOP",
        "soft actor-critics, joint policy factorised (Zhang et al. 2021)",
    ),
    "lica": (
        ".recurrent.lica:LICA",
        "policies climb a critic of their probabilities (Zhou et al. 2020)",
    ),
    "ma_ac": (".actor_critics.ma_ac:MAAC", "VM3-AC's skeleton with beta = 0 and no latent variable"),
    "ma_sac": (".actor_critics.ma_sac:MASAC", "soft actor-critic with centralised critics"),
    "maddpg": (
        ".actor_critics.maddpg:MADDPG",
        "deterministic actors, central critics (Lowe et al. 2017)",
    ),
    "maven_ac": (
        ".actor_critics.maven_ac:MAVENAC",
        "a latent variable an episode and its discriminator (Mahajan et al. 2019)",
    ),
    "maven": (".recurrent.maven:MAVEN", "QMIX with a latent variable an episode (Mahajan et al. 2019)"),
    "qmix": (".recurrent.qmix:QMIX", "monotonic mixture of members' values, recurrent (Rashid et al. 2018)"),
    "random": (".scripted:Random", "uniformly random actions; the zero of every score"),
    "reference": (".scripted:Reference", "the task's scripted policy; the one of every score"),
    "si_moa": (
        ".actor_critics.si_moa:SIMOA",
        "reward for influence on a model of others (Jaques et al. 2019)",
    ),
    "vdac": (".recurrent.vdac:VDAC", "value decomposition actor-critic, on-policy (Su et al. 2021)"),
    "vm3_fop": (".recurrent.vm3_fop:VM3FOP", "VM3-AC on FOP, for discrete actions (Kim et al. 2023)"),
    "vm3ac": (
        ".actor_critics.vm3ac:VM3AC",
        "variational mutual information of actions (Kim et al. 2023)",
    ),
}


@cache
def _foreign() -> dict[str, Any]:
    return {point.name: point for point in entry_points(group="coordbench.agents") if point.name not in _OWN}


def names() -> list[str]:
    """Names of all agents, sorted; cheap, nothing is imported."""
    return sorted([*_OWN, *_foreign()])


def own_names() -> list[str]:
    """Names of the suite's own agents, sorted."""
    return sorted(_OWN)


def summary(name: str) -> str:
    """One line about an agent, without importing it."""
    return _OWN[name][1] if name in _OWN else f"from {_foreign()[name].value}"


def load(name: str) -> type[Agent]:
    """The class of an agent: a name from `names()`, or `module:Class`.

    Raises:
        ValueError: there is no such agent, or what stands there is not an `Agent`.
    """
    from .base import Agent

    if name in _OWN:
        module, _, attribute = _OWN[name][0].partition(":")
        found = getattr(import_module(module, __package__), attribute)
    elif name in _foreign() or ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = (
                _foreign()[name].load() if name in _foreign() else getattr(import_module(module), attribute)
            )
        except Exception as error:  # the module is the user's: anything may go wrong in it
            from .checking.candidates import described

            is_plain = isinstance(error, ImportError | AttributeError)
            raise ValueError(
                f"cannot load agent {name!r}: {error if is_plain else described(error)}"
            ) from error
    else:
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names())}"
        raise ValueError(f"unknown agent {name!r}; {hint}")
    if not (isinstance(found, type) and issubclass(found, Agent)):
        raise ValueError(f"agent {name!r} is {found!r}, not a subclass of coordbench.agents.Agent")
    return found


def make(
    name: str,
    team: TeamSpec,
    seeds: tuple[int, ...],
    device: torch.device | str = "cpu",
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Agent:
    """An agent ready to learn.

    Args:
        name: a name from `names()`, or `module:Class`.
        team: the task's specification.
        seeds: one integer a run; all are trained together.
        device: a torch device.
        preset: a name in the config's `PRESETS`.
        settings: values that replace defaults and preset.

    Raises:
        ValueError: an unknown agent, or one that cannot play the task.
        SettingError: an unknown setting or a value it cannot take.
    """
    cls = load(name)
    return cls(team, cls.config_class.build(preset, settings), seeds, device)
