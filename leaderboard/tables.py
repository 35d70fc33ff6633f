"""Writing leaderboards: ``leaderboard.csv``, ``tasks.csv``, ``curves.csv`` and ``LEADERBOARD.md``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..analysis.curves import learning_curves
from ..analysis.files import write_atomically
from ..analysis.schema import RecordError
from ..analysis.scores import ReferenceScores
from .board import Bootstrap, Leaderboard, leaderboards
from .markdown import markdown


def write_leaderboard(
    results: str | Path,
    out: str | Path,
    suite: str | None = None,
    budget: str | None = None,
    command: str = "bench leaderboard",
    references: ReferenceScores | None = None,
    bootstrap: Bootstrap | None = None,
) -> list[Path]:
    """Makes the tables of a results folder and writes them.

    Args:
        results: results folder.
        out: folder of the tables.
        suite: only this suite.
        budget: only this budget.
        command: printed at the foot of the page.
        references: reference scores, by default the package's own.
        bootstrap: how to make intervals.

    Returns:
        The files written.

    Raises:
        RecordError: a corrupt record, no record of this suite and budget, or a file that cannot be written.
    """
    return write_leaderboards(leaderboards(results, suite, budget, references, bootstrap), out, command)


def write_leaderboards(boards: Sequence[Leaderboard], out: str | Path, command: str) -> list[Path]:
    """Writes tables that are already made, each file atomically.

    One table goes straight into ``out``. Several go into subfolders named by what tells them apart, e.g.
    ``out/quick`` and ``out/paper``: budgets never share a table.

    Returns:
        The files written.

    Raises:
        RecordError: a file cannot be written.
    """
    paths: list[Path] = []
    for board, folder in zip(boards, _folders(boards, Path(out)), strict=True):
        contents = {
            "LEADERBOARD.md": markdown(board, command),
            "leaderboard.csv": _csv(board.agents),
            "tasks.csv": _csv(board.tasks),
            "curves.csv": _csv(learning_curves(board.runs, board.bootstrap.seed)),
        }
        for name, text in contents.items():
            path = folder / name
            try:
                write_atomically(path, text)
            except OSError as error:
                raise RecordError(
                    f"cannot write {path}: {error.strerror or error}; choose another --out folder"
                ) from error
            paths.append(path)
    return paths


def _folders(boards: Sequence[Leaderboard], out: Path) -> list[Path]:
    """One folder a table: ``out`` and the parts of suite, version and budget in which the tables differ."""
    keys = [(board.suite, f"version_{board.suite_version}", board.budget) for board in boards]
    varies = [len({key[place] for key in keys}) > 1 for place in range(3)]
    return [
        out.joinpath(*[part for part, is_shown in zip(key, varies, strict=True) if is_shown]) for key in keys
    ]


def _csv(frame: pd.DataFrame) -> str:
    """CSV with a header, without the row numbers; numbers with ten digits, missing ones empty."""
    return frame.to_csv(index=False, float_format="%.10g", lineterminator="\n")
