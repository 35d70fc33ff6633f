"""Learning curves in long form: one row a task, agent and training step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .reading import Run
from .statistics import CONFIDENCE, iqm
from .variants import variant_labels

COLUMNS = ["suite", "budget", "task", "agent", "step", "mean", "low", "high", "iqm", "seeds", "return_unit"]

REPETITIONS = 2_000
"""Bootstrap repetitions a point of a curve, as for rliable's profiles; intervals of curves are looked at."""


def learning_curves(
    runs: Sequence[Run], seed: int = 0, repetitions: int = REPETITIONS, confidence: float = CONFIDENCE
) -> pd.DataFrame:
    """Return by training step: mean and interquartile mean over the seeds that were evaluated there.

    Runs of every status are in it, up to where they came; ``seeds`` says how many make a point.

    Args:
        runs: those of one suite and budget.
        seed: seed of the bootstrap; each curve starts its own generator, so a curve does not depend on the
            others.
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
        points = _points(members, np.random.default_rng(seed), repetitions, confidence)
        rows += [{**about, **point, "return_unit": unit} for point in points]
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def _points(
    runs: Sequence[Run], rng: np.random.Generator, repetitions: int, confidence: float
) -> list[dict[str, float]]:
    """The points of one curve; steps that the same seeds reached share their resamples."""
    returns: dict[int, dict[int, float]] = defaultdict(dict)
    for run in sorted(runs, key=lambda run: run.seed):
        for evaluation in run.evaluations:
            returns[evaluation.step][run.seed] = evaluation.mean_return
    together: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for step in sorted(returns):
        together[tuple(returns[step])].append(step)
    points: list[dict[str, float]] = []
    for seeds, steps in together.items():
        values = np.array([[returns[step][seed] for step in steps] for seed in seeds])
        low = high = np.full(len(steps), np.nan)
        if len(seeds) > 1:
            draws = rng.integers(len(seeds), size=(repetitions, len(seeds)))
            tail = (1 - confidence) / 2
            low, high = np.quantile(values[draws].mean(axis=1), [tail, 1 - tail], axis=0)
        middle = iqm(values.T[:, :, None])
        for place, step in enumerate(steps):
            points.append(
                {
                    "step": step,
                    "mean": float(values[:, place].mean()),
                    "low": float(low[place]),
                    "high": float(high[place]),
                    "iqm": float(middle[place]),
                    "seeds": len(seeds),
                }
            )
    return sorted(points, key=lambda point: point["step"])
