"""Leaderboard: the numbers of one table, from run records to data frames.

Runs of different suites, suite versions or budgets never share a table, and within a task only runs under
one protocol are compared (`protocol`). The runs a table expects are all its tasks x all its seeds for every
agent; of a variant (an agent with several settings) only those on tasks where it has runs, of an agent
trained elsewhere only the seeds it has. Only complete runs count in returns, scores and aggregates. A short
run has not had its budget and a failed one has no final result, so their last evaluations are shown beside
the numbers, never mixed into them. The numbers of a row come from that row's runs alone; only what counts as
missing, ranks and corrections depend on the other rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..analysis.curves import learning_curves
from ..analysis.efficiency import COLUMNS as EFFICIENCY_COLUMNS
from ..analysis.pairs import pair_table
from ..analysis.profiles import COLUMNS as PROFILE_COLUMNS
from ..analysis.reading import Run, read_tables
from ..analysis.scores import ReferenceScores, Scales, reference_scores, scales
from ..analysis.variants import Cell, cell_of, is_external, variant_labels
from .bootstrap import Bootstrap
from .leading import win_columns
from .outcomes import RunOutcome, outcomes
from .protocol import WIN_RATE, common_protocols, won_tasks
from .rows import Row, agent_row, task_rows, values_of
from .standing import SCRIPTED, Standing, standing
from .trends import trends


@dataclass(frozen=True)
class Leaderboard:
    """One table, and everything that outputs are written from.

    Attributes:
        suite: name of the suite.
        suite_version: its version.
        budget: name of the budget.
        runs: the records behind it.
        agents: one row an agent, best interquartile mean first, those that lack tasks last;
            ``leaderboard.csv``.
        tasks: one row a task and agent; the columns of ``tasks.csv``.
        pairs: one row two agents, over all tasks and on each; ``pairs.csv``.
        curves: one row a task, agent and evaluation; ``curves.csv``.
        profiles: one row an agent and score; ``profiles.csv``.
        efficiency: one row an agent, axis and point; ``efficiency.csv``.
        holes: the expected runs that do not count, with the reason.
        standing: who is ranked on which tasks, and who is not and why.
        references: the reference scores that were used.
        bootstrap: how intervals were made.
    """

    suite: str
    suite_version: str
    budget: str
    runs: tuple[Run, ...]
    agents: pd.DataFrame
    tasks: pd.DataFrame
    pairs: pd.DataFrame
    curves: pd.DataFrame
    profiles: pd.DataFrame
    efficiency: pd.DataFrame
    holes: tuple[RunOutcome, ...]
    standing: Standing
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
        references: reference scores; a task that has none gets returns but no scores, unless it is scored
            by its win rate.
        bootstrap: how to make intervals.
    """
    labels = variant_labels(runs)
    by_place = {(run.task_id, labels[cell_of(run)], run.seed): run for run in runs}
    protocols = common_protocols(runs)
    expected = outcomes(_expected_seeds(runs, labels), by_place, protocols)
    names = sorted(set(labels.values()))
    tasks = sorted(protocols)
    won = won_tasks(protocols)
    scored = scales(references, won)
    ids = {labels[cell_of(run)]: run.agent_id for run in runs}
    first = runs[0]
    about = {"suite": first.suite, "suite_version": str(first.meta["suite_version"]), "budget": first.budget}
    units = {task: protocols[task]["return unit"].strip('"') for task in tasks}
    metas = {(run.task_id, labels[cell_of(run)]): run.meta for run in runs}
    agent_rows: list[Row] = []
    rows: dict[tuple[str, str], Row] = {}
    drawn = {}
    runs_of = {name: {task: expected[task, name] for task in tasks} for name in names}
    with ThreadPoolExecutor(bootstrap.threads) as pool:
        made = list(pool.map(lambda name: agent_row(runs_of[name], scored, bootstrap), names))
    for name, (found, drawn[name], numbers) in zip(names, made, strict=True):
        mine = runs_of[name]
        agent_rows.append({"agent": name, "agent_id": ids[name], **about, **found})
        on_tasks = task_rows(mine, {task: metas.get((task, name)) for task in tasks}, scored, numbers)
        for task, row in on_tasks.items():
            head = {"task": task, "agent": name, "agent_id": ids[name], "return_unit": units[task]}
            further = win_columns(mine[task], scored.tasks.get(task), numbers[task]) if won else {}
            rows[task, name] = {**about, **head, **row, **further}
    learners = [name for name in names if ids[name] not in SCRIPTED]
    stand = standing(learners, expected, scored, drawn, bootstrap)
    for row in agent_rows:
        row |= stand.of_agent(row["agent"])
    for (task, name), row in rows.items():
        row["first"] = stand.first_on(task, name)
    agent_rows.sort(key=lambda row: (row["agent"] in stand.unranked, -np.nan_to_num(row["iqm"], nan=-np.inf)))
    profiles, efficiency = trends(names, tasks, expected, scored, bootstrap)
    shifts = units | dict.fromkeys(won, WIN_RATE)
    pairs = pair_table(values_of(expected), shifts, bootstrap.seed, bootstrap.for_pairs, bootstrap.confidence)
    return Leaderboard(
        **about,
        runs=tuple(runs),
        agents=pd.DataFrame(agent_rows),
        tasks=_without_unrecorded(pd.DataFrame([rows[task, name] for task in tasks for name in names])),
        pairs=_with_suite(pairs, about),
        curves=_scored(
            learning_curves(runs, bootstrap.seed, bootstrap.for_curves, bootstrap.confidence), scored
        ),
        profiles=_with_suite(profiles.reindex(columns=PROFILE_COLUMNS), about),
        efficiency=_with_suite(efficiency.reindex(columns=EFFICIENCY_COLUMNS), about),
        holes=tuple(run for group in expected.values() for run in group if run.outcome != "done"),
        standing=stand,
        references=references,
        bootstrap=bootstrap,
    )


