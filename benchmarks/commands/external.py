"""Runs of others as records: in tables of their own, or beside ours where everything fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ... import envs
from ...analysis.exchange.importing import ExternalRun, read_marl_eval
from ...analysis.files import write_atomically
from ...analysis.reading import read_object
from ...analysis.records import RunFolder, run_folder, settings_hash
from ...analysis.schema import EVALUATIONS_FILE, RUN_FILE, check_evaluation, check_run, to_json
from ...analysis.winning import told_in
from ..errors import SuiteError
from ..suites.cell import Cell
from ..suites.suite_file import read_suite

SOURCE = "marl-eval JSON"
OWN = "external"
"""Budget and suite version of external runs that share no table with ours."""
_MAX_NAME = 80


@dataclass(frozen=True)
class Choice:
    """What the user says of the files.

    Attributes:
        suite: name, or a TOML file if `budget` is given.
        budget: of that suite, whose table the runs join; None for tables of their own.
        metric: which metric is the return; None for the usual names.
        return_unit: of the returns.
        mode: how evaluations act.
        score_last: evaluations that make a run's return; that of the suite where runs join it.
        tasks: new names of tasks.
        agents: new names of algorithms.
    """

    suite: str
    budget: str | None = None
    metric: str | None = None
    return_unit: str | None = None
    mode: str = "unknown"
    score_last: int = 1
    tasks: Mapping[str, str] = field(default_factory=dict)
    agents: Mapping[str, str] = field(default_factory=dict)


def import_files(files: Sequence[Path], results: Path, choice: Choice) -> tuple[int, int]:
    """Write the runs of all files as records; nothing if any of it is refused.

    Args:
        files: JSON of marl-eval.
        results: the results folder.
        choice: what they are.

    Returns:
        How many runs are new, and how many were there already, from the same files.

    Raises:
        ValueError: a file that is not understood, a name that cannot name a folder, a protocol other than
            the suite's, or a run that is there already from elsewhere.
    """
    found = [run for file in files for run in read_marl_eval(file, choice.metric)]
    _check_tasks(found, choice)
    new: dict[Path, tuple[RunFolder, dict[str, Any], ExternalRun]] = {}
    n_known = 0
    for run in found:
        content = _content(run, choice)
        folder = _folder(results, content)
        if folder.path in new:
            raise SuiteError(
                f"{run.file} holds seed {run.seed} of {run.algorithm} on {run.task} a second time; "
                "leave one file out"
            )
        if folder.status != "missing":
            there = read_object(folder.path / RUN_FILE, check_run)["provenance"]
            if there.get("source") != SOURCE or there["sha256"] != run.sha256:
                raise SuiteError(
                    f"{folder.path} already holds a run from {there.get('file', 'elsewhere')}; remove it, or "
                    "choose another --suite"
                )
            if folder.status == "done":
                n_known += 1
                continue
        new[folder.path] = folder, content, run
    _check_units(results, [content for _, content, _ in new.values()])
    for folder, content, run in new.values():
        _write(folder, content, run)
    return len(new), n_known


def _write(folder: RunFolder, content: Mapping[str, Any], run: ExternalRun) -> None:
    lines = []
    for line in run.evaluations:
        check_evaluation(line)
        lines.append(to_json(line))
    folder.clear()
    folder.start(content)
    try:
        write_atomically(folder.path / EVALUATIONS_FILE, "\n".join(lines) + "\n")
    except OSError as error:
        raise SuiteError(f"cannot write into {folder.path}: {error.strerror or error}") from error
    folder.finish(content["steps"], 0, run.evaluations[-1]["seconds"])


def _content(run: ExternalRun, choice: Choice) -> dict[str, Any]:
    """The `run.json`."""
    task = _task_name(run, choice)
    agent = _name("agent", choice.agents.get(run.algorithm, run.algorithm))
    content: dict[str, Any] = {
        "suite": _name("suite", choice.suite) if choice.budget is None else choice.suite,
        "suite_version": OWN,
        "budget": OWN,
        "task": {
            "id": task,
            "settings": {},
            "evaluation_settings": {},
            "n_agents": 0,
            "horizon": 0,
            "return_unit": choice.return_unit or f"{run.metric} as in the file",
            "metrics": run.metrics,
        },
        "agent": {"id": agent, "settings": {}},
        "seed": run.seed,
        "steps": max(run.steps, 1),
        "num_envs": 1,
        "evaluation": {
            "every": run.every,
            "episodes": run.episodes,
            "mode": choice.mode,
            "score_last": choice.score_last,
        },
        "provenance": {
            "source": SOURCE,
            "file": run.file,
            "sha256": run.sha256,
            "environment": run.environment,
            "task": run.task,
            "algorithm": run.algorithm,
            "run": run.run,
            "metric": run.metric,
        },
    }
    if choice.budget is not None:
        _join(content, run, choice)
    decisive = {
        **{key: value for key, value in content.items() if key not in ("seed", "provenance", "suite")},
        **{"source": SOURCE, "environment": run.environment, "metric": run.metric},
    }
    return content | {"settings_hash": settings_hash(decisive)}


def _join(content: dict[str, Any], run: ExternalRun, choice: Choice) -> None:
    """Make it a run of the suite, if it was made by the suite's protocol."""
    cell = _cell(choice.suite, choice.budget, content["task"]["id"])
    team = envs.spec(cell.task, cell.task_settings)
    every, episodes = cell.evaluation.every, cell.evaluation.episodes
    said: dict[str, tuple[Any, Any]] = {
        "the return's unit (--return-unit)": (choice.return_unit, team.return_unit),
        "the mode of evaluations (--mode)": (choice.mode, cell.evaluation.mode),
        "steps": (run.steps, cell.steps),
        "steps between evaluations": (run.every, every),
        "episodes an evaluation": (sorted({len(one["return"]) for one in run.evaluations}), [episodes]),
    }
    if team.win_metric is not None:
        told = told_in(run.evaluations, ("win_rate", team.win_metric))
        said |= {"the metric from 0 to 1 that is the win rate": (told, told or "win_rate")}
        content["task"]["win_metric"] = told
    for what, (found, wanted) in said.items():
        if found != wanted:
            raise SuiteError(
                f"{run.file}: {run.algorithm} on {run.task} cannot join {cell.suite}, budget {cell.budget}: "
                f"{what} is {found!r} there and {wanted!r} here; without --budget it gets a table of its own"
            )
    content |= {"suite": cell.suite, "suite_version": cell.suite_version, "budget": cell.budget}
    content["task"] |= {
        "settings": dict(cell.task_settings),
        "evaluation_settings": dict(cell.evaluation_settings),
        "n_agents": team.n_agents,
        "horizon": team.horizon,
    }
    content["evaluation"]["score_last"] = cell.evaluation.score_last


