"""Random numbers of the bootstrap: streams that follow from the data, and resamples as counts.

A stream is seeded with the bootstrap's seed and the numbers it resamples. So an interval depends on nothing
but its own data: not on names, on the order of seeds or tasks, or on who else is in the table; and two agents
with different data are resampled independently.
"""

from __future__ import annotations

import hashlib

import numpy as np

_PIECE = 500_000
"""Multiplications at once."""


def stream(seed: int, data: np.ndarray) -> np.random.Generator:
    """A generator that follows from a seed and from data.

    Args:
        seed: the bootstrap's.
        data: what will be resampled, in an order that means something (`canonical`, or sorted).
    """
    numbers = np.ascontiguousarray(data, dtype=float) + 0.0  # -0.0 and 0.0 are the same number
    text = repr(numbers.shape).encode() + numbers.tobytes()
    words = np.frombuffer(hashlib.sha256(text).digest(), dtype=np.uint32)
    return np.random.default_rng([seed, *map(int, words)])


def canonical(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores in an order that does not depend on how runs and tasks are named.

    Args:
        scores: (runs, tasks), NaN for missing runs.

    Returns:
        The scores with every column sorted (NaN last) and the columns in lexicographic order, and that order:
        column ``i`` of the result is column ``order[i]`` of ``scores``.
    """
    ordered = np.sort(scores, axis=0)
    order = np.lexsort(ordered[::-1]) if len(ordered) else np.arange(scores.shape[1])
    return ordered[:, order], order


def counts(n_runs: int, repetitions: int, rng: np.random.Generator) -> np.ndarray:
    """How often each run is drawn in each resample: (repetitions, n_runs), rows that sum to ``n_runs``."""
    place = rng.integers(n_runs, size=(repetitions, n_runs)) + n_runs * np.arange(repetitions)[:, None]
    drawn = np.bincount(place.ravel(), minlength=n_runs * repetitions)
    return drawn.reshape(repetitions, n_runs).astype(np.float32)


def totals(drawn: np.ndarray, table: np.ndarray) -> np.ndarray:
    """What each resample holds: (repetitions, n_runs) counts times (n_runs, points) values.

    It is done in pieces for which BLAS starts no threads: they cost more than they bring.
    """
    rows = max(1, _PIECE // max(1, table.size))
    pieces = [drawn[start : start + rows] @ table for start in range(0, len(drawn), rows)]
    return np.concatenate(pieces)


def percentile_interval(samples: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of percentile intervals.

    Args:
        samples: (repetitions, ...).
        confidence: level, between 0 and 1.

    Returns:
        Two arrays (...).
    """
    # the numbers of np.quantile, which looks for a few of them and takes longer than a sort of all
    ordered = np.sort(np.moveaxis(samples, 0, -1), axis=-1)
    last = ordered.shape[-1] - 1
    ends: list[np.ndarray] = []
    for share in ((1 - confidence) / 2, 1 - (1 - confidence) / 2):
        place = np.float64(last * share)
        before = int(place)
        one, two = ordered[..., before], ordered[..., min(before + 1, last)]
        part = place - before
        end = two - (two - one) * (1 - part) if part >= 0.5 else one + (two - one) * part
        ends.append(np.where(np.isnan(ordered[..., -1]), np.nan, end))
    return ends[0], ends[1]
