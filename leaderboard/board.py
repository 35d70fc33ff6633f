"""Leaderboard: the numbers of one table, from run records to data frames.

Runs of different suites, suite versions or budgets never share a table. The runs a table expects are all its
tasks x all its seeds for every agent; only complete ones count in returns, scores and aggregates. A short
run has not had its budget and a failed one has no final result, so their last evaluations are shown beside
the numbers, never mixed into them, and an agent with holes is ranked on the runs it has and marked. The
numbers of a row come from that row's runs alone; only what counts as missing depends on which seeds and
tasks the other rows have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..analysis.reading import Run, read_tables
from ..analysis.scores import ReferenceScores, TaskReference, reference_scores
from ..analysis.statistics import AGGREGATES, CONFIDENCE, REPETITIONS, Estimate, estimates, mean_over_seeds
from ..analysis.variants import cell_of, variant_labels
from .outcomes import RunOutcome, counts, outcomes, summary


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made; printed under every table.

    Attributes:
        seed: every row starts its own generator from it.
        repetitions: resamples.
        confidence: level of the percentile intervals.
    """

    seed: int = 0
    repetitions: int = REPETITIONS
    confidence: float = CONFIDENCE


@dataclass(frozen=True)
class Leaderboard:
    """One table.

    Attributes:
        suite: name of the suite.
        suite_version: its version.
        budget: name of the budget.
        runs: the records behind it.
        agents: one row an agent, best interquartile mean first; the columns of ``leaderboard.csv``.
        tasks: one row a task and agent; the columns of ``tasks.csv``.
        holes: the expected runs that do not count, with the reason.
        references: the reference scores that were used.
        bootstrap: how intervals were made.
    """

    suite: str
    suite_version: str
    budget: str
    runs: tuple[Run, ...]
    agents: pd.DataFrame
    tasks: pd.DataFrame
    holes: tuple[RunOutcome, ...]
    references: ReferenceScores
    bootstrap: Bootstrap


def leaderboards(
    results: str | Path,
    suite: str | None = None,
    budget: str | None = None,
    references: ReferenceScores | None = None,
    bootstrap: Bootstrap | None = None,
) -> list[Leaderboard]:
    """Reads records and makes one table a suite, suite version and budget.

    Args:
        results: results folder.
        suite: only this suite.
        budget: only this budget.
        references: reference scores, by default the package's own.
        bootstrap: how to make intervals.

    Raises:
        RecordError: a corrupt record, or no record of this suite and budget.
    """
    used = references or reference_scores()
    tables = read_tables(results, suite, budget)
    return [leaderboard(runs, used, bootstrap or Bootstrap()) for runs in tables.values()]


def leaderboard(runs: Sequence[Run], references: ReferenceScores, bootstrap: Bootstrap) -> Leaderboard:
    """The table of the runs of one suite, suite version and budget.

    Args:
        runs: at least one.
        references: reference scores; a task that has none gets returns but no scores.
        bootstrap: how to make intervals.
    """
    labels = variant_labels(runs)
    by_place = {(run.task_id, labels[cell_of(run)], run.seed): run for run in runs}
    names = sorted(set(labels.values()))
    tasks = sorted({run.task_id for run in runs})
    seeds = sorted({run.seed for run in runs})
    ids = {labels[cell_of(run)]: run.agent_id for run in runs}
    expected = outcomes(tasks, names, seeds, by_place)
    first = runs[0]
    about = {"suite": first.suite, "suite_version": str(first.meta["suite_version"]), "budget": first.budget}
    metas: dict[tuple[str, str], Mapping[str, Any]] = {
        (run.task_id, labels[cell_of(run)]): run.meta for run in runs
    }
    units = {run.task_id: str(run.meta["task"]["return_unit"]) for run in runs}
    task_rows = [
        {
            **about,
            **{"task": task, "agent": name, "agent_id": ids[name], "return_unit": units[task]},
            **_task_numbers(expected[task, name], metas.get((task, name)), references, bootstrap),
        }
        for task in tasks
        for name in names
    ]
    agent_rows = [
        {
            **{"agent": name, "agent_id": ids[name], **about},
            **_agent_numbers([expected[task, name] for task in tasks], references, bootstrap),
        }
        for name in names
    ]
    agents = pd.DataFrame(agent_rows).sort_values("iqm", ascending=False, kind="stable", ignore_index=True)
    holes = tuple(run for group in expected.values() for run in group if run.outcome != "done")
    return Leaderboard(
        **about,
        runs=tuple(runs),
        agents=agents,
        tasks=pd.DataFrame(task_rows),
        holes=holes,
        references=references,
        bootstrap=bootstrap,
    )


