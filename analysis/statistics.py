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

from .resampling import percentile_interval

Statistic = Callable[[np.ndarray], np.ndarray]

REPETITIONS = 50_000
"""Default bootstrap repetitions, as in rliable."""

CONFIDENCE = 0.95
"""Default confidence level."""

_CHUNK_NUMBERS = 250_000
"""Resampled numbers held at once (2 MB, what a cache holds); with the seed it decides the exact draws."""


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
    if not np.isnan(ordered[..., -1]).any():
        cut = pooled.shape[-1] // 4
        return ordered[..., cut : pooled.shape[-1] - cut].mean(axis=-1)
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
    means = _nan_mean(scores, axis=-2)
    if not np.isnan(means).any():
        return np.asarray(np.median(means, axis=-1))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        return np.asarray(np.nanmedian(means, axis=-1))


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


def draws(
    scores: np.ndarray,
    statistics: Mapping[str, Statistic],
    rng: np.random.Generator,
    repetitions: int = REPETITIONS,
) -> dict[str, np.ndarray]:
    """Statistics of the resamples of a stratified bootstrap: runs are drawn anew within each task.

    All statistics see the same resamples; each task is resampled among the runs it has.

    Args:
        scores: (runs, tasks), NaN for missing runs.
        statistics: name to a function of (..., runs, tasks).
        rng: source of the resamples.
        repetitions: resamples.

    Returns:
        Name to (repetitions, ...): the first axis in front of what the statistic gives.

    """
    columns = _columns(scores)
    samples: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    chunk = max(1, _CHUNK_NUMBERS // max(1, sum(map(len, columns))))
    for start in range(0, repetitions, chunk):
        size = min(chunk, repetitions - start)
        resampled = _resampled(columns, size, rng)
        for name, statistic in statistics.items():
            samples[name].append(statistic(resampled))
    return {name: np.concatenate(parts) for name, parts in samples.items()}


def estimates(
    scores: np.ndarray,
    statistics: Mapping[str, Statistic],
    rng: np.random.Generator,
    repetitions: int = REPETITIONS,
    confidence: float = CONFIDENCE,
) -> dict[str, Estimate]:
    """Statistics with percentile intervals of a stratified bootstrap; see `draws`.

    A task with a single run says nothing about its spread: there are no intervals (NaN) as soon as one task
    has only one.

    Args:
        scores: (runs, tasks), NaN for missing runs.
        statistics: name to a function of (..., runs, tasks) to (...).
        rng: source of the resamples.
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
    points = {name: float(statistic(_dense(scores))[0]) for name, statistic in statistics.items()}
    if not has_spread(scores):
        return {name: Estimate(point, np.nan, np.nan) for name, point in points.items()}
    samples = draws(scores, statistics, rng, repetitions)
    return {name: estimate(points[name], samples[name], confidence) for name in statistics}


def estimate(point: float, samples: np.ndarray, confidence: float) -> Estimate:
    """A point with the percentile interval of its draws, (repetitions,)."""
    low, high = percentile_interval(samples, confidence)
    return Estimate(point, float(low), float(high))


def has_spread(scores: np.ndarray) -> bool:
    """Whether a bootstrap says something: there are runs, and no task of (runs, tasks) has a single one."""
    found = np.sum(~np.isnan(scores), axis=0)
    return bool((found > 0).any() and (found != 1).all())


def task_means(scores: np.ndarray) -> np.ndarray:
    """Mean of each task over its runs: (..., runs, tasks) to (..., tasks)."""
    return _nan_mean(scores, axis=-2)


def mean_over_seeds(
    values: np.ndarray,
    rng: np.random.Generator,
    repetitions: int = REPETITIONS,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean of one task's runs with its percentile bootstrap interval.

    Args:
        values: (runs,), NaN for missing runs; fewer than two have no interval (NaN).
        rng: source of the resamples.
        repetitions: resamples.
        confidence: level of the interval.
    """
    return estimates(values[:, None], {"mean": mean}, rng, repetitions, confidence)["mean"]


def _columns(scores: np.ndarray) -> list[np.ndarray]:
    """The runs that are there, task by task; tasks without any are left out."""
    columns = [column[~np.isnan(column)] for column in scores.T]
    return [column for column in columns if len(column)]


def _dense(scores: np.ndarray) -> np.ndarray:
    """(1, runs, tasks) without the rows and tasks that hold nothing."""
    return _padded([column[None] for column in _columns(scores)])


def _resampled(columns: list[np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, runs, tasks) draws with replacement from the runs of each task."""
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        return _padded([column[rng.integers(len(column), size=(size, len(column)))] for column in columns])
    (length,) = lengths
    whole = np.stack(columns, axis=1)
    place = rng.integers(length, size=(size, *whole.shape), dtype=np.int32)
    place *= whole.shape[1]
    place += np.arange(whole.shape[1], dtype=np.int32)
    return np.take(whole, place)


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
    total = values.sum(axis=axis)
    if not np.isnan(total).any():
        return total / values.shape[axis]
    present = ~np.isnan(values)
    return _divided(np.where(present, values, 0.0).sum(axis=axis), present.sum(axis=axis))


def _divided(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """``total / count`` with NaN where ``count`` is 0."""
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
