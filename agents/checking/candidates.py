"""Agents before they are checked: found, of the right form, buildable; errors in one line."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from ..base import Agent, Config
from ..registry import load
from .contract import Trial
from .synthetic import ActionKind

_CHECKING = Path(__file__).parent
_CALLERS = {_CHECKING.parent / name for name in ("single_seed.py", "own_numbers.py")}
"""Files that only call agents: the place of an agent's error is not there."""


def trials_of(agent: str | type[Agent], settings: Mapping[str, Any]) -> list[Trial]:
    """Trials of an agent, one for every kind of actions that it plays.

    Args:
        agent: a name from `names()`, `module:Class`, or the class itself.
        settings: of the agent.

    Raises:
        ValueError: in one line, an unknown agent or setting, or an agent that cannot be built.
    """
    cls = load(agent) if isinstance(agent, str) else agent
    return [_trial(cls, settings, kind) for kind in _kinds(cls)]


def described(error: Exception) -> str:
    """An error in one line, with the place in the agent's code that it comes from."""
    libraries = str(Path(torch.__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith((libraries, "<")) and not _is_machinery(f.filename)]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{place}"


def _is_machinery(filename: str) -> bool:
    path = Path(filename)
    return path.parent == _CHECKING or path in _CALLERS


def _kinds(cls: type[Agent]) -> tuple[ActionKind, ...]:
    known = get_args(ActionKind)
    declared = cls.action_kinds
    if isinstance(declared, str) or not declared or not set(declared) <= set(known):
        raise ValueError(f"{cls.__name__}.action_kinds must be a tuple of some of {known}, not {declared!r}")
    return tuple(kind for kind in known if kind in declared)


def _trial(cls: type[Agent], settings: Mapping[str, Any], kind: ActionKind) -> Trial:
    """A trial of a class whose settings have the right form and that can be built for its teams."""
    config_class = cls.config_class
    if not (isinstance(config_class, type) and issubclass(config_class, Config)):
        raise ValueError(f"{cls.__name__}.config_class must be a subclass of Config, not {config_class!r}")
    if not is_dataclass(config_class) or "__dataclass_fields__" not in vars(config_class):
        raise ValueError(f"{config_class.__name__} lacks @dataclass(frozen=True): its settings are not known")
    trial = Trial.of(cls, settings, kind)
    config = trial.config()
    for team in (trial.alike, trial.mixed):
        try:
            trial.agent(team)
        except Exception as error:
            sizes = f"observation sizes {team.observation_sizes}, {team.action_size} {kind} actions"
            raise ValueError(
                f"check 'build': {cls.__name__} cannot be built for {sizes} and {config}: {described(error)}"
            ) from error
    return trial
