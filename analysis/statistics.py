"""Aggregates and bootstrap intervals: pure functions on one array shape, (runs, tasks).

Entry [n, m] is the score of run n on task m; NaN marks a run that is missing. The order of the runs within a
column means nothing, so tasks may have different numbers of runs. The aggregates are those of Agarwal et al.
2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (rliable); with holes

- ``mean`` and ``median`` first average each task over the runs it has, so every task counts the same;
- ``iqm`` and ``optimality_gap`` pool the runs that are there, so a task with fewer runs counts less.

Tasks without any run are left out. Every aggregate takes leading axes, (..., runs, tasks) to (...,), which
makes the bootstrap one vectorised call.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]

REPETITIONS = 50_000
"""Default bootstrap repetitions, as in rliable."""

CONFIDENCE = 0.95
"""Default confidence level."""

_CHUNK_NUMBERS = 4_000_000
"""Resampled numbers held at once (32 MB); it decides memory and, with the seed, the exact draws."""


@dataclass(frozen=True)
class Estimate:
    """A statistic with its percentile bootstrap interval; low and high are NaN where there is none."""

    point: float
    low: float
    high: float


def iqm(scores: np.ndarray) -> np.ndarray:
    """Interquartile mean: the mean of what is left when a quarter of all runs is cut off at either end.

    Args:
        scores: (..., runs, tasks), pooled over runs and tasks.

    Returns:
        (...,); NaN without runs.
    """
    pooled = scores.reshape(*scores.shape[:-2], -1)
    ordered = np.sort(pooled, axis=-1)  # NaN go last
    count = np.sum(~np.isnan(pooled), axis=-1, keepdims=True)
    cut = count // 4
    place = np.arange(pooled.shape[-1])
    kept = np.where((place >= cut) & (place < count - cut), ordered, 0.0)
    return _divided(kept.sum(axis=-1), (count - 2 * cut)[..., 0])


def mean(scores: np.ndarray) -> np.ndarray:
    """Mean over tasks of each task's mean over runs: (..., runs, tasks) to (...,)."""
    return _nan_mean(_nan_mean(scores, axis=-2), axis=-1)


def median(scores: np.ndarray) -> np.ndarray:
    """Median over tasks of each task's mean over runs: (..., runs, tasks) to (...,)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        return np.asarray(np.nanmedian(_nan_mean(scores, axis=-2), axis=-1))


def optimality_gap(scores: np.ndarray) -> np.ndarray:
    """How far runs fall short of score 1 on average, pooled; what lies above 1 counts as 1. Less is better.

    Args:
        scores: (..., runs, tasks).

    Returns:
        (...,); NaN without runs.
    """
    pooled = scores.reshape(*scores.shape[:-2], -1)
    return 1.0 - _nan_mean(np.minimum(pooled, 1.0), axis=-1)


AGGREGATES: Mapping[str, Statistic] = {
    "iqm": iqm,
    "mean": mean,
    "median": median,
    "optimality_gap": optimality_gap,
}
"""The aggregates of a leaderboard, by column name."""


def estimates(
    scores: np.ndarray,
    statistics: Mapping[str, Statistic],
    rng: np.random.Generator,
    repetitions: int = REPETITIONS,
    confidence: float = CONFIDENCE,
) -> dict[str, Estimate]:
    """Statistics with percentile intervals of a stratified bootstrap: runs are resampled within each task.

    All statistics are computed on the same resamples. Each task is resampled among the runs it has. A task
    with a single run says nothing about its spread: there are no intervals (NaN) as soon as one task has
    only one.

    Args:
        scores: (runs, tasks), NaN for missing runs.
        statistics: name to a function of (..., runs, tasks).
        rng: source of the resamples; the same generator state gives the same intervals.
        repetitions: resamples.
        confidence: level of the intervals, between 0 and 1.

    Returns:
        Name to estimate.

    Raises:
        ValueError: ``scores`` is no matrix, or repetitions or confidence are out of range.
    """
    if scores.ndim != 2:
        raise ValueError(f"scores must be (runs, tasks), got shape {scores.shape}")
    if repetitions < 1 or not 0 < confidence < 1:
        raise ValueError(f"need repetitions >= 1 and 0 < confidence < 1, got {repetitions} and {confidence}")
    columns = [column[~np.isnan(column)] for column in scores.T]
    columns = [column for column in columns if len(column)]
    dense = _padded([column[None] for column in columns])
    points = {name: float(statistic(dense)[0]) for name, statistic in statistics.items()}
    if not columns or min(map(len, columns)) < 2:
        return {name: Estimate(point, np.nan, np.nan) for name, point in points.items()}
    samples: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    chunk = max(1, _CHUNK_NUMBERS // dense.size)
    for start in range(0, repetitions, chunk):
        size = min(chunk, repetitions - start)
        resampled = _padded([_resampled(column, size, rng) for column in columns])
        for name, statistic in statistics.items():
            samples[name].append(statistic(resampled))
    tail = (1 - confidence) / 2
    intervals = {
        name: np.quantile(np.concatenate(parts), [tail, 1 - tail]) for name, parts in samples.items()
    }
    return {name: Estimate(points[name], float(low), float(high)) for name, (low, high) in intervals.items()}


def mean_over_seeds(
    values: np.ndarray,
    rng: np.random.Generator,
    repetitions: int = REPETITIONS,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean of one task's runs with its percentile bootstrap interval.

    Args:
        values: (runs,), NaN for missing runs.
        rng: source of the resamples.
        repetitions: resamples.
        confidence: level of the interval.

    Returns:
        The estimate; no interval (NaN) with fewer than two runs.
    """
    return estimates(values[:, None], {"mean": mean}, rng, repetitions, confidence)["mean"]


def _resampled(column: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, runs) draws with replacement from the runs of one task."""
    return column[rng.integers(len(column), size=(size, len(column)))]


def _padded(columns: list[np.ndarray]) -> np.ndarray:
    """Columns (batch, runs of that task) as one (batch, runs, tasks) array, filled up with NaN."""
    batch = len(columns[0]) if columns else 1
    runs = max((column.shape[1] for column in columns), default=1)
    result = np.full((batch, runs, max(len(columns), 1)), np.nan)
    for task, column in enumerate(columns):
        result[:, : column.shape[1], task] = column
    return result


def _nan_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of the numbers along an axis, NaN where there are none."""
    present = ~np.isnan(values)
    return _divided(np.where(present, values, 0.0).sum(axis=axis), present.sum(axis=axis))


def _divided(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """``total / count`` with NaN where ``count`` is 0."""
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