def _task_numbers(
    expected: Sequence[RunOutcome],
    meta: Mapping[str, Any] | None,
    references: ReferenceScores,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """The numbers of one task and agent; ``meta`` is None when there is no run at all."""
    values = np.array([run.value for run in expected if run.outcome == "done"])
    unfinished = [run.value for run in expected if run.outcome == "short" and not math.isnan(run.value)]
    estimate = _estimated(values, bootstrap)
    reference = references.tasks.get(expected[0].task)
    points = (estimate.point, estimate.low, estimate.high)
    scores = [reference.score(value) if reference else math.nan for value in points]
    return {
        **dict(zip(("return", "low", "high"), points, strict=True)),
        **dict(zip(("score", "score_low", "score_high"), scores, strict=True)),
        "seeds": len(values),
        "steps": meta["steps"] if meta else pd.NA,
        **counts(expected),
        "short_return": float(np.mean(unfinished)) if unfinished else math.nan,
        "status": "; ".join([summary(expected), *_remarks(len(values), meta, reference)]),
        "settings_hash": meta["settings_hash"] if meta else "",
        "random": reference.random if reference else math.nan,
        "reference": reference.reference if reference else math.nan,
        "reference_version": references.version,
    }


def _remarks(n_values: int, meta: Mapping[str, Any] | None, reference: TaskReference | None) -> list[str]:
    """What a reader must know beside how many runs there are."""
    remarks = ["one seed: no interval"] if n_values == 1 else []
    if reference is None:
        remarks.append("no reference score")
    elif meta is not None:
        used = {**meta["task"]["settings"], **meta["task"]["evaluation_settings"]}
        differing = [name for name, value in reference.evaluation_settings.items() if used.get(name) != value]
        if differing:
            remarks.append(f"reference scores were measured with other {', '.join(sorted(differing))}")
    return remarks


def _agent_numbers(
    expected: Sequence[Sequence[RunOutcome]], references: ReferenceScores, bootstrap: Bootstrap
) -> dict[str, Any]:
    """The aggregates of one agent; ``expected`` holds one sequence a task, in a fixed order of seeds."""
    scores = np.full((len(expected[0]), len(expected)), np.nan)
    for column, group in enumerate(expected):
        reference = references.tasks.get(group[0].task)
        for row, run in enumerate(group):
            if reference is not None and run.outcome == "done":
                scores[row, column] = reference.score(run.value)
    rng = np.random.default_rng(bootstrap.seed)
    found = estimates(scores, AGGREGATES, rng, bootstrap.repetitions, bootstrap.confidence)
    everything = [run for group in expected for run in group]
    numbers: dict[str, Any] = {
        "tasks": int((~np.isnan(scores)).any(axis=0).sum()),
        "seeds": int((~np.isnan(scores)).any(axis=1).sum()),
    }
    for name, estimate in found.items():
        numbers |= {name: estimate.point, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {
        **numbers,
        **counts(everything),
        "reference_version": references.version,
        "bootstrap_seed": bootstrap.seed,
        "bootstrap_repetitions": bootstrap.repetitions,
        "confidence": bootstrap.confidence,
    }


def _estimated(values: np.ndarray, bootstrap: Bootstrap) -> Estimate:
    rng = np.random.default_rng(bootstrap.seed)
    return mean_over_seeds(values, rng, bootstrap.repetitions, bootstrap.confidence)
