"""A sweep: the runs of a suite that are not done yet, in stacks, on an engine; all that ends is recorded.

Several sweeps may work on one results folder: each trains what no other holds a lease on (`lease`), waits for
what others train, and takes over from those that die. Nothing is kept but what lies in the folder.
"""

from __future__ import annotations

import os
import platform
import time
import traceback
import uuid
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...analysis.records import RecordError
from ..engines.executors import JobLost, stop
from ..suites.stack import Stack, cell_folder
from ..training.checkpoint import find_checkpoints
from .crashes import MAX_TRIES, count_crash
from .heartbeat import BEAT_SECONDS
from .holder import Holder
from .lease import Sighting, Watch, claim_all, look, release_all
from .pace import Pace
from .progress import Progress
from .work import Ending, Order, Train, one_line, open_seeds, work

STOP_SECONDS = 600.0
"""How long jobs may take to their checkpoint after Ctrl-C."""
CLAIM_SECONDS = 0.1
"""To take the leases of a stack, at most, if nothing is in the way."""
WAIT_SECONDS = 0.2
"""Between two looks at the runs of others, where nothing else is left to do."""


class Pause(Exception):  # noqa: N818  (the user's wish)
    """Ctrl-C or SIGTERM: stop at the next checkpoint."""


@dataclass
class Sweep:
    """Trains stacks until each run is done or failed, by this sweep or by another one.

    They go in the order given until agents are known; from then on the one that will take longest is next, so
    that at the end no worker is left alone with a long one. A run that crashes, by an error or because its
    process dies, is tried again when all others have had their turn, and marked as failed after `MAX_TRIES`
    without coming further.

    Attributes:
        results: the results folder.
        engine: where the jobs run; shut down at the end.
        n_workers: jobs that run at once.
        progress: is told what happens.
        train: what a job does.
        device: torch device of the agents.
        watch: judges leases of others.
        poll_seconds: time between two looks at the records.
        beat_seconds: between the jobs' signs of life.
        refusals: after `run`, a line for each stack that cannot go on as things are.
    """

    results: Path
    engine: Executor
    n_workers: int
    progress: Progress
    train: Train
    device: str = "cpu"
    watch: Watch = field(default_factory=Watch)
    poll_seconds: float = 1.0
    beat_seconds: float = BEAT_SECONDS
    refusals: list[str] = field(default_factory=list)
    _waiting: list[Stack] = field(default_factory=list)
    _running: dict[Future[Ending], tuple[Stack, Order]] = field(default_factory=dict)
    _elsewhere: dict[tuple[str, str, tuple[int, ...]], Sighting] = field(default_factory=dict)
    _crashed: set[tuple[str, str, tuple[int, ...]]] = field(default_factory=set)
    _pace: Pace = field(default_factory=Pace)

    def run(self, stacks: Sequence[Stack]) -> None:
        """Train them all.

        Raises:
            Pause: as asked; the jobs have stopped at a checkpoint.
            KeyboardInterrupt: as asked a second time; the jobs have been ended.
            RecordError: the disk refuses; the jobs have been stopped.
        """
        self._waiting = list(stacks)
        is_over = False
        try:
            try:
                while self._waiting or self._running:
                    self._submit()
                    self._collect(self.poll_seconds)
            except (Pause, RecordError):
                self._wind_up()
                raise
            is_over = True
        finally:
            self.engine.shutdown(wait=True, cancel_futures=not is_over)

    def _submit(self) -> None:
        """Start as many of the waiting stacks as there is room for."""
        place = 0
        while place < len(self._waiting) and len(self._running) < self.n_workers:
            stack = self._waiting[place]
            if not open_seeds(stack, self.results):
                if stack.key not in self._elsewhere:
                    self.progress.start(stack, list(stack.folders(self.results).values()))
                self._elsewhere.pop(stack.key, None)
                self._ended(self._waiting.pop(place))
                place = 0  # the order may be another one now
                continue
            if self._regroup(place):
                continue
            taken, dead = self._leases(stack)
            if 0 < len(taken) < len(stack.seeds):  # perhaps in the midst of being taken, or given up
                time.sleep(CLAIM_SECONDS)
                taken, dead = self._leases(stack)
            if taken:
                place += 1 - self._leave_to_others(stack, taken)
                continue
            if self._elsewhere.pop(stack.key, None):
                self.progress.end(stack, quietly=True)
            order = Order(uuid.uuid4().hex, frozenset(dead), platform.node(), os.getpid(), self.beat_seconds)
            self._waiting.pop(place)
            self.progress.start(stack, list(stack.folders(self.results).values()))
            future = self.engine.submit(work, self.train, stack, self.results, self.device, order)
            self._running[future] = stack, order

    def _regroup(self, place: int) -> bool:
        """Give way to checkpoints that another sweep has made meanwhile, of other stacks of the same runs."""
        stack = self._waiting[place]
        kept = find_checkpoints(cell_folder(stack.cell, self.results))
        left = set(open_seeds(stack, self.results))
        others = [seeds for seeds in kept if left & set(seeds)]
        if stack.seeds in kept or not others:
            return False
        rest = tuple(sorted(left.difference(*others)))
        known = {one.key for one in (*self._waiting, *(one for one, _ in self._running.values()))}
        parts = [replace(stack, seeds=seeds) for seeds in (*others, rest) if seeds]
        self._waiting[place : place + 1] = [part for part in parts if part.key not in known]
        if self._elsewhere.pop(stack.key, None):
            self.progress.end(stack, quietly=True)
        return True

    def _leases(self, stack: Stack) -> tuple[dict[int, Sighting], list[str]]:
        """The runs of a stack that others hold, and the names of leases of the dead."""
        taken, dead = {}, []
        for seed, folder in stack.folders(self.results).items():
            seen = look(folder.path)
            if seen and self.watch.is_alive(seen):
                taken[seed] = seen
            elif seen:
                dead.append(seen.name)
        return taken, dead

    def _leave_to_others(self, stack: Stack, taken: dict[int, Sighting]) -> bool:
        """Wait for a stack; whether instead it has been split, because others hold a part of it only."""
        is_kept = stack.seeds in find_checkpoints(cell_folder(stack.cell, self.results))
        if len(taken) < len(stack.seeds) and not is_kept:
            place = self._waiting.index(stack)
            parts = [tuple(s for s in stack.seeds if s not in taken), tuple(taken)]
            self._waiting[place : place + 1] = [replace(stack, seeds=part) for part in parts]
            if self._elsewhere.pop(stack.key, None):
                self.progress.end(stack, quietly=True)
            return True
        if stack.key not in self._elsewhere:
            seen = next(iter(taken.values()))
            self._elsewhere[stack.key] = seen
            where = f"{seen.holder.host}, process {seen.holder.pid}" if seen.holder else "elsewhere"
            self.progress.start(stack, list(stack.folders(self.results).values()), where)
        return False

    def _collect(self, seconds: float) -> None:
        """Wait a while, and settle the jobs that have ended."""
        ended, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        if self._waiting and not self._running:  # others train all that is left
            time.sleep(min(seconds, WAIT_SECONDS))
        self.progress.poll()
        for future in [started for started in self._running if started in ended]:
            stack, order = self._running.pop(future)
            error = future.exception()
            ending = future.result() if error is None else self._died(stack, order, error)
            self._settle(stack, ending)

    def _settle(self, stack: Stack, ending: Ending) -> None:
        if ending.kind == "disk":
            self.progress.end(stack, retry=ending.reason)
            raise RecordError(ending.reason)
        if ending.kind == "refused":
            self.refusals.append(ending.reason)
            self.progress.end(stack, retry=ending.reason)
        elif ending.kind == "crashed":
            self.progress.end(stack, retry=f"{ending.reason}; try {ending.tries + 1} of {MAX_TRIES} follows")
            self._waiting.append(stack)
            self._crashed.add(stack.key)
        elif ending.kind in ("elsewhere", "stopped"):
            self.progress.end(stack, quietly=True)
            self._waiting.insert(0, stack)
        else:
            self._ended(stack)

    def _ended(self, stack: Stack) -> None:
        """Learn from a stack that is over; what has crashed stays last."""
        self.progress.end(stack)
        self._pace.learn(stack, self.results)
        self._waiting.sort(key=lambda one: (one.key in self._crashed, -self._pace.expected(one)))

    def _died(self, stack: Stack, order: Order, error: BaseException) -> Ending:
        """Count the death of a job's process as a crash of its runs, unless others have them by now."""
        folders = stack.folders(self.results)
        left = open_seeds(stack, self.results)
        if not left:
            return Ending("settled")
        held = [look(folder.path) for folder in folders.values()]
        dead = [seen.name for seen in held if seen and seen.holder and seen.holder.token == order.token]
        me = Holder.this_process(uuid.uuid4().hex)
        leases, taken = claim_all([folders[seed].path for seed in left], me, {*dead, *order.dead})
        if taken is not None:
            return Ending("elsewhere")
        try:
            reason = _how_it_died(error) if isinstance(error, BrokenExecutor) else one_line(error)
            text = "".join(traceback.format_exception(error))
            tries = count_crash(replace(stack, seeds=left), folders, reason, text)
        finally:
            release_all(leases)
        return Ending("settled" if tries >= MAX_TRIES else "crashed", reason, tries)

    def _wind_up(self) -> None:
        """Ask the jobs to stop at a checkpoint, and wait for them."""
        can_ask = stop(self.engine)
        for future, (stack, _) in list(self._running.items()):
            if can_ask or future.cancel():
                wait([future], timeout=STOP_SECONDS)
            self.progress.end(stack, quietly=True)
        self._running.clear()


def _how_it_died(error: BrokenExecutor) -> str:
    """One line; loky's own words are a paragraph."""
    what = str(error) if isinstance(error, JobLost) else type(error).__name__
    return f"its process was killed (out of memory?): {what}"
