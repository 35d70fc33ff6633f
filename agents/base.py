"""The contracts of an agent: `Config` holds its settings, `Agent` learns, `Policy` acts.

Centralised training, decentralised execution: an `Agent` sees everything about the team while it learns; the
`Policy` it hands out gives each member an action from that member's own observation.

Axes, in this order everywhere: S seeds (runs trained together), E copies of the environment a seed, N
members, features. An agent must treat every seed as if it were alone: a seed's numbers may not depend on
which others share the stack.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from ..envs.base import TeamSpec
from .settings import override


@dataclass(frozen=True)
class Config:
    """Settings of an agent, every default with its source.

    Subclass it as a frozen dataclass beside the algorithm. `PRESETS` names sets of values that suit a budget
    (`"small"` is what the quick budget asks for); an agent without a preset of that name keeps its defaults.
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def build(cls, preset: str | None = None, settings: Mapping[str, Any] | None = None) -> Self:
        """Defaults, then the preset's values, then `settings`.

        Raises:
            SettingError: a name that does not exist or a value of the wrong type or range.
        """
        return override(cls._of_preset(preset), dict(settings or {}))

    @classmethod
    @cache
    def _of_preset(cls, preset: str | None) -> Self:
        """Defaults and the preset's values; suites of thousands of cells share few of them."""
        return override(cls(), dict(cls.PRESETS.get(preset or "", {})))


class Transition(NamedTuple):
    """One step of all copies. Float tensors are float32, flags are bool.

    `next_observation` is the true successor, also at the end of an episode: the first observation of the next
    episode never stands here. `terminated` marks true ends only; a time limit sets `truncated`.
    """

    observation: Tensor  # (S, E, N, obs)
    action: Tensor  # (S, E, N, act), or (S, E, N) int64 where actions are discrete
    reward: Tensor  # (S, E, N), what each member receives
    terminated: Tensor  # (S, E)
    truncated: Tensor  # (S, E)
    next_observation: Tensor  # (S, E, N, obs)
    state: Tensor  # (S, E, state), of the whole environment: for training only
    next_state: Tensor  # (S, E, state), of the true successor
    mask: Tensor | None = (
        None  # (S, E, N, n) bool, allowed at `observation`; None where actions are continuous
    )
    next_mask: Tensor | None = None  # (S, E, N, n) bool, allowed at `next_observation`


class Policy(ABC):
    """Acts for the team; made by `Agent.policy`, follows the agent's parameters as they learn."""

    @abstractmethod
    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        """Actions (S, E, N, act), or (S, E, N) int64, for observations (S, E, N, obs).

        Args:
            observation: (S, E, N, obs) float32.
            mask: (S, E, N, n) bool, which discrete actions are allowed; None for continuous tasks.
            starting: (S, E) bool, copies whose episode starts with this observation: recurrent states,
                latents of an episode and correlated noise begin anew there.
        """

    def state_dict(self) -> dict[str, Any]:
        """Everything the policy carries from step to step (nothing, unless it says so)."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027  (nothing to do by default)
        """Take up a state made by `state_dict`."""


class Agent(ABC):
    """A learning algorithm for S runs at once.

    Args:
        team: what there is to know of the task.
        config: an instance of the class's `config_class`.
        seeds: one integer a run; S is their number.
        device: a torch device.

    Raises:
        ValueError: the task's kind of actions is none of `action_kinds`.
    """

    config_class: ClassVar[type[Config]] = Config
    modes: ClassVar[tuple[str, ...]] = ("explore", "greedy")
    """Names that `policy` takes. `"explore"` gathers data, `"greedy"` is what evaluation uses."""
    action_kinds: ClassVar[tuple[str, ...]] = ("continuous",)
    """Kinds of actions it can play, of `"continuous"` and `"discrete"`; building it for others is refused."""

    def __init__(
        self,
        team: TeamSpec,
        config: Config,
        seeds: tuple[int, ...],
        device: torch.device | str = "cpu",
    ) -> None:
        if team.action_kind not in self.action_kinds:
            raise ValueError(
                f"{type(self).__name__} needs {' or '.join(self.action_kinds)} actions; "
                f"{team.task_id} has {team.action_kind} ones"
            )
        self.team = team
        self.config = config
        self.seeds = tuple(seeds)
        self.device = torch.device(device)

    @abstractmethod
    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """A policy in one of `modes`.

        Args:
            mode: one of the class's `modes`.
            seed: seeds the policy's own noise, if it has any, apart from the agent's: two policies made with
                one seed act alike, and acting with them does not disturb training. None: the agent's own
                streams.

        Raises:
            ValueError: an unknown mode.
        """

    def observe(self, transition: Transition) -> None:  # noqa: B027  (nothing to do by default)
        """Take in one step of all copies. Agents that do not learn ignore it."""

    def update(self) -> dict[str, Tensor]:
        """Do the gradient steps that are due, possibly none; metrics of shape (S,), empty if none was due."""
        return {}

    @property
    def n_updates(self) -> int:
        """Gradient steps done so far."""
        return 0

    def diagnose(self, observation: Tensor) -> dict[str, Tensor]:
        """Measures of behaviour (S,) on observations (S, B, N, obs), taken at every evaluation."""
        del observation
        return {}

    def state_dict(self) -> dict[str, Any]:
        """All it takes to go on exactly: networks, targets, optimisers, memory, schedules, generators.

        Tensors, arrays, numbers, strings, None, and dictionaries, lists, tuples and deques of them. It may
        share memory with the agent: save or copy it before the agent's next step.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027  (nothing to do by default)
        """Take up a state made by `state_dict` of an agent of the same team, config and seeds."""

    def policy_state(self, row: int) -> dict[str, Any]:
        """What the policies of one seed need to act again elsewhere; empty if nothing can be kept.

        Args:
            row: of the seed, in ``seeds``.

        Returns:
            Tensors, numbers, strings, None, and lists and dictionaries (of string keys) of them.
        """
        del row
        return {}

    def load_policy_state(self, row: int, state: Mapping[str, Any]) -> None:
        """Take up for one seed what `policy_state` gave, made by an agent of the same team and config.

        Raises:
            ValueError: the state does not fit this agent.
        """
        del row, state
        raise ValueError(f"{type(self).__name__} keeps no policies: it has no load_policy_state()")

    def _check_mode(self, mode: str) -> str:
        if mode not in self.modes:
            raise ValueError(
                f"unknown mode {mode!r} of {type(self).__name__}; it has {', '.join(self.modes)}"
            )
        return mode
