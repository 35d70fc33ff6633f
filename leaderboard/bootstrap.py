"""How intervals of a leaderboard are made."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..analysis.resampling import canonical, stream
from ..analysis.statistics import (
    AGGREGATES,
    CONFIDENCE,
    REPETITIONS,
    Estimate,
    draws,
    estimate,
    has_spread,
    mean_over_seeds,
    task_means,
)

Method = Literal["stratified", "rliable"]
METHODS: tuple[Method, ...] = ("stratified", "rliable")
PAIR_REPETITIONS = 5_000
"""Most repetitions for probabilities of improvement: there are many of them."""
CURVE_REPETITIONS = 2_000
"""Most repetitions for what is looked at as a curve, as for rliable's profiles."""
KEPT_DRAWS = 10_000
"""Draws of each task's means that are kept to rank agents."""


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made; printed under every table.

    Attributes:
        seed: every interval's generator follows from it and from the numbers that are resampled.
        repetitions: resamples; at most ``PAIR_REPETITIONS`` for pairs and ``CURVE_REPETITIONS`` for curves.
        confidence: level of the percentile intervals.
        method: ``stratified``, or ``rliable`` for the intervals of aggregates by rliable's own.
    """

    seed: int = 0
    repetitions: int = REPETITIONS
    confidence: float = CONFIDENCE
    method: Method = "stratified"

    @property
    def threads(self) -> int:
        """Agents resampled at once; a single one by rliable, which draws from one generator for all."""
        return 1 if self.method == "rliable" else min(4, os.cpu_count() or 1)

    @property
    def for_pairs(self) -> int:
        """Repetitions for pairs."""
        return min(self.repetitions, PAIR_REPETITIONS)

    @property
    def for_curves(self) -> int:
        """Repetitions for curves, profiles and efficiency."""
        return min(self.repetitions, CURVE_REPETITIONS)


@dataclass(frozen=True)
class Resampled:
    """Estimates of one agent, all on the same resamples.

    Attributes:
        aggregates: name to estimate, over all tasks.
        means: (tasks,) estimates of each task's mean.
        iqm_draws: (repetitions,) interquartile means.
        mean_draws: (`KEPT_DRAWS` at most, tasks) means.
    """

    aggregates: dict[str, Estimate]
    means: list[Estimate]
    iqm_draws: np.ndarray = field(repr=False)
    mean_draws: np.ndarray = field(repr=False)


def resampled(scores: np.ndarray, bootstrap: Bootstrap) -> Resampled:
    """Aggregates and task means of one agent with intervals.

    Args:
        scores: (runs, tasks), NaN for missing runs; every task has a run.
        bootstrap: how to make intervals.
    """
    ordered, order = canonical(scores)
    rng = stream(bootstrap.seed, ordered)
    pooled = {name: AGGREGATES[name] for name in ("iqm", "optimality_gap")}
    drawn = draws(ordered, {**pooled, "": task_means}, rng, bootstrap.repetitions)
    for name in ("mean", "median"):  # of each task's means, which are the same when averaged once more
        drawn[name] = AGGREGATES[name](drawn[""][:, None, :])
    mean_draws = np.empty_like(drawn[""])
    mean_draws[:, order] = drawn[""]
    points = {name: float(statistic(ordered)) for name, statistic in AGGREGATES.items()}
    aggregates = {name: Estimate(point, np.nan, np.nan) for name, point in points.items()}
    if has_spread(scores):
        level = bootstrap.confidence
        aggregates = {name: estimate(points[name], drawn[name], level) for name in AGGREGATES}
        if bootstrap.method == "rliable":
            aggregates = by_rliable(scores, points, bootstrap)
    means: list[Estimate] = []
    for column, samples in zip(scores.T, mean_draws.T, strict=True):
        values = column[~np.isnan(column)]
        point = float(values.mean())
        has_interval = len(values) > 1
        means.append(
            estimate(point, samples, bootstrap.confidence)
            if has_interval
            else Estimate(point, np.nan, np.nan)
        )
    return Resampled(aggregates, means, drawn["iqm"], mean_draws[:KEPT_DRAWS].copy())


def by_rliable(scores: np.ndarray, points: dict[str, float], bootstrap: Bootstrap) -> dict[str, Estimate]:
    """The intervals of aggregates by rliable, which draws from NumPy's global generator.

    The generator is seeded around the call and left as it was. Holes are more than rliable knows: with
    unequal numbers of runs a task there are no intervals (NaN).
    """
    from rliable import library, metrics

    n_runs = np.sum(~np.isnan(scores), axis=0)
    if len(set(n_runs.tolist())) != 1:
        return {name: Estimate(point, np.nan, np.nan) for name, point in points.items()}
    whole = np.sort(scores, axis=0)[: n_runs[0]]
    theirs = {
        "iqm": metrics.aggregate_iqm,
        "mean": metrics.aggregate_mean,
        "median": metrics.aggregate_median,
        "optimality_gap": metrics.aggregate_optimality_gap,
    }
    before = np.random.get_state()  # noqa: NPY002 - the generator that rliable draws from
    np.random.seed(bootstrap.seed)  # noqa: NPY002
    try:
        _, intervals = library.get_interval_estimates(
            {"agent": whole},
            lambda one: np.array([theirs[name](one) for name in points]),
            reps=bootstrap.repetitions,
            confidence_interval_size=bootstrap.confidence,
        )
    finally:
        np.random.set_state(before)  # noqa: NPY002
    low, high = intervals["agent"]
    return {
        name: Estimate(points[name], float(low[place]), float(high[place]))
        for place, name in enumerate(points)
    }


def mean_of(values: np.ndarray, bootstrap: Bootstrap) -> Estimate:
    """Mean of (runs,) with its interval; NaN for missing runs."""
    ordered = np.sort(values)
    rng = stream(bootstrap.seed, ordered)
    return mean_over_seeds(ordered, rng, bootstrap.repetitions, bootstrap.confidence)
