"""TeamSpec: all that an agent learns of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .settings import ReadOnlySettings


@dataclass(frozen=True)
class TeamSpec:
    """What a task is, in numbers: enough to build networks, memories and tables without an environment.

    Attributes:
        task_id: versioned name, e.g. ``"predator_prey_4-v1"``.
        n_agents: N, the members of the team.
        observation_sizes: each member's true observation size; shorter ones are padded with zeros in a
            TeamEnv.
        state_size: length of ``info["state"]``.
        action_kind: ``"continuous"`` (each coordinate in [-1, 1]) or ``"discrete"``.
        action_size: coordinates of a member's action, or number of actions; where members differ, the most.
        horizon: steps after which an episode is truncated.
        metrics: names of the task metrics in ``info``.
        return_unit: what a return counts, e.g. ``"mean over members"``; printed wherever a return is printed.
        settings: every setting of the task, resolved and read-only.
        win_metric: where episodes are won or lost, the metric that is 1 at the end of one that was won, else
            0: results lead with its mean, the win rate. None: they lead with the return.
    """

    task_id: str
    n_agents: int
    observation_sizes: tuple[int, ...]
    state_size: int
    action_kind: Literal["continuous", "discrete"]
    action_size: int
    horizon: int
    metrics: tuple[str, ...]
    return_unit: str
    settings: Mapping[str, Any] = field(hash=False)
    win_metric: str | None = None

    def __post_init__(self) -> None:
        """Freezes the settings and checks that the numbers fit together.

        Raises:
            ValueError: a size that is not positive, not one observation size a member, or a ``win_metric``
                that is none of the metrics.
        """
        object.__setattr__(self, "settings", ReadOnlySettings(self.settings))
        if self.n_agents < 1 or len(self.observation_sizes) != self.n_agents:
            raise ValueError(
                f"{self.task_id}: observation_sizes needs one entry for each of n_agents={self.n_agents} "
                f"members, got {self.observation_sizes}"
            )
        if min(*self.observation_sizes, self.state_size, self.action_size, self.horizon) < 1:
            raise ValueError(f"{self.task_id}: observation, state and action sizes and horizon must be >= 1")
        if self.win_metric is not None and self.win_metric not in self.metrics:
            raise ValueError(f"{self.task_id}: win_metric {self.win_metric!r} is none of {self.metrics}")

    @property
    def observation_size(self) -> int:
        """The longest member's observation size: the last axis of a TeamEnv's observations."""
        return max(self.observation_sizes)
