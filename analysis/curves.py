"""Learning curves in long form: one row a task, agent and training step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .reading import Run
from .resampling import counts, percentile_interval, stream
from .statistics import CONFIDENCE, iqm
from .variants import variant_labels

COLUMNS = [
    *("suite", "budget", "task", "agent", "step", "mean", "low", "high", "iqm", "seeds", "return_unit"),
    *("updates", "seconds"),
]

REPETITIONS = 2_000
"""Bootstrap repetitions a point of a curve, as for rliable's profiles; intervals of curves are looked at."""


def learning_curves(
    runs: Sequence[Run], seed: int = 0, repetitions: int = REPETITIONS, confidence: float = CONFIDENCE
) -> pd.DataFrame:
    """Return by training step: mean and interquartile mean over the seeds that were evaluated there.

    Runs of every status are in it, up to where they came; ``seeds`` says how many make a point. ``updates``
    and ``seconds`` are their mean gradient steps and wall time by then.

    Args:
        runs: those of one suite and budget.
        seed: seed of the bootstrap; each curve's generator follows from it and from the curve's own numbers,
            so a curve does not depend on the others.
        repetitions: bootstrap repetitions.
        confidence: level of the percentile interval of the mean; NaN where a point has one seed.

    Returns:
        Columns ``COLUMNS``, in the return's own unit, ordered by task, agent and step.
    """
    labels = variant_labels(runs)
    curves: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        curves[run.task_id, labels[run.task_id, run.agent_id, run.settings_hash]].append(run)
    rows: list[dict[str, object]] = []
    for (task, agent), members in sorted(curves.items()):
        first = members[0]
        about = {"suite": first.suite, "budget": first.budget, "task": task, "agent": agent}
        unit = first.meta["task"]["return_unit"]
        points = _points(members, seed, repetitions, confidence)
        rows += [{**about, **point, "return_unit": unit} for point in points]
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def _points(runs: Sequence[Run], seed: int, repetitions: int, confidence: float) -> list[dict[str, float]]:
    """The points of one curve; steps that the same seeds reached share their resamples."""
    found: dict[int, dict[int, tuple[float, int, float]]] = defaultdict(dict)
    for run in sorted(runs, key=lambda run: run.seed):
        for evaluation in run.evaluations:
            found[evaluation.step][run.seed] = (
                evaluation.mean_return,
                evaluation.updates,
                evaluation.seconds,
            )
    together: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for step in sorted(found):
        together[tuple(found[step])].append(step)
    points: list[dict[str, float]] = []
    for seeds, steps in together.items():
        table = np.array([[found[step][seed] for step in steps] for seed in seeds])
        values = table[np.lexsort(table[:, ::-1, 0].T), :, 0]  # an order that does not come from the seeds
        low = high = np.full(len(steps), np.nan)
        if len(seeds) > 1:
            drawn = counts(len(seeds), repetitions, stream(seed, values)).astype(float)
            low, high = percentile_interval(drawn @ values / len(seeds), confidence)
        middle = iqm(values.T[:, :, None])
        averages = table.mean(axis=0)
        for place, step in enumerate(steps):
            points.append(
                {
                    "step": step,
                    "mean": float(averages[place, 0]),
                    "low": float(low[place]),
                    "high": float(high[place]),
                    "iqm": float(middle[place]),
                    "seeds": len(seeds),
                    "updates": float(averages[place, 1]),
                    "seconds": float(averages[place, 2]),
                }
            )
    return sorted(points, key=lambda point: point["step"])
