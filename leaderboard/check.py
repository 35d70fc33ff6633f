"""Do published tables say what the records say?"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..analysis.schema import RecordError
from .board import Leaderboard
from .markdown import FOOTER_HEADING, markdown
from .tables import csv_files, table_folders

TOLERANCE = 1e-6
"""Relative; other processors round the last digits differently."""


def differences(boards: Sequence[Leaderboard], out: str | Path) -> list[str]:
    """Where published tables and records disagree: one line a file, none where they agree.

    CSV files are compared cell by cell, numbers to ``TOLERANCE``; the page by its text, its footer apart,
    which names versions and the command. Figures and LaTeX are drawn from the same numbers.

    Args:
        boards: made from the records.
        out: folder of the published tables.

    Raises:
        RecordError: a published file cannot be read.
    """
    found: list[str] = []
    for board, folder in zip(boards, table_folders(boards, Path(out)), strict=True):
        for name, text in csv_files(board).items():
            found += [f"{folder / name}: {line}" for line in _first_difference(text, _read(folder / name))]
        ours, theirs = (
            page.split(FOOTER_HEADING)[0].splitlines()
            for page in (markdown(board, ""), _read(folder / "LEADERBOARD.md"))
        )
        if ours != theirs:
            number = next(
                (
                    place
                    for place, pair in enumerate(zip(ours, theirs, strict=False), 1)
                    if len(set(pair)) > 1
                ),
                0,
            )
            found.append(
                f"{folder / 'LEADERBOARD.md'} line {number or min(len(ours), len(theirs)) + 1} differs"
            )
    return found


def _first_difference(ours: str, theirs: str) -> Iterator[str]:
    """What differs first between two CSV texts; nothing where they agree."""
    mine, other = (list(csv.reader(io.StringIO(text))) for text in (ours, theirs))
    if mine[0] != other[0]:
        yield f"its columns are not those of the records: {_some(set(mine[0]) ^ set(other[0]))}"
        return
    if len(mine) != len(other):
        yield f"it has {len(other) - 1} rows, the records give {len(mine) - 1}"
        return
    for line, (row, published) in enumerate(zip(mine, other, strict=True), start=1):
        for column, one, two in zip(mine[0], row, published, strict=False):
            if len(row) != len(published) or not _same(one, two):
                yield f"line {line}, {column}: published {two!r}, the records give {one!r}"
                return


def _same(one: str, two: str) -> bool:
    if one == two:
        return True
    try:
        return math.isclose(float(one), float(two), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    except ValueError:
        return False


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:5]) or "their order"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot read the published table {path}: {error}") from error
