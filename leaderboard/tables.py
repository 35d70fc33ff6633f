"""Writing leaderboards: CSV, Markdown, LaTeX and figures, all from the numbers of one `Leaderboard`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..analysis.files import write_atomically
from ..analysis.schema import RecordError, to_json
from ..analysis.scores import ReferenceScores
from ..analysis.words import harmless
from .board import Leaderboard, leaderboards
from .bootstrap import Bootstrap
from .footer import footer
from .latex import latex
from .markdown import markdown


def write_leaderboard(
    results: str | Path,
    out: str | Path,
    suite: str | None = None,
    budget: str | None = None,
    command: str = "bench leaderboard",
    references: ReferenceScores | None = None,
    bootstrap: Bootstrap | None = None,
    with_figures: bool = False,
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
        with_figures: whether to draw figures, too.

    Returns:
        The files written.

    Raises:
        RecordError: a corrupt record, no record of this suite and budget, or a file that cannot be written.
    """
    boards = leaderboards(results, suite, budget, references, bootstrap)
    return write_leaderboards(boards, out, command, with_figures)


def write_leaderboards(
    boards: Sequence[Leaderboard], out: str | Path, command: str, with_figures: bool = False
) -> list[Path]:
    """Writes tables that are already made, each file atomically.

    One table goes straight into ``out``. Several go into subfolders named by what tells them apart, e.g.
    ``out/quick`` and ``out/paper``: budgets never share a table.

    Returns:
        The files written.

    Raises:
        RecordError: a file cannot be written.
    """
    paths: list[Path] = []
    for board, folder in zip(boards, table_folders(boards, Path(out)), strict=True):
        contents: dict[str, str | bytes] = {
            "LEADERBOARD.md": markdown(board, command),
            **csv_files(board),
            "leaderboard.tex": latex(board, command),
            "about.json": to_json(footer(board, command), indent=2) + "\n",
        }
        if with_figures:
            from .figures import figures

            contents |= {f"figures/{name}": content for name, content in figures(board, command).items()}
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


def csv_files(board: Leaderboard) -> dict[str, str]:
    """The numbers: file name to content."""
    return {
        "leaderboard.csv": csv_text(board.agents),
        "tasks.csv": csv_text(board.tasks),
        "pairs.csv": csv_text(board.pairs),
        "curves.csv": csv_text(board.curves),
        "profiles.csv": csv_text(board.profiles),
        "efficiency.csv": csv_text(board.efficiency),
    }


def table_folders(boards: Sequence[Leaderboard], out: Path) -> list[Path]:
    """One folder a table: ``out`` and the parts of suite, version and budget in which the tables differ."""
    keys = [(board.suite, f"version_{board.suite_version}", board.budget) for board in boards]
    varies = [len({key[place] for key in keys}) > 1 for place in range(3)]
    return [
        out.joinpath(*[part for part, is_shown in zip(key, varies, strict=True) if is_shown]) for key in keys
    ]


def csv_text(frame: pd.DataFrame) -> str:
    """CSV with a header, without the row numbers; numbers with ten digits, missing ones empty."""
    safe = frame.copy()
    for name in safe.columns:
        if safe[name].dtype == object:
            safe[name] = safe[name].map(harmless)
    return safe.to_csv(index=False, float_format="%.10g", lineterminator="\n")
