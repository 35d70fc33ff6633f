"""The reference scores, measured: what the random policy and a task's scripted policy reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ... import agents, envs
from ...analysis.scores import REFERENCE_SCORES_FILE, TaskReference, reference_scores, write_reference_scores
from ..errors import SuiteError, unknown
from ..suites.suite import SuiteTask
from ..suites.suite_file import read_suite
from ..training.evaluate import EVALUATION_SEED, evaluate

EPISODES = 10_000
"""Enough that the standard error of each number is below a percent of the distance between the two.

Multi-walker, a thousand times slower, was measured with 400: 1.4 percent for random play of three walkers.
"""


def measure(task: SuiteTask, episodes: int = EPISODES) -> TaskReference:
    """Play the agents `random` and `reference` as evaluations do; the same numbers on every call.

    Args:
        task: a suite's task, with its settings for evaluation.
        episodes: of each agent; the first ones start as the episodes of an evaluation do.
    """
    settings: Mapping[str, Any] = {**task.settings, **task.evaluation_settings}
    env = envs.make(task.id, num_envs=episodes, **settings)
    names, won = ("random", "reference"), env.team.win_metric
    played = {name: evaluate(env, agents.make(name, env.team, (0,))) for name in names}
    returns = {name: round(float(found.returns.mean()), 3) for name, found in played.items()}
    wins = {} if won is None else {name: float(found.metrics[won].mean()) for name, found in played.items()}
    return TaskReference(
        random=returns["random"],
        reference=returns["reference"],
        episodes=episodes,
        evaluation_settings=dict(settings),
        seed=EVALUATION_SEED,
        random_wins=wins.get("random"),
        reference_wins=wins.get("reference"),
    )


def update(path: Path, tasks: Iterable[SuiteTask], episodes: int = EPISODES) -> Mapping[str, TaskReference]:
    """Measure tasks and put them into a file of reference scores, whose other tasks stay.

    The file's version rises by one if any number that makes scores changes; win rates are their own scores.

    Args:
        path: the file; it need not exist.
        tasks: to measure.
        episodes: of each agent and task.

    Returns:
        The measured tasks, by id.
    """
    old = reference_scores(path) if path.exists() else None
    known = dict(old.tasks) if old else {}
    version = old.version if old else 0
    measured = {task.id: measure(task, episodes) for task in tasks}
    is_other = any(_scoring(known.get(task)) != _scoring(found) for task, found in measured.items())
    if is_other or any(known[task] != found for task, found in measured.items()):
        write_reference_scores(path, known | measured, version + is_other)
    return measured


def _scoring(found: TaskReference | None) -> TaskReference | None:
    """The numbers that make scores: all but the win rates."""
    return found and replace(found, random_wins=None, reference_wins=None)


def measure_suite(name: str, tasks: Sequence[str], episodes: int, out: Path | None) -> None:
    """What `bench references` does: measure tasks of a suite, print them and the file that now holds them.

    Args:
        name: of the suite, or a TOML file.
        tasks: ids; all of the suite's if empty.
        episodes: of each agent and task.
        out: the file; the package's own if None.

    Raises:
        SuiteError: the suite has no such task.
    """
    known = {task.id: task for task in read_suite(name).tasks}
    for task in tasks:
        if task not in known:
            raise SuiteError(unknown(f"task of suite {name!r}:", task, known))
    path = out or REFERENCE_SCORES_FILE
    for task, found in update(path, [known[task] for task in tasks or known], episodes).items():
        wins = ""
        if found.random_wins is not None and found.reference_wins is not None:
            wins = f"   win rates {found.random_wins:.3f} and {found.reference_wins:.3f}"
        print(f"{task:30} random {found.random:9.2f}   reference {found.reference:9.2f}{wins}")
    print(path)