def _expected_seeds(runs: Sequence[Run], labels: Mapping[Cell, str]) -> dict[tuple[str, str], list[int]]:
    """The seeds that are expected of every task and agent label, tasks and labels in order."""
    there: dict[tuple[str, str], set[int]] = {}
    siblings: dict[str, set[str]] = {}
    strangers: dict[str, set[int]] = {}
    for run in runs:
        label = labels[cell_of(run)]
        there.setdefault((run.task_id, label), set()).add(run.seed)
        if is_external(run):
            strangers.setdefault(label, set()).add(run.seed)
        else:
            siblings.setdefault(run.agent_id, set()).add(label)
    seeds = {run.seed for run in runs if not is_external(run)}
    variants = {label for family in siblings.values() if len(family) > 1 for label in family}
    expected: dict[tuple[str, str], list[int]] = {}
    for task in sorted({run.task_id for run in runs}):
        for label in sorted(set(labels.values())):
            wanted = strangers.get(label, seeds)
            is_elective = label in variants or label in strangers
            expected[task, label] = [] if is_elective and (task, label) not in there else sorted(wanted)
    return expected


def _without_unrecorded(tasks: pd.DataFrame) -> pd.DataFrame:
    """Tasks without the absolute metric if no run has it: tables of earlier records stay as they were."""
    names = [name for name in tasks.columns if name.startswith("absolute_")]
    return tasks if (tasks["absolute_seeds"] > 0).to_numpy().any() else tasks.drop(columns=names)


def _with_suite(frame: pd.DataFrame, about: Mapping[str, str]) -> pd.DataFrame:
    """The frame with the columns that say whose it is in front."""
    framed = frame.copy()
    for place, (name, value) in enumerate(about.items()):
        framed.insert(place, name, value)
    return framed


def _scored(curves: pd.DataFrame, references: Scales) -> pd.DataFrame:
    """Learning curves with their mean and interval as scores, too; NaN without reference scores."""
    scored = curves.copy()
    for name, source in (("score", "mean"), ("score_low", "low"), ("score_high", "high")):
        scored[name] = [
            references.tasks[task].score(value) if task in references.tasks else float("nan")
            for task, value in zip(curves["task"], curves[source], strict=True)
        ]
    return scored
