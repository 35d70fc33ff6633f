"""What runs have left to read: why they failed or crashed, and what their jobs printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...analysis.records import RecordError, RunFolder
from ...analysis.schema import FAILED_FILE
from ..errors import SuiteError, unknown
from .crashes import crashes

_CELL = re.compile(r"(.+)-([0-9a-f]{10})")
_LOG = re.compile(r"log_([0-9,-]+)\.txt")


def find_cells(results: Path, wanted: str) -> list[tuple[Path, int | None]]:
    """Folders of the cells that are meant, each with the seed, if one is named.

    Args:
        results: the results folder.
        wanted: path of a run's or cell's folder, or the end of one: `task/agent`, `agent-hash`,
            `suite/task/agent-hash/seed_3`. An agent may be given without its hash.

    Raises:
        RecordError: there is no results folder.
        SuiteError: nothing is meant; the nearest name is suggested.
    """
    if not results.is_dir():
        raise RecordError(f"there is no results folder {results}; name yours with --results")
    cells = [path for path in sorted(results.glob("*/*/*")) if _CELL.fullmatch(path.name) and path.is_dir()]
    parts = [part for part in Path(wanted).parts if part not in (".", "/")]
    seed = None
    if parts and (match := re.fullmatch(r"seed_([0-9]+)", parts[-1])):
        seed = int(match[1])
        parts.pop()
    found = [cell for cell in cells if parts and _means(parts, cell)]
    if seed is not None:
        found = [cell for cell in found if (cell / f"seed_{seed}").is_dir()]
    if not found:
        known = [f"{cell.parent.name}/{cell.name}" for cell in cells]
        raise SuiteError(f"{unknown(f'cell in {results}:', wanted, known)}; write TASK/AGENT")
    return [(cell, seed) for cell in found]


def _means(parts: list[str], cell: Path) -> bool:
    *above, last = parts
    match = _CELL.fullmatch(cell.name)
    names = {cell.name, match[1] if match else "", match[1].replace(".", ":", 1) if match else ""}
    here = cell.absolute().parts[:-1]
    return last in names and (not above or tuple(above) == here[-len(above) :])


def describe(cell: Path, seed: int | None = None, n_lines: int = 40) -> Iterator[str]:
    """Lines about a cell, or one run of it: failures with their tracebacks, crashes, the ends of the logs.

    Args:
        cell: its folder.
        seed: only this run, and the logs of the stacks that it was in.
        n_lines: of each log, the newest.

    Raises:
        RecordError: a file cannot be read.
    """
    seeds = [seed] if seed is not None else sorted(int(path.name[5:]) for path in cell.glob("seed_*"))
    for one in seeds:
        folder = RunFolder(cell / f"seed_{one}")
        failed = _failed(folder.path / FAILED_FILE)
        if failed:
            yield f"== {cell.parent.name}/{cell.name}/seed_{one}: failed at step {failed['step']}"
            yield failed["traceback"].rstrip() or failed["reason"]
        else:
            yield f"== {cell.parent.name}/{cell.name}/seed_{one}: {folder.status}"
            before = crashes(folder)
            for reason in before["reasons"]:
                yield f"crashed: {reason}"
    for log in sorted(cell.glob("log_*.txt")):
        match = _LOG.fullmatch(log.name)
        if match and (seed is None or seed in _seeds(match[1])):
            yield f"== {log} (last {n_lines} lines)"
            yield from _read(log).splitlines()[-n_lines:]


def _seeds(text: str) -> set[int]:
    first, dash, last = text.partition("-")
    return set(range(int(first), int(last) + 1)) if dash else {int(seed) for seed in text.split(",")}


def _failed(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found = json.loads(_read(path))
        return {"reason": found["reason"], "step": found["step"], "traceback": found.get("traceback", "")}
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is damaged; `bench retry` clears the run") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
