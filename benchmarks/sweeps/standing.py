"""How the runs of a suite stand, from one listing of each folder: finished runs cost next to nothing."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...analysis.reading import Status
from ...analysis.records import RecordError
from ...analysis.schema import DONE_FILE, FAILED_FILE, RUN_FILE
from ..suites.cell import Cell

_RUN = re.compile(r"seed_([0-9]+)")


class Standing:
    """What lies in a results folder at one time. Folders are read when they are first asked for.

    Args:
        results: the results folder; it need not exist.
        suite: name of the suite.
    """

    def __init__(self, results: Path, suite: str) -> None:
        self._root = f"{results}{os.sep}{suite}"
        self._tasks: dict[str, frozenset[str]] = {}
        self._cells: dict[str, dict[int, Status]] = {}

    def status(self, cell: Cell, seed: int) -> Status:
        """How a run stands, as `RunFolder.status` says it."""
        return self.statuses(cell).get(seed, "missing")

    def statuses(self, cell: Cell) -> dict[int, Status]:
        """Seed to status for all runs of a cell that have a folder.

        Raises:
            RecordError: a folder cannot be read.
        """
        place = cell.place
        if place not in self._cells:
            there = place.rpartition("/")[2] in self.cells(cell.task)
            self._cells[place] = self._read(f"{self._root}{os.sep}{place}") if there else {}
        return self._cells[place]

    def cells(self, task: str) -> frozenset[str]:
        """Names of the folders of a task's cells."""
        if task not in self._tasks:
            self._tasks[task] = frozenset(_names(f"{self._root}{os.sep}{task}"))
        return self._tasks[task]

    def count(self, cells: Iterable[Cell], seeds: Sequence[int]) -> Counter[str]:
        """How many runs are done, failed, running (cut off, unless a sweep is at it) and missing."""
        counts: Counter[str] = Counter()
        for cell in cells:
            there = self.statuses(cell)
            if there:
                counts.update(there.get(seed, "missing") for seed in seeds)
            else:
                counts["missing"] += len(seeds)
        return +counts

    def _read(self, folder: str) -> dict[int, Status]:
        found: dict[int, Status] = {}
        for name in _names(folder):
            if match := _RUN.fullmatch(name):
                found[int(match[1])] = _status(_names(f"{folder}{os.sep}{name}"))
        return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordError(
            f"cannot read {folder}: {error.strerror}; mend its rights, or choose another with --results"
        ) from error


def _status(names: Sequence[str]) -> Status:
    if RUN_FILE not in names:
        return "missing"
    if DONE_FILE in names:
        return "done"
    return "failed" if FAILED_FILE in names else "running"
