"""How fast agents learn: scores over all tasks against training steps, gradient steps and wall time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .reading import Run
from .resampling import canonical, counts, percentile_interval, stream
from .scores import Scale
from .statistics import has_spread, iqm
from .winning import values_of

COLUMNS = ["agent", "axis", "x", "iqm", "iqm_low", "iqm_high", "tasks", "seeds"]

AXES: Mapping[str, str] = {
    "steps": "share of the task's environment steps",
    "updates": "gradient steps",
    "seconds": "seconds of wall time",
}
"""What a score is set against, by name: what ``x`` means."""

_SHARES = np.round(np.linspace(0.0, 1.0, 21), 2)
_PER_DECADE = 4
_ROWS = 32
"""Runs whose counts are added up at once: what a cache holds."""


def area(run: Run) -> float:
    """A run's mean return, or win rate, over its training: the area under its curve, divided by its steps.

    Returns:
        Trapezoids between evaluations, from the first to the last; NaN without evaluations.
    """
    steps, values = run.track.step.astype(float), values_of(run)
    if len(steps) < 2:
        return float(values[0]) if len(values) else math.nan
    return float((values[1:] + values[:-1]) @ np.diff(steps) / 2 / (steps[-1] - steps[0]))


def efficiency(
    runs: Mapping[str, Sequence[Run]],
    references: Mapping[str, Scale],
    seed: int,
    repetitions: int,
    confidence: float,
) -> pd.DataFrame:
    """The interquartile mean of one agent's scores, over runs and tasks, along each of ``AXES``.

    At ``x`` every run counts with its last evaluation by then; once it has ended, with its last one. Points
    before some run's first evaluation are left out. The grids are fixed, so they do not depend on rivals.

    Args:
        runs: task to its complete runs.
        references: task to its scale; tasks without are left out.
        seed: of the bootstrap over runs, stratified by task.
        repetitions: of this bootstrap.
        confidence: level of the pointwise intervals.

    Returns:
        Columns ``COLUMNS`` but ``agent``; an axis that was not recorded (all 0) has no rows.
    """
    scored = {task: runs[task] for task in sorted(runs) if task in references and runs[task]}
    frames = [pd.DataFrame(columns=pd.Index(COLUMNS[1:]))]
    if scored:
        n_runs = max(map(len, scored.values()))
        for axis in AXES:
            grid = _grid(axis, scored)
            values = np.full((len(grid), n_runs, len(scored)), np.nan)
            for column, (task, members) in enumerate(scored.items()):
                for row, run in enumerate(members):
                    values[:, row, column] = [
                        references[task].score(value) for value in _by_then(run, axis, grid)
                    ]
            found = _curve(values, seed, repetitions, confidence)
            about = {"axis": axis, "tasks": len(scored), "seeds": n_runs}
            frames.append(pd.DataFrame({"x": grid, **found, **about}))
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    return pd.concat(filled, ignore_index=True).reindex(columns=COLUMNS[1:])


def _grid(axis: str, runs: Mapping[str, Sequence[Run]]) -> np.ndarray:
    """The points at which every run has been evaluated, up to the first at which all have ended."""
    places = [_places(axis, run) for members in runs.values() for run in members]
    first = max(along[0] for along in places)
    last = max(along[-1] for along in places)
    if axis == "steps":
        return _SHARES[first - 1e-9 <= _SHARES]
    begun = [along[along > 0].min() for along in places if (along > 0).any()]
    if not begun:
        return np.empty(0)
    first = max(first, min(begun))
    powers = np.arange(
        math.ceil(_PER_DECADE * math.log10(max(first, 1.0)) - 1e-9),
        math.ceil(_PER_DECADE * math.log10(max(last, 1.0)) - 1e-9) + 1,
    )
    return 10.0 ** (powers / _PER_DECADE)


def _by_then(run: Run, axis: str, grid: np.ndarray) -> np.ndarray:
    """(points,) what the run is scored by, of the last evaluation at or before each point."""
    found = np.searchsorted(_places(axis, run), grid * (1 + 1e-9), side="right") - 1
    return values_of(run)[np.maximum(found, 0)]


def _places(axis: str, run: Run) -> np.ndarray:
    """(evaluations,) where along an axis a run was evaluated."""
    return run.track.step / run.steps if axis == "steps" else getattr(run.track, axis).astype(float)


def _curve(values: np.ndarray, seed: int, repetitions: int, confidence: float) -> dict[str, np.ndarray]:
    """Interquartile means with intervals of (points, runs, tasks); runs keep their resample along a curve."""
    low = high = np.full(len(values), np.nan)
    if len(values) and has_spread(values[-1]):
        _, order = canonical(values[-1])
        rows = np.argsort(values[-1], axis=0, kind="stable")
        ordered = np.take_along_axis(values, rows[None], axis=1)[:, :, order]
        pooled, drawn = _pooled(ordered, stream(seed, ordered), repetitions)
        samples = np.stack([weighted_iqm(point, drawn) for point in pooled])
        low, high = percentile_interval(samples.T, confidence)
    return {"iqm": iqm(values) if len(values) else low, "iqm_low": low, "iqm_high": high}


def _pooled(values: np.ndarray, rng: np.random.Generator, repetitions: int) -> tuple[np.ndarray, np.ndarray]:
    """(points, pool) the runs of all tasks, and (pool, repetitions) how often each is drawn."""
    is_there = ~np.isnan(values[-1])
    drawn = [counts(int(column.sum()), repetitions, rng) for column in is_there.T]
    pooled = [values[:, column, task] for task, column in enumerate(is_there.T)]
    return np.concatenate(pooled, axis=1), np.ascontiguousarray(np.concatenate(drawn, axis=1).T)


def weighted_iqm(pool: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Interquartile means of resamples that are given as counts.

    With c the cumulative counts of the ordered pool, cut off at a quarter and three quarters, the sum of what
    is kept is (last value) * (last c) - (first value) * (cut) - sum of c * (differences of neighbours). Where
    no resample is cut off within a block of runs, that sum is linear in the counts; only around the quarters
    they must be added up run by run.

    Args:
        pool: (n,) values.
        drawn: (n, repetitions) how often each is drawn; columns have the same sum.

    Returns:
        (repetitions,), to single precision.
    """
    order = np.argsort(pool, kind="stable")
    ordered = pool[order]
    steps = np.diff(ordered).astype(np.float32)
    total = round(float(drawn[:, 0].sum()))
    cut, most = total // 4, total - total // 4
    so_far = np.zeros(drawn.shape[1], dtype=np.float32)
    area = np.zeros(drawn.shape[1])
    for start in range(0, len(steps), _ROWS):
        mine = steps[start : start + _ROWS]
        block = drawn[order[start : start + len(mine)]]
        before, so_far = so_far, so_far + block.sum(axis=0)
        if before.min() >= cut and so_far.max() <= most:  # nothing is cut off
            area += mine.sum() * before + np.cumsum(mine[::-1])[::-1] @ block
        elif so_far.max() <= cut or before.min() >= most:  # all is
            area += mine.sum() * np.float32(cut if so_far.max() <= cut else most)
        else:
            block[0] += before
            cumulative = np.cumsum(block, axis=0, out=block)
            area += mine @ np.clip(cumulative, cut, most, out=block)
    return (ordered[-1] * most - ordered[0] * cut - area) / (most - cut)
