"""What `bench run` does: resolve the suite, train what is missing, make the leaderboard."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from ... import envs
from ..errors import SuiteError
from ..suites.cell import Cell
from ..suites.selection import select
from ..suites.stack import Stack
from ..training.checkpoint import CHECKPOINT_MINUTES
from .plan import describe_plan, left_out, plan, summary
from .progress import PlainProgress, Progress
from .results_folder import check_results_folder, check_suite, other_settings, prepare_results_folder
from .retry import retry_runs
from .standing import Standing
from .sweep import Pause, Sweep
from .work import Train

DONE, SOME_FAILED, INTERRUPTED = 0, 1, 130
"""Exit statuses."""


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    Attributes:
        suite: name, or path of a TOML file.
        budget: name, the suite's default if None.
        agents: names with commas between, the suite's if None.
        tasks: ids with commas between, the suite's if None.
        seeds: as in `0-6`, the suite's if None.
        settings: assignments, see `choices.parse_set`.
        results: folder of the records.
        workers: processes, one a core if None.
        stack: most seeds in a stack.
        device: torch device.
        checkpoint_minutes: wall time between two checkpoints of a job, at least; 0: none.
        retry_failed: whether failed runs are trained again.
        dry_run: only show the plan.
        engine: where the jobs run, see `engines.make_engine`.
        engine_options: `key=value` each.
        per_gpu: most jobs at once on a GPU.
    """

    suite: str
    budget: str | None = None
    agents: str | None = None
    tasks: str | None = None
    seeds: str | None = None
    settings: tuple[str, ...] = ()
    results: Path = Path("results")
    workers: int | None = None
    stack: int = 4
    device: str = "cpu"
    checkpoint_minutes: float = CHECKPOINT_MINUTES
    retry_failed: bool = False
    dry_run: bool = False
    engine: str = "local"
    engine_options: tuple[str, ...] = ()
    per_gpu: int = 1


def run_suite(request: Request, train: Train | None = None) -> int:
    """Train what is missing and show the leaderboard.

    Args:
        request: what to do.
        train: the training job; `benchmarks.train.train` if None.

    Returns:
        Exit status: 0, 1 if a run failed or cannot go on, 130 after Ctrl-C.

    Raises:
        ValueError: a choice that makes no sense, or a results folder that cannot be used.
    """
    chosen = select(
        request.suite, request.budget, request.agents, request.tasks, request.seeds, request.settings
    )
    suite, cells, seeds = chosen.suite, chosen.cells, chosen.seeds
    check_results_folder(request.results)
    check_suite(suite, request.results)
    standing = Standing(request.results, suite.name)
    stacks = plan(cells, seeds, request.results, request.stack, request.retry_failed, standing)
    print(summary(cells, seeds, standing, stacks))
    for line in (
        *left_out(cells, chosen.tasks, chosen.agents),
        *other_settings(cells, request.results, standing),
    ):
        print(line)
    if request.dry_run:
        print(describe_plan(cells, seeds, standing, stacks))
        return DONE
    for task in {cell.task for cell in cells}:
        envs.require(task)
    if request.engine == "local" and request.device != "auto":
        check_device(request.device)
    prepare_results_folder(suite, request.results)
    if stacks:
        if request.retry_failed:
            retry_runs(cells, seeds, request.results)
        status = _train(stacks, request, train, lambda: _done_of(cells, seeds, request.results))
        if status is not None:
            return status
    out = request.results / suite.name / "leaderboard" / cells[0].budget
    show_leaderboard(request.results, out, suite.name, cells[0].budget)
    counts = Standing(request.results, suite.name).count(cells, seeds)
    if counts["failed"]:
        runs = "run" if counts["failed"] == 1 else "runs"
        print(f"bench: {counts['failed']} {runs} failed; --retry-failed trains again", file=sys.stderr)
    return SOME_FAILED if counts["done"] < chosen.n_runs else DONE


def show_leaderboard(results: Path, out: Path, suite: str | None = None, budget: str | None = None) -> None:
    """Write the tables, print them and the paths of their files.

    Raises:
        RecordError: no or corrupt records, or a folder that cannot be written.
    """
    from rich.console import Console

    from ...leaderboard import leaderboards, terminal_table, write_leaderboards

    command = f"bench leaderboard --results {results} --out {out}"
    command += f" --suite {suite}" if suite else ""
    command += f" --budget {budget}" if budget else ""
    boards = leaderboards(results, suite, budget)
    paths = write_leaderboards(boards, out, command)
    console = Console()
    for board in boards:
        console.print(terminal_table(board))
    for path in paths:
        print(path)


def check_device(device: str) -> None:
    """Refuse a device that torch cannot use.

    Raises:
        SuiteError: it says so in one line.
    """
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise SuiteError(f"cannot use --device {device}: {reason}; cpu always works") from error


def _done_of(cells: Sequence[Cell], seeds: Sequence[int], results: Path) -> str:
    done = Standing(results, cells[0].suite).count(cells, seeds)["done"]
    return f"{done} of {len(cells) * len(seeds)} runs are done"


def _train(
    stacks: Sequence[Stack], request: Request, train: Train | None, done: Callable[[], str]
) -> int | None:
    """Train on the engine asked for; an exit status if the sweep has not come to its end."""
    from rich.console import Console

    from ..engines.executors import make_engine, n_slots, parse_options

    options = parse_options(request.engine_options)
    workers = request.workers if request.workers is None else min(request.workers, len(stacks))
    engine, device = make_engine(
        request.engine, workers, options, request.results, request.device, request.per_gpu
    )
    console = Console()
    if console.is_terminal:
        from .live_progress import LiveProgress

        progress: Progress = LiveProgress(stacks, console)
    else:
        progress = PlainProgress(stacks)
    if train is None:
        from ..training.train import train as ours

        train = partial(ours, checkpoint_minutes=request.checkpoint_minutes)
    sweep = Sweep(request.results, engine, n_slots(engine, workers), progress, train, device)
    try:
        with pausing(), progress:
            sweep.run(stacks)
    except (Pause, KeyboardInterrupt):
        print(f"bench: interrupted; {done()}, the same command does the rest", file=sys.stderr)
        return INTERRUPTED
    for line in sweep.refusals:
        print(f"bench: {line}", file=sys.stderr)
    return None


@contextmanager
def pausing() -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM (of a scheduler) be a `Pause`, and the second one KeyboardInterrupt."""
    n_asked = 0

    def ask(*_: object) -> NoReturn:
        nonlocal n_asked
        n_asked += 1
        if n_asked > 1:
            raise KeyboardInterrupt
        print("bench: stopping at a checkpoint; Ctrl-C again stops at once", file=sys.stderr, flush=True)
        raise Pause

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
