"""Records in the JSON that marl-eval reads (Gorsane et al. 2022; github.com/instadeepai/marl-eval, 0.0.4).

Five levels: environment, task, algorithm, run (``seed_3``), then ``step_0`` … ``step_k`` and
``absolute_metrics``. An environment is a suite, its version and a budget, for its algorithms are compared. A
step has ``step_count``, ``elapsed_time`` (seconds since the first evaluation) and one list a metric, a number
an episode. marl-eval's own check wants the same keys in every step and in ``absolute_metrics``, so that has
an ``elapsed_time`` too, in a list of one: the training's.

Where all tasks of an environment are scored by their win rate, that metric stands beside ``return`` as
``win_rate``, whatever its name in the records.

What cannot be written so is said, never dropped in silence: `Export.notes`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..absolute import Absolute, read_absolute
from ..reading import Evaluation, Run
from ..schema import RecordError
from ..variants import cell_of, variant_labels
from ..winning import value_of, win_metric

_Content = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """What is to be written, and what a reader of it must know.

    Attributes:
        content: environment to task to algorithm to run to step to metrics.
        notes: one line each.
    """

    content: _Content
    notes: tuple[str, ...]


def marl_eval(tables: Mapping[tuple[str, str, str], Sequence[Run]]) -> Export:
    """The runs that are done, as marl-eval wants them.

    Args:
        tables: runs by suite, suite version and budget, see `reading.read_tables`.

    Raises:
        RecordError: no run is done, or names differ in upper and lower case alone.
    """
    content: _Content = {}
    notes: list[str] = []
    for (suite, version, budget), runs in tables.items():
        name = f"{suite}_v{version}_{budget}".lower()
        done = [run for run in runs if run.status == "done" and run.evaluations]
        if len(done) < len(runs):
            notes.append(f"{name}: left out {len(runs) - len(done)} of {len(runs)} runs, which are not done")
        if done:
            _add(content, name, _environment(done, name, notes), "environments")
    if not content:
        raise RecordError("no run is done yet; `bench run` does the rest")
    return Export(content, tuple(notes))


def algorithm_name(label: str) -> str:
    """An agent's label as marl-eval takes it: lower case, no comma."""
    return label.lower().replace(",", ";")


def _environment(runs: Sequence[Run], name: str, notes: list[str]) -> _Content:
    labels = variant_labels(runs)
    absolutes = [read_absolute(run) for run in runs]
    is_complete = all(absolute is not None for absolute in absolutes)
    if not is_complete:
        n_without = sum(absolute is None for absolute in absolutes)
        notes.append(
            f"{name}: no absolute_metrics, for {n_without} of {len(runs)} runs have none; marl-eval's "
            "aggregates need them, its curves do not"
        )
    shared = _shared_metrics(runs, [a for a in absolutes if a is not None] if is_complete else [])
    won = [win_metric(run) for run in runs]
    if None in won and any(won):
        notes.append(f"{name}: no win_rate, for some tasks have none; export those that do with --tasks")
    found: _Content = {}
    for run, absolute in zip(runs, absolutes, strict=True):
        task, algorithm = run.task_id.lower(), algorithm_name(labels[cell_of(run)])
        names = {metric: metric.lower() for metric in shared}
        if None not in won:
            names |= {str(win_metric(run)): "win_rate"}
            for one in [*run.evaluations, *([absolute] if absolute else [])]:
                value_of(run, one)  # refuses records that lack it
        steps = _run(run, absolute if is_complete else None, names)
        _add(
            found.setdefault(task, {}).setdefault(algorithm, {}),
            f"seed_{run.seed}",
            steps,
            f"{algorithm} runs",
        )
    notes += [f"{name}: {line}" for line in _uneven(found)]
    return {task: {name: found[task][name] for name in sorted(found[task])} for task in sorted(found)}


def _run(run: Run, absolute: Absolute | None, names: Mapping[str, str]) -> _Content:
    began = run.evaluations[0].seconds
    steps: _Content = {
        f"step_{number}": {
            "step_count": one.step,
            "elapsed_time": max(one.seconds - began, 0.0),
            **_metrics(one, names),
        }
        for number, one in enumerate(run.evaluations)
    }
    if absolute is not None:
        took = max(run.evaluations[-1].seconds - began, 0.0)
        steps["absolute_metrics"] = {"elapsed_time": [took], **_metrics(absolute, names)}
    return steps


def _metrics(one: Evaluation | Absolute, names: Mapping[str, str]) -> dict[str, list[float | None]]:
    return {
        "return": list(one.returns),
        "episode_length": list(one.episode_length),
        **{shown: list(one.metrics[name]) for name, shown in names.items()},
    }


def _shared_metrics(runs: Sequence[Run], absolutes: Sequence[Absolute]) -> list[str]:
    """Task metrics that every step of every run has, for all episodes: marl-eval stumbles over any other."""
    found: set[str] | None = None
    for one in [*(item for run in runs for item in run.evaluations), *absolutes]:
        here = {name for name, values in one.metrics.items() if None not in values}
        found = here if found is None else found & here
    return sorted(found or ())


def _uneven(tasks: Mapping[str, Mapping[str, Mapping[str, _Content]]]) -> list[str]:
    """What marl-eval's aggregates over tasks will not take."""
    lines = []
    if len({tuple(sorted(algorithms)) for algorithms in tasks.values()}) > 1:
        lines.append("tasks have different algorithms")
    seeds: dict[tuple[str, ...], int] = defaultdict(int)
    lengths = set()
    for algorithms in tasks.values():
        for runs in algorithms.values():
            seeds[tuple(sorted(runs))] += 1
            lengths |= {len(steps) for steps in runs.values()}
    if len(seeds) > 1:
        lines.append("algorithms have different seeds")
    if len(lengths) > 1:
        lines.append("runs have different numbers of evaluations")
    remedy = "marl-eval wants them equal in all tasks of an environment; choose with --tasks or --agents"
    return [f"{line}; {remedy}" for line in lines]


def _add(place: _Content, name: str, value: Any, what: str) -> None:
    if name in place:
        raise RecordError(f"two {what} would both be called {name!r} in lower case; export them apart")
    place[name] = value
