"""What a sweep asks of a results folder before it writes there, and what it tells about it."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...analysis.files import write_atomically
from ...analysis.records import RecordError
from ...analysis.schema import RUN_FILE, plain
from ..errors import SuiteError
from ..suites.cell import Cell
from ..suites.suite import Suite
from .standing import Standing

SUITE_FILE = "suite.json"
"""Beside the tasks of a suite: what its versions have meant in this folder."""
_CELL = re.compile(r".+-[0-9a-f]{10}")


def check_results_folder(results: Path, must_exist: bool = False) -> None:
    """Refuse what cannot be a results folder: a file, a folder that cannot be read, or somebody else's.

    Args:
        results: the folder.
        must_exist: whether one that is not there is refused too.

    Raises:
        RecordError: one line with the remedy.
    """
    try:
        with os.scandir(results) as entries:
            there = [entry for entry in entries if not entry.name.startswith(".")]
        folders = [entry.path for entry in there if entry.is_dir()]
        is_ours = not folders or any(_holds_cells(folder) for folder in folders)
    except FileNotFoundError as error:
        if must_exist:
            raise RecordError(f"there is no results folder {results}; name another with --results") from error
        return
    except OSError as error:
        raise RecordError(
            f"cannot use the results folder {results}: {error.strerror}; choose another with --results"
        ) from error
    if not is_ours:
        raise RecordError(
            f"{results} holds folders that are no records, e.g. {Path(folders[0]).name}; name a new or empty "
            "folder with --results"
        )


def prepare_results_folder(suite: Suite, results: Path) -> None:
    """Make the results folder, try to write into it, and note what the suite's version means.

    Raises:
        RecordError: it cannot be written.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results):
            pass
        known = _known(suite.name, results)
        merged = _merged(known.get(str(suite.version), {}), meaning(suite))
        if known.get(str(suite.version)) != merged:
            text = json.dumps({"versions": {**known, str(suite.version): merged}}, indent=1)
            write_atomically(results / suite.name / SUITE_FILE, text + "\n")
    except OSError as error:
        raise RecordError(
            f"cannot write into the results folder {results}: {error.strerror or error}; "
            "choose another with --results"
        ) from error


def meaning(suite: Suite) -> dict[str, Any]:
    """What must stay the same under one name and version: tasks, budgets, number of copies."""
    return plain(
        {
            "num_envs": {"": suite.num_envs},
            "tasks": {
                task.id: {"settings": task.settings, "evaluation": task.evaluation_settings}
                for task in suite.tasks
            },
            "budgets": {name: asdict(budget) for name, budget in suite.budgets.items()},
        }
    )


def check_suite(suite: Suite, results: Path) -> None:
    """Refuse to mix two suites of one name and version whose tasks or budgets differ.

    Raises:
        SuiteError: one line with what differs and the remedy.
    """
    known = _known(suite.name, results).get(str(suite.version), {})
    for kind, ours in meaning(suite).items():
        for name, value in ours.items():
            theirs = known.get(kind, {}).get(name, value)
            if theirs != value:
                what = f"{kind.rstrip('s')} {name}" if name else kind
                raise SuiteError(
                    f"{results / suite.name} holds records of another suite {suite.name!r}, version "
                    f"{suite.version}: its {what} differs ({_difference(theirs, value)}); rename this suite, "
                    "raise its version, or choose another --results"
                )


def other_settings(cells: Sequence[Cell], results: Path, standing: Standing) -> Iterator[str]:
    """A line if older runs of these agents and tasks with other settings lie in the folder."""
    ours = {cell.place for cell in cells}
    labels = {(cell.task, cell.agent_label) for cell in cells}
    others = []
    for task in dict.fromkeys(cell.task for cell in cells):
        for name in sorted(standing.cells(task)):
            label, _, digest = name.rpartition("-")
            place = f"{task}/{name}"
            if place not in ours and (task, label) in labels and digest:
                others.append(place)
    same = [place for place in others if _budget(results / cells[0].suite / place) == cells[0].budget]
    if same:
        kinds, lie = ("cell", "lies") if len(same) == 1 else ("cells", "lie")
        yield (
            f"note: {len(same)} {kinds} of these agents with other settings {lie} here too, e.g. {same[0]}; "
            "they are left alone and never mixed with these"
        )


def _known(suite: str, results: Path) -> dict[str, Any]:
    path = results / suite / SUITE_FILE
    try:
        found = json.loads(path.read_bytes())["versions"]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}; mend its rights") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is damaged; remove it, the next run makes it again") from error
    return found


def _merged(known: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: {**known.get(kind, {}), **values} for kind, values in ours.items()}


def _difference(theirs: Any, ours: Any) -> str:
    """The first value in which two nested tables differ."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for name in sorted({*theirs, *ours}):
            if theirs.get(name) != ours.get(name):
                inner = _difference(theirs.get(name), ours.get(name))
                return f"{name} {inner}" if name else inner
    return f"{theirs!r} there, {ours!r} here"


def _budget(cell_folder: Path) -> str | None:
    """The budget of a cell's records; None if it has none that can be read."""
    try:
        for name in sorted(os.listdir(cell_folder)):
            if name.startswith("seed_") and (cell_folder / name / RUN_FILE).exists():
                return json.loads((cell_folder / name / RUN_FILE).read_bytes()).get("budget")
    except (OSError, ValueError, AttributeError):
        return None
    return None


def _holds_cells(suite_folder: str) -> bool:
    """Whether a folder looks like that of a suite: tasks with cells in them, a note of the suite, tables."""
    for name in os.listdir(suite_folder):
        if name in (SUITE_FILE, "leaderboard"):
            return True
        path = os.path.join(suite_folder, name)
        if os.path.isdir(path) and any(map(_CELL.fullmatch, os.listdir(path))):
            return True
    return False
