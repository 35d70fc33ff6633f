"""What one run has learned, as one safetensors file: enough to act again, not to go on learning.

Tensors stand under dotted names; everything else is JSON in the file's header, key ``coordbench``: agent, its
settings, seed, steps, the task's `TeamSpec` and versions. Nothing in the file is code and nothing is
unpickled, so a stranger's file can be read. The code of its agent must be here already: a name of the
registry, or a class that the reader names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..envs.base import TeamSpec
from .base import Agent, Policy
from .registry import make, names
from .settings import SettingError

FORMAT = 1
"""Version of the file's form."""

_KEY, _TENSOR = "coordbench", "tensor"


class PolicyFileError(ValueError):
    """A file holds no policy that can act here; one line says why and what to do."""


@dataclass(frozen=True)
class StoredPolicy:
    """What one seed of an agent has learned, and from what.

    Attributes:
        agent: registered name, or ``module:Class``.
        settings: of the agent, complete.
        team: the task as the agent saw it.
        seed: of the run.
        step: environment steps of training.
        tensors: by name, on the CPU.
        outline: the agent's `policy_state` with ``{"tensor": name}`` in the place of tensors.
        versions: of what made it.
    """

    agent: str
    settings: Mapping[str, Any]
    team: TeamSpec
    seed: int
    step: int
    tensors: Mapping[str, Tensor]
    outline: Any
    versions: Mapping[str, str]

    @property
    def state(self) -> dict[str, Any]:
        """What `Agent.load_policy_state` takes."""
        return _filled(self.outline, self.tensors)

    def to_bytes(self) -> bytes:
        """The content of the file; the same bytes for the same policy."""
        about = {
            "format": FORMAT,
            **{name: getattr(self, name) for name in ("agent", "seed", "step")},
            "settings": dict(self.settings),
            "team": {f.name: getattr(self.team, f.name) for f in fields(self.team)}
            | {"settings": dict(self.team.settings)},
            "versions": dict(self.versions),
            "state": self.outline,
        }
        return save(dict(self.tensors), {_KEY: json.dumps(about, sort_keys=True)})

    def restored(self, agent: str | None = None, device: torch.device | str = "cpu") -> Agent:
        """The agent of this policy, for its seed alone, ready to act.

        Args:
            agent: name or ``module:Class`` to build; without it only registered names are.
            device: where it acts.

        Raises:
            ValueError: the agent is not known here, or is another one by now.
        """
        name = agent or self.agent
        if agent is None and name not in names():
            raise PolicyFileError(
                f"it was made by {name!r}, which is not registered here; if you trust that code, name it as "
                "the agent"
            )
        try:
            actor = make(name, self.team, (self.seed,), device, settings=self.settings)
            actor.load_policy_state(0, self.state)
        except (KeyError, TypeError, SettingError) as error:
            raise PolicyFileError(f"it is not what {name} stores now ({error})") from error
        return actor


def stored_policy(agent: Agent, row: int, name: str, step: int) -> StoredPolicy | None:
    """One seed's policy as it stands now; training on does not change it.

    Args:
        agent: has learned.
        row: of the seed, in ``agent.seeds``.
        name: of the agent in the registry, or ``module:Class``.
        step: environment steps so far.

    Returns:
        None for agents that keep none.

    Raises:
        TypeError: the agent's `policy_state` holds something else than it may.
    """
    state = agent.policy_state(row)
    if not state:
        return None
    tensors: dict[str, Tensor] = {}
    outline = _outlined(state, "", tensors)
    return StoredPolicy(
        name, asdict(agent.config), agent.team, agent.seeds[row], step, tensors, outline, _versions()
    )


def read_policy(path: str | Path) -> StoredPolicy:
    """The policy in a file.

    Raises:
        PolicyFileError: no such file, or none that this version understands.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})[_KEY])
            if about["format"] > FORMAT:
                raise PolicyFileError(
                    f"{path} has form {about['format']}, newer than {FORMAT}, the newest known here; "
                    "install a newer coordbench"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        team = TeamSpec(**_with_tuples(about["team"]))
        known = {name: about[name] for name in ("agent", "settings", "seed", "step", "versions")}
        stored = StoredPolicy(**known, team=team, tensors=tensors, outline=about["state"])
        assert isinstance(stored.state, dict)
    except OSError as error:
        raise PolicyFileError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise PolicyFileError(f"{path} is damaged or no safetensors file ({error})") from error
    except (KeyError, TypeError, AttributeError, AssertionError, json.JSONDecodeError) as error:
        raise PolicyFileError(f"{path} is a safetensors file, but none of a coordbench policy") from error
    return stored


def load_policy(
    path: str | Path,
    mode: str = "greedy",
    *,
    seed: int = 0,
    agent: str | None = None,
    device: torch.device | str = "cpu",
) -> Policy:
    """A trained team, ready to act, from its weights alone.

    Neither the results folder nor the task is needed: the file knows the sizes of observations and actions.
    The policy acts for one seed: observations are (1, copies, members, features).

    Args:
        path: ``policy.safetensors`` or ``best.safetensors`` of a run.
        mode: one of the agent's `modes`.
        seed: of the policy's own noise, if it has any; evaluations of training use 0.
        agent: name or ``module:Class`` of the agent, needed where it is none of `coordbench.agents.names()`.
            The module is imported, so name code that you trust.
        device: where it acts.

    Raises:
        PolicyFileError: the file holds no policy of an agent that is known here.
        ValueError: an unknown mode.
    """
    stored = read_policy(path)
    try:
        actor = stored.restored(agent, device)
    except ValueError as error:
        raise PolicyFileError(f"{path}: {error}") from error
    return actor.policy(mode, seed)


def _versions() -> dict[str, str]:
    return {library: version(library) for library in ("coordbench", "torch")}


def _outlined(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` with references in the place of tensors, whose copies go into `tensors`."""
    if isinstance(value, Tensor):
        free = name
        while free in tensors:
            free += "'"
        tensors[free] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: free}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"policy_state(): the keys of {name or 'it'} must be strings, not {list(value)}")
        parts = {key: _outlined(part, f"{name}.{key}".strip("."), tensors) for key, part in value.items()}
        return {"parts": parts}
    if isinstance(value, list | tuple):
        return [_outlined(part, f"{name}.{place}", tensors) for place, part in enumerate(value)]
    if isinstance(value, str | bool | int | float | None):
        return value
    raise TypeError(f"policy_state(): {name} is a {type(value).__name__}; tensors, numbers, strings, please")


def _filled(outline: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(outline, list):
        return [_filled(part, tensors) for part in outline]
    if isinstance(outline, dict):
        if _TENSOR in outline:
            return tensors[outline[_TENSOR]]
        return {key: _filled(part, tensors) for key, part in outline["parts"].items()}
    return outline


def _with_tuples(team: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in team.items()}
