"""The rows of a leaderboard: what the runs of one agent say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..analysis.scores import Scale, Scales, TaskReference, WinRate
from ..analysis.statistics import AGGREGATES, Estimate
from .bootstrap import Bootstrap, Resampled, mean_of, resampled
from .outcomes import RunOutcome, counts, summary

Row = dict[str, Any]
NOTHING = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class TaskNumbers:
    """Estimates of one agent on one task, in what it is scored by; of returns beside a win rate."""

    mean: Estimate = NOTHING
    area: Estimate = NOTHING
    absolute: Estimate = NOTHING
    returned: Estimate = NOTHING
    absolute_returned: Estimate = NOTHING


def values_of(expected: Mapping[tuple[str, str], Sequence[RunOutcome]]) -> dict[tuple[str, str], np.ndarray]:
    """(task, agent) to the returns, or win rates, of the complete runs, where there are any."""
    found = {key: _done(group, "value") for key, group in expected.items()}
    return {key: values for key, values in found.items() if len(values)}


def score_matrix(
    expected: Mapping[str, Sequence[RunOutcome]], references: Scales, name: str = "value"
) -> tuple[np.ndarray, list[str]]:
    """Scores of complete runs, (runs, tasks) with NaN for holes, and the tasks that have any."""
    columns = {
        task: [reference.score(value) for value in _done(group, name)]
        for task, group in expected.items()
        if (reference := references.tasks.get(task)) is not None
    }
    columns = {task: column for task, column in columns.items() if column}
    scores = np.full((max(map(len, columns.values()), default=0), len(columns)), np.nan)
    for place, column in enumerate(columns.values()):
        scores[: len(column), place] = column
    return scores, list(columns)


def agent_row(
    expected: Mapping[str, Sequence[RunOutcome]], references: Scales, bootstrap: Bootstrap
) -> tuple[Row, Resampled | None, dict[str, TaskNumbers]]:
    """The aggregates of one agent, their draws, and its numbers by task.

    Args:
        expected: task to the agent's runs on it.
        references: how tasks are scored.
        bootstrap: how to make intervals.

    Returns:
        A row of ``leaderboard.csv`` without names; None for the draws where no run has a score.
    """
    scores, tasks = score_matrix(expected, references)
    found = resampled(scores, bootstrap) if tasks else None
    fewer = replace(bootstrap, repetitions=bootstrap.for_curves, method="stratified")
    areas = resampled(score_matrix(expected, references, "area")[0], fewer) if tasks else None
    numbers: dict[str, TaskNumbers] = {}
    for task, group in expected.items():
        numbers[task] = TaskNumbers(
            mean_of(_done(group, "value"), bootstrap) if task not in tasks else NOTHING,
            mean_of(_done(group, "area"), fewer) if task not in tasks else NOTHING,
            mean_of(_done(group, "absolute"), bootstrap),
            *[
                mean_of(_done(group, name), bootstrap)
                for name in ("returned", "absolute_returned")
                if isinstance(references.tasks.get(task), WinRate)
            ],
        )
    if found and areas:
        for task, *both in zip(tasks, found.means, areas.means, strict=True):
            mean, area = (_as_value(estimate, references.tasks[task]) for estimate in both)
            numbers[task] = replace(numbers[task], mean=mean, area=area)
    done = [{run.seed for run in expected[task] if run.outcome == "done"} for task in tasks]
    row: Row = {"tasks": len(tasks), "seeds": len(set().union(*done))}
    for name in AGGREGATES:
        row |= _three(name, found.aggregates[name] if found else NOTHING)
    row |= _three("area", areas.aggregates["iqm"] if areas else NOTHING)
    row |= counts([run for group in expected.values() for run in group])
    row |= {"updates": _last(expected, "updates"), "seconds": _last(expected, "seconds")}
    return (
        {
            **row,
            "reference_version": references.version,
            "bootstrap_seed": bootstrap.seed,
            "bootstrap_repetitions": bootstrap.repetitions,
            "confidence": bootstrap.confidence,
        },
        found,
        numbers,
    )


def task_rows(
    expected: Mapping[str, Sequence[RunOutcome]],
    metas: Mapping[str, Mapping[str, Any] | None],
    references: Scales,
    numbers: Mapping[str, TaskNumbers],
) -> dict[str, Row]:
    """The rows of ``tasks.csv`` of one agent, without names.

    Args:
        expected: task to the agent's runs on it.
        metas: task to the ``run.json`` of one of them, None without any.
        references: how tasks are scored.
        numbers: task to its estimates.
    """
    return {
        task: _task_row(group, metas[task], references.tasks.get(task), references.version, numbers[task])
        for task, group in expected.items()
    }


def _task_row(
    expected: Sequence[RunOutcome],
    meta: Mapping[str, Any] | None,
    scale: Scale | None,
    version: int,
    numbers: TaskNumbers,
) -> Row:
    n_done = len(_done(expected, "value"))
    points = (numbers.mean.point, numbers.mean.low, numbers.mean.high)
    scores = [scale.score(value) if scale else math.nan for value in points]
    returned, absolute = numbers.mean, numbers.absolute
    if isinstance(scale, WinRate):
        returned, absolute = numbers.returned, numbers.absolute_returned
    reference = _measured(scale)
    return {
        **{"return": returned.point, "low": returned.low, "high": returned.high},
        **dict(zip(("score", "score_low", "score_high"), scores, strict=True)),
        "seeds": n_done,
        "steps": meta["steps"] if meta else math.nan,
        **counts(expected),
        "short_return": _mean_of_outcome(expected, "short"),
        "apart_return": _mean_of_outcome(expected, "apart"),
        "status": "; ".join([summary(expected), *_remarks(expected, n_done, meta, scale)]),
        "settings_hash": meta["settings_hash"] if meta else "",
        "random": reference.random if reference else math.nan,
        "reference": reference.reference if reference else math.nan,
        "reference_version": version,
        **{"absolute_return": absolute.point, "absolute_low": absolute.low, "absolute_high": absolute.high},
        "absolute_seeds": sum(run.outcome == "done" and not math.isnan(run.absolute) for run in expected),
        **_three("area", numbers.area),
        **{name: _last({"": expected}, name) for name in ("updates", "seconds")},
    }


def _remarks(
    expected: Sequence[RunOutcome],
    n_done: int,
    meta: Mapping[str, Any] | None,
    scale: Scale | None,
) -> list[str]:
    """What a reader must know beside how many runs there are."""
    remarks = ["one seed: no interval"] if n_done == 1 else []
    remarks += sorted({run.reason for run in expected if run.outcome == "apart"})
    reference = _measured(scale)
    if scale is None:
        remarks.append("no reference score")
    elif meta is not None and reference is not None:
        used = {**meta["task"]["settings"], **meta["task"]["evaluation_settings"]}
        differing = [name for name, value in reference.evaluation_settings.items() if used.get(name) != value]
        if differing:
            remarks.append(f"reference scores were measured with other {', '.join(sorted(differing))}")
    return remarks


def _measured(scale: Scale | None) -> TaskReference | None:
    """What the two fixed policies reach on a task."""
    return scale.measured if isinstance(scale, WinRate) else scale


def _done(group: Sequence[RunOutcome], name: str) -> np.ndarray:
    return np.array([getattr(run, name) for run in group if run.outcome == "done"], dtype=float)


def _mean_of_outcome(group: Sequence[RunOutcome], outcome: str) -> float:
    values = [run.returned for run in group if run.outcome == outcome and not math.isnan(run.returned)]
    return float(np.mean(values)) if values else math.nan


def _last(expected: Mapping[str, Sequence[RunOutcome]], name: str) -> float:
    """Mean gradient steps or wall seconds at the last evaluation of the complete runs."""
    runs = [run.run for group in expected.values() for run in group if run.outcome == "done" and run.run]
    return float(np.mean([getattr(run.track, name)[-1] for run in runs])) if runs else math.nan


def _as_value(score: Estimate, scale: Scale) -> Estimate:
    return Estimate(*[scale.value(value) for value in (score.point, score.low, score.high)])


def _three(name: str, found: Estimate) -> Row:
    return {name: found.point, f"{name}_low": found.low, f"{name}_high": found.high}
