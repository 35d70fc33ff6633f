"""What `learning_comparison` trains, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Curve = Sequence[tuple[int, Sequence[float]]]
"""Evaluations of a run: steps, and the return of every episode."""


@dataclass(frozen=True)
class Plan:
    """What is compared; the agents' settings are those of their preset "small".

    Attributes:
        steps: environment steps of a run.
        seeds: of our runs, trained together.
        rival_seeds: of theirs, one after the other.
        default_seeds: of theirs with its own defaults.
        every: steps between evaluations; a multiple of `rival_batch`.
        episodes: of an evaluation.
        score_last: a run's return is the mean of so many last evaluations.
        random_episodes: of random play.
        copies: of our environment, a seed.
        rival_batch: steps that BenchMARL gathers between its rounds of gradient steps.
        rival_copies: of its environment.
    """

    steps: int = 30_000
    seeds: int = 7
    rival_seeds: int = 3
    default_seeds: int = 1
    every: int = 5_000
    episodes: int = 20
    score_last: int = 3
    random_episodes: int = 400
    copies: int = 4
    rival_batch: int = 1_000
    rival_copies: int = 10

    def __post_init__(self) -> None:
        """Refuse counts below one, and steps that the evaluations do not divide."""
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if self.steps % self.every or self.every % self.rival_batch:
            raise ValueError(f"steps must be a multiple of {self.every}, not {self.steps}")

    def settings(self, name: str) -> dict[str, Any]:
        """What one of our agents is given beside its preset, so that it learns as BenchMARL's does."""
        common = {
            "policy_gradient": "joint",
            "learning_starts": 0,
            "initial_noise": 1.6,
            "noise_steps": self.steps,
        }
        own = {
            "maddpg": {"exploration_noise": 0.02},
            "ma_sac": {
                "critic_target": "action_value",
                "policy_q": "min",
                "beta": 0.2,
                "target_entropy": -1.8,
            },
        }
        return common | own[name]

    @property
    def task(self) -> dict[str, Any]:
        """Arguments of `simple_spread_v3.parallel_env`, continuous actions apart."""
        return {"N": 3, "local_ratio": 0.5, "max_cycles": 25}


@dataclass(frozen=True)
class Outcome:
    """What came of the runs of one side.

    Attributes:
        label: who, and how.
        returns: of each seed.
        random_return: of random play in the same build.
        seconds: wall time of all seeds.
        processor_seconds: the same in processor time.
        updates: gradient steps of a seed.
        curves: (steps, mean return) of each seed.
    """

    label: str
    returns: tuple[float, ...]
    random_return: float
    seconds: float
    processor_seconds: float
    updates: int
    curves: tuple[tuple[tuple[int, float], ...], ...]

    @property
    def gains(self) -> tuple[float, ...]:
        """Each seed's return minus that of random play."""
        return tuple(value - self.random_return for value in self.returns)


def outcome(
    label: str,
    runs: Sequence[Curve],
    random_return: float,
    times: tuple[float, float],
    updates: int,
    plan: Plan,
) -> Outcome:
    """An outcome; each run's return is the mean of its last evaluations.

    Raises:
        ValueError: a run with fewer evaluations than that, or whose last one is not at the end.
    """
    curves = tuple(tuple((int(step), float(np.mean(returns))) for step, returns in run) for run in runs)
    for curve in curves:
        if len(curve) < plan.score_last or curve[-1][0] != plan.steps:
            raise ValueError(f"{label} was not evaluated {plan.score_last} times up to step {plan.steps}")
    returns = tuple(float(np.mean([value for _, value in curve[-plan.score_last :]])) for curve in curves)
    return Outcome(label, returns, random_return, *times, updates, curves)