def _cell(suite: str, budget: str | None, task: str) -> Cell:
    return read_suite(suite).cells(budget, [task])[0]


def _check_tasks(runs: Sequence[ExternalRun], choice: Choice) -> None:
    """Refuse two environments' tasks under one name."""
    places: dict[str, tuple[str, str]] = {}
    for run in runs:
        name = _task_name(run, choice)
        before = places.setdefault(name, (run.environment, run.task))
        if before != (run.environment, run.task):
            raise SuiteError(
                f"{'/'.join(before)} and {run.environment}/{run.task} would both be the task {name}; "
                f"rename one with --task {run.environment}/{run.task}=NAME"
            )


def _check_units(results: Path, contents: Sequence[Mapping[str, Any]]) -> None:
    """Refuse returns in two units under one task of a table."""
    units: dict[tuple[Any, ...], str] = {}
    for key in {(content["suite"], content["task"]["id"]) for content in contents}:
        for path in sorted((results / key[0] / key[1]).glob(f"*/seed_*/{RUN_FILE}")):
            there = read_object(path, check_run)
            units.setdefault(_table(there), there["task"]["return_unit"])
    for content in contents:
        unit = content["task"]["return_unit"]
        before = units.setdefault(_table(content), unit)
        if before != unit:
            raise SuiteError(
                f"returns of {content['task']['id']} are in {before!r} in this table and in {unit!r} in "
                f"{content['provenance']['file']}; choose another --suite"
            )


def _table(content: Mapping[str, Any]) -> tuple[Any, ...]:
    return content["suite"], str(content["suite_version"]), content["budget"], content["task"]["id"]


def _folder(results: Path, content: Mapping[str, Any]) -> RunFolder:
    return run_folder(
        results,
        *(content["suite"], content["task"]["id"], content["agent"]["id"]),
        *(content["settings_hash"], content["seed"]),
    )


def _task_name(run: ExternalRun, choice: Choice) -> str:
    full = f"{run.environment}/{run.task}"
    return _name("task", choice.tasks.get(full, choice.tasks.get(run.task, run.task)))


def _name(kind: str, name: str) -> str:
    if len(name) > _MAX_NAME or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", name):
        shown = name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..."
        remedy = "choose another" if kind == "suite" else f"rename it with --{kind} OLD=NEW"
        raise SuiteError(
            f"the {kind} {shown!r} cannot name a folder: {_MAX_NAME} letters, digits or . _ + - at most; "
            f"{remedy}"
        )
    return name
