"""Between the spaces of a PettingZoo environment and the arrays of a TeamEnv, one member at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

Environment = ParallelEnv[Any, Any, Any]


@dataclass(frozen=True)
class Member:
    """What one member sees and does.

    Attributes:
        name: its key in the environment's dictionaries.
        observation_space: what is flattened for a TeamEnv, without the mask.
        action_space: Discrete, or a Box with finite bounds.
        masked: whether observations are dictionaries of "observation" and "action_mask".
        observation_size: numbers in the flattened observation; discrete parts are one-hot.
        action_size: number of actions, or of coordinates.
    """

    name: Any
    observation_space: spaces.Space[Any]
    action_space: spaces.Discrete | spaces.Box
    masked: bool
    observation_size: int
    action_size: int

    @property
    def is_discrete(self) -> bool:
        """Whether it chooses one of ``action_size`` actions."""
        return isinstance(self.action_space, spaces.Discrete)

    def flat(self, observation: Any) -> np.ndarray:
        """The observation as ``observation_size`` numbers."""
        seen = observation["observation"] if self.masked else observation
        if isinstance(self.observation_space, spaces.Box):
            return np.asarray(seen).reshape(-1)
        return np.asarray(spaces.flatten(self.observation_space, seen))

    def allowed(self, observation: Any, info: Mapping[str, Any]) -> np.ndarray:
        """The mask (action_size,) bool in the observation or the info; all True if there is none.

        Raises:
            ValueError: a mask of another size, or one that forbids everything.
        """
        mask = observation["action_mask"] if self.masked else info.get("action_mask")
        if mask is None:
            return np.ones(self.action_size, np.bool_)
        allowed = np.asarray(mask).astype(np.bool_)
        if allowed.shape != (self.action_size,) or not allowed.any():
            raise ValueError(
                f"{self.name}: the action mask must allow some of {self.action_size} actions, got {mask!r}"
            )
        return allowed

    def act(self, action: Any) -> Any:
        """What the environment takes, from an action number or coordinates (act,) in [-1, 1].

        Coordinates are mapped affinely onto the Box's bounds; a surplus is ignored.
        """
        space = self.action_space
        if isinstance(space, spaces.Discrete):
            return int(space.start) + int(action)
        part = (action[: self.action_size].reshape(space.shape) + 1.0) / 2.0
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        return np.clip((low + part * (high - low)).astype(space.dtype), space.low, space.high)


def members_of(env: Environment) -> tuple[Member, ...]:
    """The team, in the order of ``possible_agents``.

    Raises:
        ValueError: no members, a space that cannot be used, or discrete and continuous members in one team.
    """
    names = list(getattr(env, "possible_agents", ()))
    if not names:
        raise ValueError(f"{env} names no possible_agents; a team must be known before it plays")
    team = tuple(_member(env, name) for name in names)
    odd = [member for member in team if member.is_discrete != team[0].is_discrete]
    if odd:
        raise ValueError(
            f"one team needs one kind of action: {team[0].name} has {team[0].action_space}, "
            f"{odd[0].name} has {odd[0].action_space}"
        )
    return team


def _member(env: Environment, name: Any) -> Member:
    seen, action = env.observation_space(name), env.action_space(name)
    masked = isinstance(seen, spaces.Dict) and {"observation", "action_mask"} <= seen.spaces.keys()
    if masked:
        seen = seen.spaces["observation"]  # type: ignore[attr-defined]
    if not seen.is_np_flattenable:
        raise ValueError(
            f"{name}: observations of {seen} have no fixed length; use a Box or a discrete space"
        )
    if isinstance(action, spaces.Discrete):
        action_size = int(action.n)
    elif isinstance(action, spaces.Box) and np.issubdtype(action.dtype, np.floating):
        if not (np.isfinite(action.low).all() and np.isfinite(action.high).all()):
            raise ValueError(
                f"{name}: the actions {action} have no bounds to map [-1, 1] onto; clip them first"
            )
        action_size = int(np.prod(action.shape))
    else:
        raise ValueError(f"{name}: actions must be Discrete or a Box of floats, not {action}")
    return Member(name, seen, action, masked, int(spaces.flatdim(seen)), action_size)
