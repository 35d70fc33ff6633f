"""What a sweep shows while it runs, read from the records: plain lines here, bars in `live_progress`."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Self

from ...analysis.records import RunFolder
from ...analysis.schema import EVALUATIONS_FILE
from ..suites.stack import Stack

LINE_SECONDS = 30.0
"""Shortest time between two lines of overall progress."""
_TAIL_BYTES = 1 << 16


@dataclass
class Job:
    """A running stack, as far as its records tell.

    Attributes:
        stack: what is trained.
        folders: of its runs.
        began: when this sweep saw it begin, by the clock of the progress.
        where: host and process, if another sweep trains it.
        step: environment steps of each run so far.
        first_step: steps that were done before.
        last_return: mean return at the last evaluation.
        last_win_rate: the same of win rates, where the task is scored by them.
    """

    stack: Stack
    folders: Sequence[RunFolder]
    began: float
    where: str = ""
    step: float = 0.0
    first_step: float = 0.0
    last_return: float | None = None
    last_win_rate: float | None = None

    def look(self) -> None:
        """Read the last evaluations."""
        found = [last for folder in self.folders if (last := last_evaluation(folder)) is not None]
        if found:
            self.step = sum(last["step"] for last in found) / len(self.folders)
            self.last_return = fmean(fmean(last["return"]) for last in found)
            won = self.stack.cell.win_metric
            self.last_win_rate = fmean(fmean(last["metrics"][won]) for last in found) if won else None

    @property
    def reached(self) -> str:
        """What it reached at the last evaluation, in words."""
        return reached(self.last_win_rate, self.last_return)

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return min(self.step / self.stack.cell.steps, 1.0)

    @property
    def new_share(self) -> float:
        """How much of it has been done since it was first seen."""
        return max(self.share - self.first_step / self.stack.cell.steps, 0.0)


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
        self.n_runs = sum(len(stack.seeds) for stack in stacks)
        self._ended: set[tuple[str, int]] = set()
        self._open = Counter(stack.cell.place for stack in stacks for _ in stack.seeds)
        self._steps_ended = self._new_cost_ended = 0.0
        self._cost_left = float(sum(stack.cost for stack in stacks))

    @property
    def n_ended(self) -> int:
        """Runs that are done or have failed."""
        return len(self._ended)

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the screen tidy."""
        return

    def start(self, stack: Stack, folders: Sequence[RunFolder], where: str = "") -> None:
        """A stack begins, here or, if `where` says so, in another sweep."""
        job = Job(stack, folders, self.clock(), where)
        job.look()
        job.first_step = job.step
        self.jobs.append(job)
        if where:
            self.started_elsewhere(job)

    @abstractmethod
    def started_elsewhere(self, job: Job) -> None:
        """Say that another sweep trains a stack."""

    def poll(self) -> None:
        """Look at the records and show what is new."""
        for job in self.jobs:
            job.look()
        self.show()

    def end(self, stack: Stack, retry: str = "", quietly: bool = False) -> None:
        """A stack has ended, or is left for the reason given, or just is not watched any longer."""
        job = next(job for job in self.jobs if job.stack.key == stack.key)
        job.look()
        self.jobs.remove(job)
        statuses = {seed: folder.status for seed, folder in zip(stack.seeds, job.folders, strict=True)}
        for seed, status in statuses.items():
            run = stack.cell.place, seed
            if status in ("done", "failed") and run not in self._ended:
                self._ended.add(run)
                self._open[stack.cell.place] -= 1
                self._cost_left -= stack.cost / len(stack.seeds)
        self._steps_ended += max(job.step - job.first_step, 0) * len(stack.seeds)
        self._new_cost_ended += job.new_share * stack.cost
        if retry:
            self.say(f"{stack.title}: {retry}")
        elif not quietly:
            n_failed = sum(status == "failed" for status in statuses.values())
            outcome = f"{n_failed} of {len(stack.seeds)} runs failed, " if n_failed else ""
            place = f", on {job.where}" if job.where else ""
            self.say(
                f"[{self.n_ended}/{self.n_runs}] {stack.title}: {outcome}{job.reached}, "
                f"{duration(self.clock() - job.began)}{place}"
            )

    def overall(self) -> str:
        """Cells and runs done, environment steps of all runs a second, time left."""
        seconds = max(self.clock() - self.began, 1e-9)
        steps = self._steps_ended + sum(
            max(job.step - job.first_step, 0) * len(job.folders) for job in self.jobs
        )
        new = self._new_cost_ended + sum(job.new_share * job.stack.cost for job in self.jobs)
        to_do = self._cost_left - sum(job.share * job.stack.cost for job in self.jobs)
        left = duration(seconds * max(to_do, 0.0) / new) if new else "unknown"
        n_cells = sum(n_open <= 0 for n_open in self._open.values())
        elsewhere = sum(bool(job.where) for job in self.jobs)
        others = f", {elsewhere} {'stack' if elsewhere == 1 else 'stacks'} elsewhere" if elsewhere else ""
        return (
            f"{n_cells} of {len(self._open)} cells, {self.n_ended} of {self.n_runs} runs done, "
            f"{steps / seconds:,.0f} steps/s{others}, time left {left}"
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

    def started_elsewhere(self, job: Job) -> None:
        """Say who trains it."""
        self.say(f"{job.stack.title}: trained on {job.where}; waiting for it")

    def say(self, line: str) -> None:
        """Print the line at once."""
        print(line, flush=True)
        self._spoke = self.clock()


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


def reached(win_rate: float | None, mean_return: float | None) -> str:
    """Win rate, where there is one, and return in words."""
    leading = "" if win_rate is None else f"win rate {number(win_rate)}, "
    return f"{leading}return {number(mean_return)}"


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
