"""What `bench leaderboard --html` and `--serve` do: the page, with pictures of its tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from ...leaderboard import Leaderboard
from ...leaderboard.page.build import FILE, page, write_page
from ...leaderboard.page.check import html_differences
from ...leaderboard.page.pictures import Picture, clips
from ...leaderboard.page.server import PageServer
from ...leaderboard.tables import csv_files, table_folders
from ..command import stop

_DRAWN = Path(__file__).resolve().parents[2] / "docs" / "tasks" / "img"
"""The tasks' pictures of a checkout; installed packages hold none, and their pages show clips only."""


def write(boards: Sequence[Leaderboard], out: Path, command: str, written: Sequence[Path]) -> Path:
    """Writes the page beside the tables; says which clips were too large for it.

    Args:
        boards: the tables.
        out: their folder.
        command: printed on the page.
        written: the files of the tables, just written.
    """
    pictures, left_out = _pictures(boards, out)
    for path in left_out:
        click.echo(f"{path} is too large for the page; make a smaller one, e.g. with --size 240", err=True)
    tables = [
        {
            path.name: path.read_text(encoding="utf-8")
            for path in written
            if path.parent == folder and path.suffix == ".csv"
        }
        for folder in table_folders(boards, out)
    ]
    return write_page(boards, out, command, pictures, tables)


def check(boards: Sequence[Leaderboard], out: Path) -> list[str]:
    """Where the page in ``out`` disagrees with the tables: one line, or none; none without a page."""
    return html_differences(boards, out, _pictures(boards, out)[0])


def serve(
    make: Callable[[], Sequence[Leaderboard]], results: Path, out: Path, command: str, port: int
) -> None:
    """Serves the page until interrupted.

    Args:
        make: makes the tables from the records.
        results: the records' folder.
        out: folder of the tables, where clips lie.
        command: printed on the page.
        port: to listen on.
    """

    def build() -> dict[str, str]:
        boards = make()
        tables = [csv_files(board) for board in boards]
        files = {FILE: page(boards, command, _pictures(boards, out)[0], tables, is_live=True)}
        for folder, texts in zip(table_folders(boards, Path()), tables, strict=True):
            files |= {(folder / name).as_posix(): text for name, text in texts.items()}
        return files

    try:
        server = PageServer(build, results, port)
    except OSError as error:
        stop(f"cannot listen on port {port}: {error.strerror or error}; choose another one with --port", 1)
    click.echo(f"the leaderboard of {results} is at {server.url} and follows its records; Ctrl-C ends it")
    try:
        server.serve(told=click.echo)
    except KeyboardInterrupt:
        click.echo("ended")


def _pictures(
    boards: Sequence[Leaderboard], out: Path
) -> tuple[Mapping[str, Sequence[Picture]], Sequence[Path]]:
    """The pictures of the tasks of a page, and the clips that are too large."""
    tasks = {str(task) for board in boards for task in board.tasks["task"]}
    found, left_out = clips(out, tasks)
    drawn = {path.stem: path for path in _DRAWN.glob("*.png")}
    for task in tasks & set(drawn):
        found[task] = [Picture(drawn[task].read_bytes(), "image/png"), *found.get(task, [])]
    return found, left_out
