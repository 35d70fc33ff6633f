"""How fast agents learn: scores over all tasks against training steps, gradient steps and wall time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from .reading import Evaluation, Run
from .resampling import canonical, counts, percentile_interval, stream
from .scores import TaskReference
from .statistics import has_spread, iqm

COLUMNS = ["agent", "axis", "x", "iqm", "iqm_low", "iqm_high", "tasks", "seeds"]

AXES: Mapping[str, str] = {
    "steps": "share of the task's environment steps",
    "updates": "gradient steps",
    "seconds": "seconds of wall time",
}
"""What a score is set against, by name: what ``x`` means."""

_SHARES = np.round(np.linspace(0.0, 1.0, 21), 2)
_PER_DECADE = 4


def area(run: Run) -> float:
    """A run's mean return over its training: the area under its learning curve, divided by its steps.

    Returns:
        Trapezoids between evaluations, from the first to the last; NaN without evaluations.
    """
    steps = np.array([item.step for item in run.evaluations], dtype=float)
    values = np.array([item.mean_return for item in run.evaluations])
    if len(steps) < 2:
        return float(values[0]) if len(values) else math.nan
    return float((values[1:] + values[:-1]) @ np.diff(steps) / 2 / (steps[-1] - steps[0]))


def efficiency(
    runs: Mapping[str, Sequence[Run]],
    references: Mapping[str, TaskReference],
    seed: int,
    repetitions: int,
    confidence: float,
) -> pd.DataFrame:
    """The interquartile mean of one agent's scores, over runs and tasks, along each of ``AXES``.

    At ``x`` every run counts with its last evaluation by then; once it has ended, with its last one. Points
    before some run's first evaluation are left out. The grids are fixed, so they do not depend on rivals.

    Args:
        runs: task to its complete runs.
        references: task to its reference scores; tasks without are left out.
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
    place = _place_of(axis)
    everyone = [run for members in runs.values() for run in members]
    first = max(place(run, run.evaluations[0]) for run in everyone)
    last = max(place(run, run.evaluations[-1]) for run in everyone)
    if axis == "steps":
        return _SHARES[first - 1e-9 <= _SHARES]
    begun = [place(run, item) for run in everyone for item in run.evaluations if place(run, item) > 0]
    if not begun:
        return np.empty(0)
    first = max(first, min(begun))
    powers = np.arange(
        math.ceil(_PER_DECADE * math.log10(max(first, 1.0)) - 1e-9),
        math.ceil(_PER_DECADE * math.log10(max(last, 1.0)) - 1e-9) + 1,
    )
    return 10.0 ** (powers / _PER_DECADE)


def _by_then(run: Run, axis: str, grid: np.ndarray) -> np.ndarray:
    """(points,) the mean return of the last evaluation at or before each point."""
    place = _place_of(axis)
    places = np.array([place(run, item) for item in run.evaluations])
    returns = np.array([item.mean_return for item in run.evaluations])
    found = np.searchsorted(places, grid * (1 + 1e-9), side="right") - 1
    return returns[np.maximum(found, 0)]


def _place_of(axis: str) -> Callable[[Run, Evaluation], float]:
    return {
        "steps": lambda run, item: item.step / run.steps,
        "updates": lambda _, item: float(item.updates),
        "seconds": lambda _, item: item.seconds,
    }[axis]


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
    return np.concatenate(pooled, axis=1), np.concatenate([table.T for table in drawn])


def weighted_iqm(pool: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Interquartile means of resamples that are given as counts.

    With c the cumulative counts of the ordered pool, cut off at a quarter and three quarters, the sum of what
    is kept is (last value) * (last c) - (first value) * (cut) - sum of c * (differences of neighbours).

    Args:
        pool: (n,) values.
        drawn: (n, repetitions) how often each is drawn; columns have the same sum.

    Returns:
        (repetitions,), to single precision.
    """
    order = np.argsort(pool, kind="stable")
    ordered = pool[order]
    total = round(float(drawn[:, 0].sum()))
    cut = total // 4
    cumulative = np.cumsum(drawn[order], axis=0)
    np.clip(cumulative, cut, total - cut, out=cumulative)
    steps = np.diff(ordered).astype(np.float32) @ cumulative[:-1]
    return (ordered[-1] * (total - cut) - ordered[0] * cut - steps) / (total - 2 * cut)
