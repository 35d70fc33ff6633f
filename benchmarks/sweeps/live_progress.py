"""What a sweep shows on a terminal: a bar for every running stack, lines above for those that ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..suites.stack import Stack, span
from .progress import Job, Progress


class LiveProgress(Progress):
    """A bar for every running stack, and lines above them for those that have ended."""

    def __init__(
        self, stacks: Sequence[Stack], console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stacks, clock)
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Take over the lower part of the terminal."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._live.stop()

    def show(self) -> None:
        """Draw the bars."""
        self._live.update(self._draw(), refresh=True)

    def started_elsewhere(self, job: Job) -> None:
        """Its bar says so."""

    def say(self, line: str) -> None:
        """Print above the bars."""
        self._live.update(self._draw())
        self._live.console.print(line, markup=False, highlight=False)

    def _draw(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for job in self.jobs:
            cell = job.stack.cell
            table.add_row(
                cell.title,
                cell.task,
                span(job.stack.seeds),
                ProgressBar(total=1.0, completed=job.share, width=20),
                f"{job.step:,.0f}/{cell.steps:,}",
                job.reached,
                f"on {job.where}" if job.where else "",
            )
        return Group(table, Text(self.overall()))
