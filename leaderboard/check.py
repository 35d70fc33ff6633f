"""Do published tables say what the records say?"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..analysis.schema import RecordError
from ..analysis.words import one_line
from .board import Leaderboard
from .markdown import FOOTER_HEADING, markdown
from .tables import csv_files, table_folders

TOLERANCE = 1e-6
"""Relative; other processors round the last digits differently."""


def differences(boards: Sequence[Leaderboard], out: str | Path) -> list[str]:
    """Where published tables and records disagree: one line a file, none where they agree.

    CSV files are compared cell by cell, numbers to ``TOLERANCE``; Markdown by its text, its footer apart,
    which names versions and the command. Figures and LaTeX are drawn from the same numbers. For the page see
    `page_check`.

    Args:
        boards: made from the records.
        out: folder of the published tables.

    Raises:
        RecordError: a published file cannot be read.
    """
    found: list[str] = []
    for board, folder in zip(boards, table_folders(boards, Path(out)), strict=True):
        for name, text in csv_files(board).items():
            found += csv_differences(text, folder / name)
        found += page_differences(markdown(board, ""), folder / "LEADERBOARD.md")
    return found


def csv_differences(text: str, path: Path) -> list[str]:
    """Where a published CSV file differs first from what it should hold; RecordError if it cannot be read."""
    return [f"{path}: {line}" for line in first_difference(text, _read(path))]


def page_differences(page: str, path: Path) -> list[str]:
    """Where a published page differs first, its footer apart; RecordError if it cannot be read."""
    ours, theirs = (text.split(FOOTER_HEADING)[0].splitlines() for text in (page, _read(path)))
    if ours == theirs:
        return []
    pairs = enumerate(zip(ours, theirs, strict=False), 1)
    number = next((place for place, pair in pairs if len(set(pair)) > 1), min(len(ours), len(theirs)) + 1)
    return [f"{path} line {number} differs"]


def first_difference(ours: str, theirs: str) -> Iterator[str]:
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
    return ", ".join(one_line(name) for name in sorted(names)[:5]) or "their order"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot read the published table {path}: {error}") from error
