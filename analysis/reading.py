"""Reading records: from the folders of a sweep to ``Run`` objects, with nothing dropped in silence."""

from __future__ import annotations

import difflib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from . import schema
from .evaluation_files import read_evaluations, read_object
from .evaluations import Evaluation, Track, track
from .schema import DONE_FILE, EVALUATIONS_FILE, FAILED_FILE, RUN_FILE, RecordError
from .words import one_line

_MANY_RUNS = 5_000
"""From so many runs on it pays to start processes that read them."""
_MOST_PROCESSES = 4
_PIECE = 250

Status = Literal["missing", "running", "done", "failed"]


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
    evaluations: Sequence[Evaluation]
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
        return int(self.track.step[-1]) if len(self.evaluations) else 0

    @cached_property
    def track(self) -> Track:
        """The columns of the evaluations."""
        return track(self.evaluations)


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
    parts: dict[str, Any] = {}
    runs = [_sharing(run, parts) for run in _read([path.parent for path in root.glob(pattern)])]
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
    own_cell = f"{meta['agent']['id'].replace(':', '.')}-{meta['settings_hash']}"
    if (suite, task, seed) != said or cell != own_cell:
        place = f"{said[0]}/{said[1]}/{own_cell}/{said[2]}"
        raise RecordError(
            f"{folder / RUN_FILE}: it says that it belongs in {place}; move or remove this copy"
        )
    evaluations, torn = read_evaluations(folder / EVALUATIONS_FILE, meta["task"].get("win_metric"))
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
        failure=f"{one_line(failed['reason'])} (step {failed['step']})" if failed else None,
    )


def _read(folders: Sequence[Path]) -> Iterator[Run]:
    """The runs in these folders; of many, by several processes."""
    n_processes = min(_MOST_PROCESSES, os.cpu_count() or 1)
    if len(folders) < _MANY_RUNS or n_processes == 1:
        yield from map(read_run, folders)
        return
    from loky import ProcessPoolExecutor

    pieces = [folders[first : first + _PIECE] for first in range(0, len(folders), _PIECE)]
    with ProcessPoolExecutor(n_processes) as pool:
        for runs in pool.map(_read_piece, pieces):
            yield from runs


def _read_piece(folders: Sequence[Path]) -> list[Run]:
    return [read_run(folder) for folder in folders]


def _sharing(run: Run, parts: dict[str, Any]) -> Run:
    """The same run; what its ``run.json`` has in common with those of other runs is held once."""
    meta = {
        name: parts.setdefault(json.dumps(value), value) if isinstance(value, dict | str) else value
        for name, value in run.meta.items()
    }
    return replace(run, meta=meta)
