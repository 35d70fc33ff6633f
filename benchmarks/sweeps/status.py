"""How a sweep stands: runs done, running (where, since when, how far), stopped, failed and missing."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ...analysis.schema import FAILED_FILE
from ..suites.cell import Cell
from ..suites.selection import Selection
from ..suites.stack import folder_of, span
from .lease import PATIENCE_SECONDS, Sighting, look
from .progress import duration, last_evaluation, reached
from .standing import Standing

KINDS = ("done", "running", "stopped", "failed", "missing")
"""How a run can stand; stopped ones are not in anybody's hands and go on with the next `bench run`."""
SHOWN = 20
"""Lines of one kind that are shown unless all are asked for."""


@dataclass(frozen=True)
class RunState:
    """How a run stands.

    Attributes:
        task: id.
        agent: name, with what sets a variant apart.
        cell: name of the cell's folder.
        seed: of the run.
        state: one of `KINDS`.
        step: environment steps at the last evaluation.
        steps: it should reach.
        mean_return: at the last evaluation.
        win_rate: then, where the task is scored by it.
        host: that trains it.
        pid: of the process there.
        since: when that began, seconds since 1970 by that host's clock.
        seconds_left: at its speed so far.
        remark: why it failed, or what is odd.
    """

    task: str
    agent: str
    cell: str
    seed: int
    state: str
    steps: int
    step: int = 0
    mean_return: float | None = None
    win_rate: float | None = None
    host: str | None = None
    pid: int | None = None
    since: float | None = None
    seconds_left: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class Status:
    """How a selection of a suite stands.

    Attributes:
        title: suite, budget and size.
        counts: runs of each of `KINDS`.
        runs: those that are neither done nor missing, in the order of the suite.
        missing: cell to the seeds that are missing, for cells that lack any.
        n_cells_done: cells all of whose runs are done.
    """

    title: str
    counts: Counter[str]
    runs: list[RunState]
    missing: list[tuple[Cell, list[int]]]
    n_cells_done: int


def read_status(chosen: Selection, results: Path) -> Status:
    """Look at the records and leases of a selection.

    Raises:
        RecordError: a folder cannot be read.
    """
    standing = Standing(results, chosen.suite.name)
    counts: Counter[str] = Counter()
    runs: list[RunState] = []
    missing: list[tuple[Cell, list[int]]] = []
    n_cells_done = 0
    for cell in chosen.cells:
        there = standing.statuses(cell)
        states = [
            state
            for seed in chosen.seeds
            if there.get(seed, "done") != "done" and (state := _state(cell, seed, there[seed], results))
        ]
        runs += states
        open_or_failed = {state.seed for state in states}
        lacking = [s for s in chosen.seeds if there.get(s) != "done" and s not in open_or_failed]
        missing += [(cell, lacking)] if lacking else []
        n_done = len(chosen.seeds) - len(lacking) - len(states)
        n_cells_done += n_done == len(chosen.seeds)
        counts.update(state.state for state in states)
        counts["missing"] += len(lacking)
        counts["done"] += n_done
    cells = "1 cell" if len(chosen.cells) == 1 else f"{len(chosen.cells)} cells"
    title = f"{chosen.suite.name}, budget {chosen.cells[0].budget}: {cells}"
    return Status(title, counts, runs, missing, n_cells_done)


def _state(cell: Cell, seed: int, status: str, results: Path) -> RunState | None:
    """How a run stands that has a folder and is not done; None if nothing has come of it."""
    folder = folder_of(cell, seed, results)
    lease = None if status == "failed" else look(folder.path)
    if status == "missing" and lease is None:
        return None
    last = last_evaluation(folder) if status != "missing" else None
    state: dict[str, Any] = {
        "task": cell.task,
        "agent": cell.title,
        "cell": f"{cell.agent_label}-{cell.settings_hash}",
        "seed": seed,
        "steps": cell.steps,
        "state": "failed" if status == "failed" else "stopped",
    }
    if last:
        state |= {"step": last["step"], "mean_return": fmean(last["return"])}
        if cell.win_metric:
            state["win_rate"] = fmean(last["metrics"][cell.win_metric])
    if status == "failed":
        state["remark"] = _reason(folder.path / FAILED_FILE)
    if lease:
        state |= _holder(lease)
        if last and last["step"] and state["state"] == "running":
            state["seconds_left"] = (cell.steps - last["step"]) * last["seconds"] / last["step"]
    return RunState(**state)


def _holder(lease: Sighting) -> dict[str, Any]:
    if lease.holder is None:
        return {"state": "running", "remark": "its lease cannot be read"}
    who = lease.holder
    if who.is_gone:
        return {"remark": f"its process {who.pid} on {who.host} has died"}
    silent = lease.silent_seconds
    remark = f"no sign of life for {duration(silent)}" if silent > PATIENCE_SECONDS else ""
    return {"state": "running", "host": who.host, "pid": who.pid, "since": who.since, "remark": remark}


def _reason(path: Path) -> str:
    try:
        found = json.loads(path.read_bytes())
        return f"{found['reason']} (step {found['step']})"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path} cannot be read"


def to_json(status: Status) -> str:
    """All of it, for programs."""
    return json.dumps(
        {
            "title": status.title,
            "cells_done": status.n_cells_done,
            "counts": {kind: status.counts[kind] for kind in KINDS},
            "runs": [asdict(run) for run in status.runs],
            "missing": [
                {
                    "task": cell.task,
                    "agent": cell.title,
                    "cell": cell.place.rpartition("/")[2],
                    "seeds": seeds,
                }
                for cell, seeds in status.missing
            ],
        },
        indent=1,
    )


def headline(status: Status) -> str:
    """One line: how many runs stand how."""
    counts = ", ".join(f"{status.counts[kind]} {kind}" for kind in KINDS if status.counts[kind])
    return f"{status.title}, {status.n_cells_done} done; {status.counts.total()} runs: {counts}"


def rows(status: Status, show_all: bool = False) -> Iterator[tuple[str, str, str, str, str]]:
    """State, task, agent, seeds and particulars: those running first."""
    for kind in ("running", "failed", "stopped"):
        runs = [run for run in status.runs if run.state == kind]
        for run in runs if show_all else runs[:SHOWN]:
            yield kind, run.task, run.agent, f"seed {run.seed}", _particulars(run)
        yield from _more(kind, len(runs), show_all)
    for cell, seeds in status.missing if show_all else status.missing[:SHOWN]:
        yield "missing", cell.task, cell.title, span(seeds), f"{cell.steps:,} steps each"
    yield from _more("missing", len(status.missing), show_all, "cells")


def _more(
    kind: str, count: int, show_all: bool, what: str = "runs"
) -> Sequence[tuple[str, str, str, str, str]]:
    if show_all or count <= SHOWN:
        return ()
    return ((kind, f"and {count - SHOWN:,} more {what}; --all shows them", "", "", ""),)


def _particulars(run: RunState) -> str:
    parts = [f"{run.step:,}/{run.steps:,} steps"] if run.state != "failed" else []
    if run.mean_return is not None and run.state != "failed":
        parts.append(reached(run.win_rate, run.mean_return))
    if run.host:
        parts.append(f"on {run.host}, process {run.pid}")
    if run.since is not None:
        parts.append(f"since {time.strftime('%Y-%m-%d %H:%M', time.localtime(run.since))}")
    if run.seconds_left is not None:
        parts.append(f"{duration(run.seconds_left)} left")
    return ", ".join(parts + ([run.remark] if run.remark else []))
