"""What a sweep shows while it runs, read from the records: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Self

from ..analysis.records import RunFolder
from ..analysis.schema import EVALUATIONS_FILE

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from .sweep import Stack

LINE_SECONDS = 30.0
"""Shortest time between two lines of overall progress."""
_TAIL_BYTES = 1 << 16


@dataclass
class Job:
    """A running stack, as far as its records tell."""

    stack: Stack
    folders: Sequence[RunFolder]
    began: float
    step: float = 0.0
    last_return: float | None = None

    def look(self) -> None:
        """Read the last evaluations."""
        found = [last for folder in self.folders if (last := last_evaluation(folder)) is not None]
        if found:
            self.step = sum(last["step"] for last in found) / len(self.folders)
            self.last_return = fmean(fmean(last["return"]) for last in found)

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return min(self.step / self.stack.cell.steps, 1.0)


class Progress(ABC):
    """Keeps account of a sweep; a subclass shows it. A context manager for as long as it shows something.

    Args:
        stacks: all stacks of the sweep.
        clock: seconds, from any origin.
    """

    def __init__(self, stacks: Sequence[Stack], clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.began = clock()
        self.jobs: list[Job] = []
        self.n_ended = 0
        self.n_runs = sum(len(stack.seeds) for stack in stacks)
        self._open = Counter(key for stack in stacks for key in [_key(stack)] * len(stack.seeds))
        self._steps_ended = self._cost_ended = 0.0
        self._cost = sum(stack.cost for stack in stacks)

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the screen tidy."""
        return

    def start(self, stack: Stack, folders: Sequence[RunFolder]) -> None:
        """A stack begins."""
        self.jobs.append(Job(stack, folders, self.clock()))

    def poll(self) -> None:
        """Look at the records and show what is new."""
        for job in self.jobs:
            job.look()
        self.show()

    def end(self, stack: Stack, retry: str = "") -> None:
        """A stack has ended, or is to be tried again for the reason given."""
        job = next(job for job in self.jobs if job.stack == stack)
        job.look()
        self.jobs.remove(job)
        statuses = Counter(folder.status for folder in job.folders)
        n_ended = statuses["done"] + statuses["failed"]
        self.n_ended += n_ended
        self._open[_key(stack)] -= n_ended
        self._steps_ended += n_ended * job.step
        self._cost_ended += n_ended * stack.cost / len(stack.seeds)
        if retry:
            self.say(f"{describe(stack)}: {retry}")
            return
        outcome = f"{statuses['failed']} of {len(stack.seeds)} runs failed, " if statuses["failed"] else ""
        took = duration(self.clock() - job.began)
        self.say(
            f"[{self.n_ended}/{self.n_runs}] {describe(stack)}: "
            f"{outcome}return {number(job.last_return)}, {took}"
        )

    def overall(self) -> str:
        """Cells and runs done, environment steps of all runs a second, time left."""
        seconds = max(self.clock() - self.began, 1e-9)
        steps = self._steps_ended + sum(job.step * len(job.folders) for job in self.jobs)
        cost = self._cost_ended + sum(job.share * job.stack.cost for job in self.jobs)
        left = duration(seconds * (self._cost - cost) / cost) if cost else "unknown"
        n_cells = sum(n_open <= 0 for n_open in self._open.values())
        return (
            f"{n_cells} of {len(self._open)} cells, {self.n_ended} of {self.n_runs} runs done, "
            f"{steps / seconds:,.0f} steps/s, time left {left}"
        )

    @abstractmethod
    def show(self) -> None:
        """Show the present state."""

    @abstractmethod
    def say(self, line: str) -> None:
        """Show a line that stays."""


class PlainProgress(Progress):
    """Lines: one a stack, and one of overall progress now and then."""

    def __init__(self, stacks: Sequence[Stack], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stacks, clock)
        self._spoke = self.began

    def show(self) -> None:
        """Say how far everything is, if nothing has been said for a while."""
        if self.clock() - self._spoke >= LINE_SECONDS:
            self.say(self.overall())

    def say(self, line: str) -> None:
        """Print the line at once."""
        print(line, flush=True)
        self._spoke = self.clock()


class LiveProgress(Progress):
    """A bar for every running stack, and lines above them for those that have ended."""

    def __init__(
        self, stacks: Sequence[Stack], console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        from rich.live import Live

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

    def say(self, line: str) -> None:
        """Print above the bars."""
        self._live.update(self._draw())
        self._live.console.print(line, markup=False, highlight=False)

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        for job in self.jobs:
            cell = job.stack.cell
            table.add_row(
                cell.title,
                cell.task,
                span(job.stack.seeds),
                ProgressBar(total=1.0, completed=job.share, width=20),
                f"{job.step:,.0f}/{cell.steps:,}",
                f"return {number(job.last_return)}",
            )
        return Group(table, Text(self.overall()))


def last_evaluation(folder: RunFolder) -> dict[str, Any] | None:
    """The last complete line of a run's evaluations, from the end of the file; None while there is none."""
    try:
        with (folder.path / EVALUATIONS_FILE).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - _TAIL_BYTES, 0))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    # the last piece is empty or torn; a line that is longer than the tail cannot be read
    return json.loads(lines[-2]) if len(lines) > (2 if size > _TAIL_BYTES else 1) else None


def _key(stack: Stack) -> tuple[str, str, str]:
    return stack.cell.task, stack.cell.agent, stack.cell.settings_hash


def describe(stack: Stack) -> str:
    """Agent, task and seeds."""
    return f"{stack.cell.title} on {stack.cell.task}, {span(stack.seeds)}"


def span(seeds: Sequence[int]) -> str:
    """Seeds in short: `seed 3`, `seeds 0-3`, `seeds 0,2,5`."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]}-{seeds[-1]}"
    return f"seeds {','.join(map(str, seeds))}"


def number(value: float | None) -> str:
    """Four significant digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def duration(seconds: float) -> str:
    """`45s`, `3m 20s`, `2h 05m`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"
