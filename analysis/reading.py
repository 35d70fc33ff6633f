"""Reading records: from the folders of a sweep to ``Run`` objects, with nothing dropped in silence."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import schema
from .schema import DONE_FILE, EVALUATIONS_FILE, FAILED_FILE, RUN_FILE, RecordError

Status = Literal["missing", "running", "done", "failed"]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a run.

    Attributes:
        step: environment steps of training so far.
        updates: gradient updates so far.
        seconds: wall time so far.
        returns: (episodes,) undiscounted team returns, in the task's ``return_unit``.
        episode_length: (episodes,) steps.
        metrics: task metric name to (episodes,) values, None where undefined.
        training: training metric name to value, None where it was not finite.
    """

    step: int
    updates: int
    seconds: float
    returns: tuple[float, ...]
    episode_length: tuple[float, ...]
    metrics: Mapping[str, tuple[float | None, ...]]
    training: Mapping[str, float | None]

    @property
    def mean_return(self) -> float:
        """Mean return over the episodes."""
        return sum(self.returns) / len(self.returns)


@dataclass(frozen=True)
class Run:
    """The records of one run, read.

    Attributes:
        path: its folder.
        meta: the content of ``run.json``.
        evaluations: in order of steps.
        status: ``running`` also for a run that was killed.
        torn: the last line of ``evaluations.jsonl`` was cut off by a crash and is not in ``evaluations``.
        done_steps: environment steps at completion, None unless done.
        failure: why and where an error stopped the run, None unless failed.
    """

    path: Path
    meta: Mapping[str, Any]
    evaluations: tuple[Evaluation, ...]
    status: Status
    torn: bool
    done_steps: int | None
    failure: str | None

    @property
    def suite(self) -> str:
        """Name of the suite."""
        return self.meta["suite"]

    @property
    def budget(self) -> str:
        """Name of the budget."""
        return self.meta["budget"]

    @property
    def task_id(self) -> str:
        """Versioned name of the task."""
        return self.meta["task"]["id"]

    @property
    def agent_id(self) -> str:
        """Registered name of the agent."""
        return self.meta["agent"]["id"]

    @property
    def settings_hash(self) -> str:
        """Hash of all settings that decide the result, the seed apart."""
        return self.meta["settings_hash"]

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.meta["seed"]

    @property
    def steps(self) -> int:
        """Environment steps the run should reach."""
        return self.meta["steps"]

    @property
    def last_step(self) -> int:
        """Environment steps at the last evaluation, 0 before the first."""
        return self.evaluations[-1].step if self.evaluations else 0


