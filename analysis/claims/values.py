"""The measure of a claim, taken from the records of a run."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..coordination.measures import (
    MEASURES,
    PAIR_SPLIT,
    PAIR_SPLIT_GREEDY,
    WIN_RATE,
    Take,
    early,
    measures_of,
)
from ..efficiency import area
from ..reading import Evaluation, Run
from ..scores import TaskReference, run_return
from ..winning import value_of, win_metric
from .claim import hint

TRAINING = "training."
"""In front of the name of a training metric."""

LATENT_RETURNS = ("return_shared_seed", "return_sampled", "return_unshared")
"""What agents with a latent variable return with z from a shared seed, drawn in common, drawn by each."""

_WHERE = {
    "final": "every one of the last evaluations",
    "area": "every evaluation",
    "last": "the last evaluation",
    "early": "an early evaluation",
}
_SCORE = "score"
_COORDINATION = (*MEASURES, PAIR_SPLIT, PAIR_SPLIT_GREEDY, WIN_RATE)


def known_measures(runs: Collection[Run]) -> set[str]:
    """What can be measured of these runs, or of some others of the same task and agent."""
    recorded = {name for run in runs for one in run.evaluations for name in one.training}
    returns = {name for name in recorded if name.startswith("return_")} | {"return", *LATENT_RETURNS}
    metrics = {name for run in runs for name in run.meta["task"]["metrics"]}
    return (
        {*_COORDINATION, *metrics, *returns, "episode_length"}
        | {name.replace("return", _SCORE, 1) for name in returns}
        | {f"{TRAINING}{name}" for name in recorded}
    )


def unknown_measure(name: str, runs: Collection[Run]) -> str:
    """One line on a measure that is none of these runs'; empty if it is one."""
    known = known_measures(runs)
    return "" if name in known else f"unknown measure {name!r}; {hint(name, known)}"


def values_of(
    runs: Sequence[Run], measure: str, at: str, references: Mapping[str, TaskReference]
) -> tuple[dict[int, float], str]:
    """A measure of complete runs of one agent on one task.

    Args:
        runs: at least one.
        measure: one of `known_measures`.
        at: one of ``POINTS``.
        references: reference scores by task.

    Returns:
        Seed to value, runs without a value left out, and why they have none (empty if all have one).
    """
    take = _take(runs, measure, references)
    if take is None:
        if measure.startswith(_SCORE) and runs[0].task_id not in references:
            return {}, "the task has no reference score"
        return {}, f"{measure} was not recorded"
    found = {run.seed: _at(run, take, at) for run in runs}
    values = {seed: value for seed, value in found.items() if not math.isnan(value)}
    lacking = len(found) - len(values)
    other = "" if at in ("last", "early") else '; at = "last" or "early" may do'
    reason = f"{measure} is not recorded at {_WHERE[at]}{other}"
    some = f"{lacking} of {len(found)} runs: " if values else ""
    return values, f"{some}{reason}" if lacking else ""


def _at(run: Run, take: Take, at: str) -> float:
    """The measure at a point: by the same means as the return of a run and the area under it."""
    if at in ("last", "early"):
        one = early(run) if at == "early" else run.evaluations[-1]
        return math.nan if one is None else take(run, one)
    numbers = tuple(replace(one, returns=(take(run, one),)) for one in run.evaluations)
    meta: dict[str, Any] = {**run.meta, "task": {**run.meta["task"], "win_metric": None}}
    return {"final": run_return, "area": area}[at](replace(run, meta=meta, evaluations=numbers))


def _take(runs: Sequence[Run], measure: str, references: Mapping[str, TaskReference]) -> Take | None:
    """How the measure is taken from a run at an evaluation; None where that cannot be."""
    if measure.startswith(_SCORE):
        if measure == _SCORE and win_metric(runs[0]) is not None:
            return value_of
        scale = references.get(runs[0].task_id)
        inner = _take(runs, measure.replace(_SCORE, "return", 1), references)
        if scale is None or inner is None:
            return None
        return lambda run, one: scale.score(inner(run, one))
    if measure == "return" or measure in _COORDINATION or measure.startswith("return_"):
        found = measures_of([(run, one) for run in runs for one in run.evaluations])
        return found.get(measure)
    if measure.startswith(TRAINING):
        return lambda _, one: _number(one.training.get(measure.removeprefix(TRAINING)))
    return lambda _, one: _mean(one, measure)


def _mean(evaluation: Evaluation, name: str) -> float:
    """Mean over the episodes in which it is defined."""
    values = evaluation.episode_length if name == "episode_length" else evaluation.metrics.get(name, ())
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else value
