"""What `bench run` does: resolve the suite, train what is missing, make the leaderboard."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from .. import agents, envs
from .cell import Cell
from .choices import parse_names, parse_seeds, parse_set
from .errors import SuiteError
from .progress import LiveProgress, PlainProgress, Progress, span
from .suite_file import read_suite
from .sweep import Stack, Train, check_results_folder, count_statuses, plan, sweep

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
        retry_failed: whether failed runs are trained again.
        dry_run: only show the plan.
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
    retry_failed: bool = False
    dry_run: bool = False


def run_suite(request: Request, train: Train | None = None) -> int:
    """Train what is missing and show the leaderboard.

    Args:
        request: what to do.
        train: the training job; `benchmarks.train.train` if None.

    Returns:
        Exit status: 0, 1 if a run failed, 130 after Ctrl-C.

    Raises:
        ValueError: a choice that makes no sense, or a results folder that cannot be used.
    """
    suite = read_suite(request.suite)
    names = parse_names(request.agents) or list(suite.agents)
    tasks = parse_names(request.tasks) or [task.id for task in suite.tasks]
    seeds = suite.seeds if request.seeds is None else parse_seeds(request.seeds)
    suite = suite.with_overrides(parse_set(text, names, tasks) for text in request.settings)
    cells = suite.cells(request.budget, tasks, names)
    stacks = plan(cells, seeds, request.results, request.stack, request.retry_failed)
    print(_summary(cells, seeds, request.results, stacks))
    for line in _left_out(cells, tasks, names):
        print(line)
    if request.dry_run:
        print(describe_plan(cells, seeds, request.results, stacks))
        return DONE
    for task in {cell.task for cell in cells}:
        envs.require(task)
    check_results_folder(request.results)
    check_device(request.device)
    if stacks:
        try:
            _train(stacks, request, train)
        except KeyboardInterrupt:
            done = count_statuses(cells, seeds, request.results)["done"]
            total = len(cells) * len(seeds)
            print(
                f"bench: interrupted; {done} of {total} runs are done, the same command does the rest",
                file=sys.stderr,
            )
            return INTERRUPTED
    out = request.results / suite.name / "leaderboard" / cells[0].budget
    show_leaderboard(request.results, out, suite.name, cells[0].budget)
    n_failed = count_statuses(cells, seeds, request.results)["failed"]
    if n_failed:
        runs = "run" if n_failed == 1 else "runs"
        print(f"bench: {n_failed} {runs} failed; --retry-failed trains again", file=sys.stderr)
    return SOME_FAILED if n_failed else DONE


def show_leaderboard(results: Path, out: Path, suite: str | None = None, budget: str | None = None) -> None:
    """Write the tables, print them and the paths of their files.

    Raises:
        RecordError: no or corrupt records, or a folder that cannot be written.
    """
    from rich.console import Console

    from ..leaderboard import leaderboards, terminal_table, write_leaderboards

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


def describe_plan(cells: Sequence[Cell], seeds: Sequence[int], results: Path, stacks: Sequence[Stack]) -> str:
    """One line a cell: its size, the stacks that are to be trained, and how its runs stand."""
    lines = []
    for cell in cells:
        todo = [span(stack.seeds) for stack in stacks if stack.cell == cell]
        statuses = count_statuses([cell], seeds, results)
        stand = ", ".join(f"{statuses[s]} {s}" for s in ("done", "failed", "running") if statuses[s])
        lines.append(
            f"{cell.task:30} {cell.agent_label + '-' + cell.settings_hash:24} {cell.steps:>9,} steps  "
            f"{'; '.join(todo) or 'nothing to do'}{f'  ({stand})' if stand else ''}"
            f"{'  ' + cell.title if cell.variant else ''}"
        )
    return "\n".join(lines)


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


def _summary(cells: Sequence[Cell], seeds: Sequence[int], results: Path, stacks: Sequence[Stack]) -> str:
    statuses = count_statuses(cells, seeds, results)
    todo = sum(len(stack.seeds) for stack in stacks)
    failed = f", {statuses['failed']} failed" if statuses["failed"] else ""
    return (
        f"{cells[0].suite}, budget {cells[0].budget}: {len(cells)} cells, {len(cells) * len(seeds)} runs, "
        f"{statuses['done']} done{failed}; {todo} to train in {len(stacks)} stacks"
    )


def _left_out(cells: Sequence[Cell], tasks: Sequence[str], names: Sequence[str]) -> list[str]:
    """A line an agent about the tasks that it cannot play."""
    there = {(cell.task, cell.agent) for cell in cells}
    lines = []
    for name in dict.fromkeys(names):
        missing = [task for task in dict.fromkeys(tasks) if (task, name) not in there]
        if missing:
            kinds = " or ".join(agents.load(name).action_kinds)
            lines.append(f"left out: {name} plays {kinds} actions, so not {', '.join(missing)}")
    return lines


def _train(stacks: Sequence[Stack], request: Request, train: Train | None) -> None:
    import loky
    from rich.console import Console

    from .engines import LocalEngine

    n_workers = min(request.workers or loky.cpu_count(), len(stacks))
    console = Console()
    progress: Progress = LiveProgress(stacks, console) if console.is_terminal else PlainProgress(stacks)
    with _termination_as_interrupt(), progress:
        sweep(stacks, request.results, LocalEngine(n_workers), n_workers, progress, train, request.device)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, which schedulers send, stop a sweep as tidily as Ctrl-C."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
