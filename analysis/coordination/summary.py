"""Does a team coordinate, and how: what training recorded about it, by agent and task, with intervals.

Every number is a mean over the seeds of complete runs, taken early (at the first measurement after learning
began) and at the end. What was not measured is in the table too, with the reason.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..reading import Evaluation, Run, read_tables
from ..statistics import CONFIDENCE, Estimate, mean_over_seeds
from ..variants import cell_of, variant_labels
from .measures import MEASURES, PAIR_SPLIT, WIN_RATE, early, measures_of, pair_reach, reason
from .positions import pair_split, read_positions

REPETITIONS = 10_000
"""Bootstrap repetitions of each interval."""

COLUMNS = ["suite", "suite_version", "budget", "task", "agent", "measure", "when", "step"]
COLUMNS += ["value", "low", "high", "seeds", "note"]
CURVE_COLUMNS = [*COLUMNS[:6], "step", "value", "low", "high", "seeds"]


@dataclass(frozen=True)
class Coordination:
    """One report.

    Attributes:
        suite: name of the suite.
        suite_version: its version.
        budget: name of the budget.
        runs: the records behind it.
        table: columns ``COLUMNS``, one row a task, agent, measure and time (early, last).
        curves: columns ``CURVE_COLUMNS``, one row a task, agent, measure and step.
        labels: path of each run to the label of its agent.
    """

    suite: str
    suite_version: str
    budget: str
    runs: tuple[Run, ...]
    table: pd.DataFrame
    curves: pd.DataFrame
    labels: Mapping[Path, str]


def coordination(
    results: str | Path, suite: str | None = None, budget: str | None = None, seed: int = 0
) -> list[Coordination]:
    """Reads records and reports one suite, suite version and budget after the other.

    Args:
        results: results folder.
        suite: only this suite.
        budget: only this budget.
        seed: of the bootstrap; every number starts its own generator from it.

    Raises:
        RecordError: a corrupt record, or no record of this suite and budget.
    """
    tables = read_tables(results, suite, budget)
    return [_report(key, runs, seed) for key, runs in tables.items()]


def _report(key: tuple[str, str, str], runs: Sequence[Run], seed: int) -> Coordination:
    names = variant_labels(runs)
    cells: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.seed):
        cells[run.task_id, names[cell_of(run)]].append(run)
    about = dict(zip(COLUMNS[:3], key, strict=True))
    rows: list[dict[str, object]] = []
    curves: list[dict[str, object]] = []
    for (task, agent), members in sorted(cells.items()):
        place = {**about, "task": task, "agent": agent}
        rows += [{**place, **row} for row in _rows(members, seed)]
        curves += [{**place, **row} for row in _curves(members, seed)]
    return Coordination(
        *key,
        tuple(runs),
        pd.DataFrame(rows, columns=pd.Index(COLUMNS)),
        pd.DataFrame(curves, columns=pd.Index(CURVE_COLUMNS)),
        {run.path: names[cell_of(run)] for run in runs},
    )


def _rows(runs: Sequence[Run], seed: int) -> list[dict[str, object]]:
    """The table's rows of one task and agent."""
    done = [run for run in runs if run.status == "done" and run.evaluations]
    if not done:
        found = ", ".join(f"{sum(r.status == s for r in runs)} {s}" for s in sorted({r.status for r in runs}))
        return [_row("return", "last", None, [], f"no run is done ({found})", seed)]
    rows = []
    for when, pick in (("early", early), ("last", _last)):
        at = [(run, pick(run)) for run in done]
        measures = measures_of(at)
        if when == "early":
            measures = {
                name: take for name, take in measures.items() if not name.startswith((WIN_RATE, "return"))
            }
        step = max((one.step for _, one in at if one), default=None)
        for measure, take in measures.items():
            values = [math.nan if one is None else take(run, one) for run, one in at]
            note = reason(measure, done) if all(map(math.isnan, values)) else ""
            rows.append(_row(measure, when, step, values, note, seed))
    left_out = len(runs) - len(done)
    if left_out:
        for row in rows:
            row["note"] = "; ".join(
                filter(None, [str(row["note"]), f"{left_out} of {len(runs)} runs are not done"])
            )
    return rows


def _last(run: Run) -> Evaluation:
    return run.evaluations[-1]


def _row(
    measure: str, when: str, step: int | None, values: Sequence[float], note: str, seed: int
) -> dict[str, object]:
    array = np.array(values, float)
    found = _estimate(array, seed)
    return {
        "measure": measure,
        "when": when,
        "step": step,
        "value": found.point,
        "low": found.low,
        "high": found.high,
        "seeds": int((~np.isnan(array)).sum()),
        "note": note,
    }


def _estimate(values: np.ndarray, seed: int) -> Estimate:
    if np.isnan(values).all():
        return Estimate(math.nan, math.nan, math.nan)
    return mean_over_seeds(values, np.random.default_rng(seed), REPETITIONS, CONFIDENCE)


def _curves(runs: Sequence[Run], seed: int) -> list[dict[str, object]]:
    """Each measure over training: runs of every status, up to where they came."""
    values: dict[tuple[str, int], list[float]] = defaultdict(list)
    for run in runs:
        for one in run.evaluations:
            for measure in MEASURES:
                value = one.training.get(measure)
                if value is not None:
                    values[measure, one.step].append(value)
        reach = pair_reach(run)
        for shown in read_positions(run.path) if reach is not None else []:
            if len(shown.places) and reach is not None:
                values[PAIR_SPLIT, shown.step].append(float(pair_split(shown.places, reach).mean()))
    rows = []
    for (measure, step), found in sorted(values.items()):
        estimate = _estimate(np.array(found), seed)
        row = {"measure": measure, "step": step, "value": estimate.point, "seeds": len(found)}
        rows.append({**row, "low": estimate.low, "high": estimate.high})
    return rows
