"""Learning curves in long form: one row a task, agent and training step, of what the task is scored by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .reading import Run
from .resampling import counts, percentile_interval, stream, totals
from .statistics import CONFIDENCE, iqm
from .variants import variant_labels
from .winning import values_of, win_metric

COLUMNS = [
    *("suite", "budget", "task", "agent", "step", "mean", "low", "high", "iqm", "seeds", "return_unit"),
    *("updates", "seconds"),
]
WIN_COLUMNS = ["scored_by", "return_mean", "return_low", "return_high"]
"""Further columns, if episodes of any task are won or lost: what ``mean`` is, and the return beside it."""

REPETITIONS = 2_000
"""Bootstrap repetitions a point of a curve, as for rliable's profiles; intervals of curves are looked at."""


def learning_curves(
    runs: Sequence[Run], seed: int = 0, repetitions: int = REPETITIONS, confidence: float = CONFIDENCE
) -> pd.DataFrame:
    """Return, or win rate, by training step: mean and interquartile mean over the seeds evaluated there.

    Runs of every status are in it, up to where they came; ``seeds`` says how many make a point. ``updates``
    and ``seconds`` are their mean gradient steps and wall time by then.

    Args:
        runs: those of one suite and budget.
        seed: seed of the bootstrap; each curve's generator follows from it and from the curve's own numbers,
            so a curve does not depend on the others.
        repetitions: bootstrap repetitions.
        confidence: level of the percentile interval of the mean; NaN where a point has one seed.

    Returns:
        Columns ``COLUMNS``, returns in their own unit, ordered by task, agent and step; ``WIN_COLUMNS``
        besides where a task is scored by its win rate.
    """
    labels = variant_labels(runs)
    curves: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        curves[run.task_id, labels[run.task_id, run.agent_id, run.settings_hash]].append(run)
    parts: list[Mapping[str, object]] = []
    for (task, agent), members in sorted(curves.items()):
        first = members[0]
        points = _points(members, [values_of(run) for run in members], seed, repetitions, confidence)
        about: dict[str, object] = {
            "suite": first.suite,
            "budget": first.budget,
            "task": task,
            "agent": agent,
        }
        about |= {"return_unit": first.meta["task"]["return_unit"], "scored_by": "return"}
        if win_metric(first) is not None:
            returns = _points(
                members, [run.track.mean_return for run in members], seed, repetitions, confidence
            )
            about |= {"scored_by": "win rate"}
            about |= {f"return_{name}": returns[name] for name in ("mean", "low", "high")}
        parts.append({**about, **points})
    further = WIN_COLUMNS if any(win_metric(run) is not None for run in runs) else []
    frames = [pd.DataFrame(part) for part in parts if len(part["step"])]  # type: ignore[arg-type]
    whole = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return whole.reindex(columns=pd.Index([*COLUMNS, *further]))


def _points(
    runs: Sequence[Run],
    values: Sequence[np.ndarray],
    seed: int,
    repetitions: int,
    confidence: float,
) -> dict[str, np.ndarray]:
    """The columns of one curve, from what each run has at its evaluations.

    Steps that the same seeds reached share their resamples.
    """
    order = sorted(range(len(runs)), key=lambda place: runs[place].seed)
    steps = np.unique(np.concatenate([run.track.step for run in runs]))
    table = np.full((len(runs), len(steps), 3), np.nan)
    is_there = np.zeros((len(runs), len(steps)), dtype=bool)
    for row, place in enumerate(order):
        found = runs[place].track
        at = np.searchsorted(steps, found.step)
        table[row, at] = np.stack([values[place], found.updates, found.seconds], axis=1)
        is_there[row, at] = True
    together: dict[bytes, list[int]] = defaultdict(list)
    for place, column in enumerate(is_there.T):
        together[column.tobytes()].append(place)
    columns = {
        name: np.full(len(steps), np.nan) for name in ("mean", "low", "high", "iqm", "updates", "seconds")
    }
    for places in together.values():
        part = np.take(table[is_there[:, places[0]]], places, axis=1)
        mine = part[np.lexsort(part[:, ::-1, 0].T), :, 0]  # an order that does not come from the seeds
        n_seeds = len(part)
        if n_seeds > 1:
            drawn = counts(n_seeds, repetitions, stream(seed, mine)).astype(float)
            ends = percentile_interval(totals(drawn, mine) / n_seeds, confidence)
            columns["low"][places], columns["high"][places] = ends
        columns["iqm"][places] = iqm(mine.T[:, :, None])
        for name, average in zip(("mean", "updates", "seconds"), part.mean(axis=0).T, strict=True):
            columns[name][places] = average
    return {"step": steps, "seeds": is_there.sum(axis=0), **columns}
