"""Crashes of a run, counted in its folder: they outlive the sweep, and end in a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ... import envs
from ...analysis.files import write_atomically
from ...analysis.records import RecordError, RunFolder
from ..suites.cell import Cell
from ..suites.stack import Stack
from .progress import last_evaluation

MAX_TRIES = 3
"""A run that crashes so often without coming further in between has failed."""
CRASHES_FILE = "crashes.json"


def crashes(folder: RunFolder) -> dict[str, Any]:
    """How often a run has crashed at one point of its training, and why.

    Returns:
        `count`, `step` (of the last evaluation before) and `reasons`, the newest last; zero, -1 and none if
        it never has, or if the file cannot be understood.
    """
    try:
        found = json.loads((folder.path / CRASHES_FILE).read_bytes())
        return {"count": int(found["count"]), "step": int(found["step"]), "reasons": list(found["reasons"])}
    except (OSError, ValueError, TypeError, KeyError):
        return {"count": 0, "step": -1, "reasons": []}


def count_crash(stack: Stack, folders: Mapping[int, RunFolder], reason: str, text: str) -> int:
    """Note a crash of runs that were trained together; whoever has crashed too often is marked as failed.

    Args:
        stack: its open runs only.
        folders: of its seeds.
        reason: one line.
        text: the traceback, or what else is known.

    Returns:
        How often it has crashed at this point; `MAX_TRIES` if the runs have failed.

    Raises:
        RecordError: the disk refuses.
    """
    counts = []
    for seed in stack.seeds:
        before, step = crashes(folders[seed]), _step(folders[seed])
        count = before["count"] + 1 if step <= before["step"] else 1
        entry = {"count": count, "step": step, "reasons": [*before["reasons"], reason][-MAX_TRIES:]}
        path = folders[seed].path / CRASHES_FILE
        try:
            write_atomically(path, json.dumps(entry) + "\n")
        except OSError as error:
            raise RecordError(f"cannot write {path}: {error.strerror}; mend or free its disk") from error
        counts.append(count)
    if max(counts) >= MAX_TRIES:
        for seed in stack.seeds:
            mark_failed(stack.cell, seed, folders[seed], reason, text)
    return min(max(counts), MAX_TRIES)


def forget_crashes(folders: Sequence[RunFolder]) -> None:
    """Let runs start with a clean slate."""
    for folder in folders:
        (folder.path / CRASHES_FILE).unlink(missing_ok=True)


def mark_failed(cell: Cell, seed: int, folder: RunFolder, reason: str, text: str) -> None:
    """Mark a run as failed, also one that had not got as far as a record."""
    if folder.status == "missing":
        from ..training.recording import run_record

        team = envs.spec(cell.task, cell.task_settings)
        folder.start({**run_record(cell, seed, team), "provenance": {}})
    folder.fail(reason, _step(folder), text)


def _step(folder: RunFolder) -> int:
    return (last_evaluation(folder) or {"step": 0})["step"]
