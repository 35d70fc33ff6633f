"""The payoff tables of the matrix games, and what is known of them: best joint actions and equilibria."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

CLIMBING = ((11.0, -30.0, 0.0), (-30.0, 7.0, 0.0), (0.0, 6.0, 5.0))
"""Claus and Boutilier (1998); member 0 is their agent A, whose actions are the columns there."""
LARGEST_TABLE = 1_000_000
"""Joint actions."""


@dataclass(frozen=True)
class MatrixGameSettings:
    """Settings of the matrix games.

    Attributes:
        n_agents: N; fixed by the task id.
        game: the payoff table; fixed by the task id.
        n_actions: of each member; 3 in climbing and penalty, the number of equal optima in coordination.
        k: what the penalty game pays where the members aim at different optima; at most 0. Harder the lower.
        horizon: rounds of an episode (25: Papoudakis et al., "Benchmarking multi-agent deep reinforcement
            learning algorithms in cooperative tasks", 2021).
        observation: "constant", or "last_actions", the joint action of the round before.
        dtype: of observations and state.
    """

    n_agents: int = 2
    game: Literal["climbing", "penalty", "coordination"] = "coordination"
    n_actions: int = 3
    k: float = -100.0
    horizon: int = 25
    observation: Literal["constant", "last_actions"] = "constant"
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ValueError(f"horizon must be >= 1, got {self.horizon}")
        if not -math.inf < self.k <= 0:
            raise ValueError(f"k must be a finite number of at most 0, got {self.k}")
        if self.game != "coordination" and (self.n_agents, self.n_actions) != (2, 3):
            raise ValueError(
                f"{self.game} has n_agents=2 and n_actions=3, got {self.n_agents} and {self.n_actions}"
            )
        if self.n_agents < 2 or self.n_actions < 2:
            raise ValueError(f"n_agents and n_actions must be >= 2, got {self.n_agents} and {self.n_actions}")
        if self.n_actions**self.n_agents > LARGEST_TABLE:
            raise ValueError(
                f"n_actions ** n_agents = {self.n_actions**self.n_agents:,} joint actions are too many for "
                f"a table; at most {LARGEST_TABLE:,}"
            )


def payoff(settings: MatrixGameSettings) -> np.ndarray:
    """What a round pays the team for each joint action.

    Returns:
        (n,) * N float64, axis i being the action of member i.
    """
    if settings.game == "climbing":
        return np.array(CLIMBING)
    if settings.game == "penalty":
        k = settings.k
        return np.array([[10.0, 0.0, k], [0.0, 2.0, 0.0], [k, 0.0, 10.0]])
    table = np.zeros((settings.n_actions,) * settings.n_agents)
    table[(np.arange(settings.n_actions),) * settings.n_agents] = 1.0
    return table


def optimal_joint_actions(settings: MatrixGameSettings) -> np.ndarray:
    """The joint actions that pay most, (optima, N) int64, in lexicographic order."""
    table = payoff(settings)
    return np.argwhere(table == table.max())


def strict_equilibria(settings: MatrixGameSettings) -> np.ndarray:
    """The strict pure Nash equilibria: whoever leaves one alone lowers the payoff.

    Returns:
        (equilibria, N) int64, in lexicographic order. All optima of these games are among them, except that
        there may be others: (1, 1) in climbing and in penalty.
    """
    table = payoff(settings)
    strict = np.ones(table.shape, bool)
    for axis in range(table.ndim):
        ordered = np.sort(table, axis)
        best, second = ordered.take([-1], axis), ordered.take([-2], axis)
        strict &= (table == best) & (best > second)
    return np.argwhere(strict)


def random_return(settings: MatrixGameSettings) -> float:
    """The expected return of an episode with uniformly random actions."""
    return settings.horizon * float(payoff(settings).mean())


def best_return(settings: MatrixGameSettings) -> float:
    """The return of an episode with the best joint action in every round."""
    return settings.horizon * float(payoff(settings).max())