def read_runs(results: str | Path, suite: str | None = None) -> list[Run]:
    """Every run under a results folder, ordered by suite, task, agent, settings hash and seed.

    Args:
        results: the folder given to ``bench run --results``.
        suite: only this suite.

    Raises:
        RecordError: no such folder or suite, or a corrupt record; the message names file and line. A torn
            last line, the trace of a crash while it was written, is no error: it is left out and
            ``Run.torn`` is set.
    """
    root = Path(results)
    if not root.is_dir():
        raise RecordError(f"there is no results folder {root}; `bench run --results {root}` makes one")
    suites = sorted(path.name for path in root.iterdir() if path.is_dir())
    if suite is not None and suite not in suites:
        near = difflib.get_close_matches(suite, suites, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it holds: {', '.join(suites) or 'nothing'}"
        raise RecordError(f"{root} holds no records of the suite {suite!r}; {hint}")
    pattern = f"{suite if suite is not None else '*'}/*/*/seed_*/{RUN_FILE}"
    runs = [read_run(path.parent) for path in root.glob(pattern)]
    return sorted(runs, key=lambda run: (run.suite, run.task_id, run.agent_id, run.settings_hash, run.seed))


def read_tables(
    results: str | Path, suite: str | None = None, budget: str | None = None
) -> dict[tuple[str, str, str], list[Run]]:
    """Runs that may share a table, by suite, suite version and budget.

    Args:
        results: results folder.
        suite: only this suite.
        budget: only this budget.

    Raises:
        RecordError: a corrupt record, or none of this suite and budget.
    """
    runs = read_runs(results, suite)
    tables: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        if budget in (None, run.budget):
            tables[run.suite, str(run.meta["suite_version"]), run.budget].append(run)
    if not tables:
        known = ", ".join(sorted({run.budget for run in runs}))
        lacks = f"records of the budget {budget!r}; it has: {known}"
        raise RecordError(f"{results} holds no {lacks if runs else 'records; `bench run` makes them'}")
    return {key: tables[key] for key in sorted(tables)}


def read_run(folder: Path) -> Run:
    """The run in one folder.

    Args:
        folder: ``<results>/<suite>/<task>/<agent>-<settings hash>/seed_<n>``.

    Raises:
        RecordError: a corrupt record, or one that belongs elsewhere.
    """
    meta = read_object(folder / RUN_FILE, schema.check_run)
    suite, task, cell, seed = folder.parts[-4:]
    said = (meta["suite"], meta["task"]["id"], f"seed_{meta['seed']}")
    if (suite, task, seed) != said or not cell.endswith(f"-{meta['settings_hash']}"):
        place = f"{said[0]}/{said[1]}/{meta['agent']['id']}-{meta['settings_hash']}/{said[2]}"
        raise RecordError(
            f"{folder / RUN_FILE}: it says that it belongs in {place}; move or remove this copy"
        )
    evaluations, torn = _read_evaluations(folder / EVALUATIONS_FILE)
    done = failed = None
    if (folder / DONE_FILE).exists():
        done = read_object(folder / DONE_FILE, schema.check_done)
    elif (folder / FAILED_FILE).exists():
        failed = read_object(folder / FAILED_FILE, schema.check_failed)
    return Run(
        path=folder,
        meta=meta,
        evaluations=evaluations,
        status="done" if done else "failed" if failed else "running",
        torn=torn,
        done_steps=done["steps"] if done else None,
        failure=f"{failed['reason']} (step {failed['step']})" if failed else None,
    )


def read_object(path: Path, check: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """The JSON object in a run's file; RecordError, one line, unless it is there and passes ``check``."""
    return _parse(_read_bytes(path), check, str(path), path.parent)


def _read_evaluations(path: Path) -> tuple[tuple[Evaluation, ...], bool]:
    """The complete lines of the file, and whether a torn one follows them."""
    if not path.exists():
        return (), False
    *lines, rest = _read_bytes(path).split(b"\n")
    evaluations: list[Evaluation] = []
    for number, line in enumerate(lines, start=1):
        place = f"{path} line {number}"
        fields = _parse(line, schema.check_evaluation, place, path.parent)
        if evaluations and fields["step"] <= evaluations[-1].step:
            raise RecordError(
                f"{place}: step {fields['step']} does not follow step {evaluations[-1].step}; "
                f"{_remedy(path.parent)}"
            )
        evaluations.append(_evaluation(fields))
    return tuple(evaluations), bool(rest)


def _evaluation(fields: Mapping[str, Any]) -> Evaluation:
    return Evaluation(
        step=fields["step"],
        updates=fields["updates"],
        seconds=float(fields["seconds"]),
        returns=tuple(map(float, fields["return"])),
        episode_length=tuple(map(float, fields["episode_length"])),
        metrics={name: tuple(values) for name, values in fields["metrics"].items()},
        training=dict(fields["training"]),
    )


def _parse(
    text: bytes, check: Callable[[Mapping[str, Any]], None], place: str, folder: Path
) -> dict[str, Any]:
    try:
        content = schema.from_json(text)
        check(content)
    except ValueError as error:
        raise RecordError(f"{place}: {error}; {_remedy(folder)}") from error
    return content


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from error


def _remedy(folder: Path) -> str:
    return f"restore the file, or remove {folder} and repeat the run"
