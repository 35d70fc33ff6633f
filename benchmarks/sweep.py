"""A sweep: the runs of a suite that are not done yet, in stacks, on an engine; all that ends is recorded."""

from __future__ import annotations

import tempfile
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import envs
from ..analysis.records import RecordError, RunFolder, run_folder
from .cell import Cell
from .progress import Progress, last_evaluation

Train = Callable[[Cell, tuple[int, ...], Path, str], None]
"""What a job does: `benchmarks.train.train`."""

MAX_RETRIES = 2
"""How often a stack is tried again whose process was killed."""


@dataclass(frozen=True)
class Stack:
    """Runs of one cell that are trained together in one process.

    Attributes:
        cell: what they have in common.
        seeds: one run each.
    """

    cell: Cell
    seeds: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Environment steps of all its runs."""
        return self.cell.steps * len(self.seeds)

    @property
    def cost(self) -> int:
        """Estimate of its duration, in no particular unit: steps x members."""
        return self.steps * envs.spec(self.cell.task, self.cell.task_settings).n_agents

    def folders(self, results: Path) -> dict[int, RunFolder]:
        """Seed to the folder of its run."""
        return {seed: folder_of(self.cell, seed, results) for seed in self.seeds}


def folder_of(cell: Cell, seed: int, results: Path) -> RunFolder:
    """The folder of a run."""
    return run_folder(results, cell.suite, cell.task, cell.agent_label, cell.settings_hash, seed)


def plan(
    cells: Iterable[Cell],
    seeds: Sequence[int],
    results: Path,
    stack_size: int = 4,
    retry_failed: bool = False,
) -> list[Stack]:
    """The stacks that are left to train, longest first.

    Runs that are done are skipped, failed ones too unless `retry_failed`; runs that were cut off start over.
    The rest of a cell is dealt into as few stacks as possible, of sizes that differ by one at most.

    Args:
        cells: of the sweep.
        seeds: of every cell.
        results: the results folder; it need not exist.
        stack_size: most runs in a stack.
        retry_failed: whether failed runs are trained again.
    """
    skipped = {"done"} if retry_failed else {"done", "failed"}
    stacks = []
    for cell in cells:
        left = [seed for seed in seeds if folder_of(cell, seed, results).status not in skipped]
        n_stacks = -(-len(left) // stack_size)
        start = 0
        for number in range(n_stacks):
            size = len(left) // n_stacks + (number < len(left) % n_stacks)
            stacks.append(Stack(cell, tuple(left[start : start + size])))
            start += size
    return sorted(stacks, key=lambda stack: stack.cost, reverse=True)


def count_statuses(cells: Iterable[Cell], seeds: Sequence[int], results: Path) -> Counter[str]:
    """How many runs are done, failed, running (cut off, unless a sweep is at it) and missing."""
    return Counter(folder_of(cell, seed, results).status for cell in cells for seed in seeds)


def check_results_folder(results: Path) -> None:
    """Make the results folder and try to write into it.

    Raises:
        RecordError: it cannot be written.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results):
            pass
    except OSError as error:
        raise RecordError(
            f"cannot write into the results folder {results}: {error.strerror or error}; "
            "choose another with --results"
        ) from error


def sweep(
    stacks: Sequence[Stack],
    results: Path,
    engine: Executor,
    n_workers: int,
    progress: Progress,
    train: Train | None = None,
    device: str = "cpu",
    poll_seconds: float = 1.0,
) -> None:
    """Train all stacks, in order.

    An error in a stack marks those of its runs that are not done as failed, and the sweep goes on. A stack
    whose process is killed is tried again, at most `MAX_RETRIES` times.

    Args:
        stacks: from `plan`.
        results: the results folder.
        engine: where the jobs run; shut down at the end.
        n_workers: jobs that run at once.
        progress: is told what happens.
        train: the job; `benchmarks.train.train` if None.
        device: torch device of the agents.
        poll_seconds: time between two looks at the records.

    Raises:
        KeyboardInterrupt: Ctrl-C; the jobs have been stopped by then.
    """
    job = _train() if train is None else train
    waiting = deque((stack, 0) for stack in stacks)
    running: dict[Future[None], tuple[Stack, int]] = {}
    is_over = False
    try:
        while waiting or running:
            while waiting and len(running) < n_workers:
                stack, n_retries = waiting.popleft()
                folders = stack.folders(results)
                if n_retries == 0:
                    for folder in folders.values():
                        folder.clear()
                progress.start(stack, list(folders.values()))
                running[engine.submit(job, stack.cell, stack.seeds, results, device)] = stack, n_retries
            ended, _ = wait(running, timeout=poll_seconds, return_when=FIRST_COMPLETED)
            progress.poll()
            for future in [started for started in running if started in ended]:
                stack, n_retries = running.pop(future)
                again = _finish(stack, n_retries, future.exception(), results, progress)
                if again is not None:
                    waiting.appendleft((again, n_retries + 1))
        is_over = True
    finally:
        engine.shutdown(wait=True, cancel_futures=not is_over)


def _finish(
    stack: Stack, n_retries: int, error: BaseException | None, results: Path, progress: Progress
) -> Stack | None:
    """Settle a stack whose job has ended; what is left of it if it is to be tried again."""
    folders = stack.folders(results)
    open_seeds = tuple(seed for seed, folder in folders.items() if folder.status in ("missing", "running"))
    if error is None and open_seeds:
        error = RuntimeError("the training job ended without finishing its runs")
    if error is None or not open_seeds:
        progress.end(stack)
        return None
    if isinstance(error, BrokenExecutor) and n_retries < MAX_RETRIES:
        progress.end(stack, retry=f"its process was killed (out of memory?); try {n_retries + 2}")
        return replace(stack, seeds=open_seeds)
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    text = "".join(traceback.format_exception(error))
    for seed in open_seeds:
        _fail(stack.cell, seed, folders[seed], reason, text)
    progress.end(stack)
    return None


def _fail(cell: Cell, seed: int, folder: RunFolder, reason: str, text: str) -> None:
    """Mark a run as failed, also one that had not got as far as a record."""
    if folder.status == "missing":
        from .train import run_record

        team = envs.spec(cell.task, cell.task_settings)
        folder.start({**run_record(cell, seed, team), "provenance": {}})
    last: dict[str, Any] = last_evaluation(folder) or {"step": 0}
    folder.fail(reason, last["step"], text)


def _train() -> Train:
    from .train import train  # torch: only when there is something to train

    return train
