"""What a sweep will do: the stacks that are left to train, and how to say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ... import agents
from ..suites.cell import Cell
from ..suites.stack import Stack, cell_folder, span
from ..training.checkpoint import find_checkpoints
from .standing import Standing


def plan(
    cells: Iterable[Cell],
    seeds: Sequence[int],
    results: Path,
    stack_size: int = 4,
    retry_failed: bool = False,
    standing: Standing | None = None,
) -> list[Stack]:
    """The stacks that are left to train, longest first.

    Runs that are done are skipped, failed ones too unless `retry_failed`. Runs with a checkpoint keep the
    stack that it holds, whatever `stack_size` is and whoever else is in it. The rest of a cell is dealt into
    as few stacks as possible, of sizes that differ by one at most.

    Args:
        cells: of the sweep.
        seeds: of every cell.
        results: the results folder; it need not exist.
        stack_size: most runs in a stack.
        retry_failed: whether failed runs are trained again.
        standing: of the results folder, if it has been looked at already.
    """
    skipped = {"done"} if retry_failed else {"done", "failed"}
    stacks: list[Stack] = []
    look_up: dict[str, Standing] = {}
    for cell in cells:
        now = standing or look_up.setdefault(cell.suite, Standing(results, cell.suite))
        there = now.statuses(cell)
        left = [seed for seed in seeds if there.get(seed, "missing") not in skipped] if there else list(seeds)
        if there and left:
            for kept in find_checkpoints(cell_folder(cell, results)):
                if set(kept) & set(left):
                    stacks.append(Stack(cell, kept))
                    left = [seed for seed in left if seed not in kept]
        n_stacks = -(-len(left) // stack_size)
        start = 0
        for number in range(n_stacks):
            size = len(left) // n_stacks + (number < len(left) % n_stacks)
            stacks.append(Stack(cell, tuple(left[start : start + size])))
            start += size
    return sorted(stacks, key=lambda stack: stack.cost, reverse=True)


def summary(cells: Sequence[Cell], seeds: Sequence[int], standing: Standing, stacks: Sequence[Stack]) -> str:
    """One line: how much of the sweep is done, and what is left."""
    statuses = standing.count(cells, seeds)
    todo = sum(len(stack.seeds) for stack in stacks)
    failed = f", {statuses['failed']} failed" if statuses["failed"] else ""
    return (
        f"{cells[0].suite}, budget {cells[0].budget}: {len(cells)} cells, {len(cells) * len(seeds)} runs, "
        f"{statuses['done']} done{failed}; {todo} to train in {len(stacks)} stacks"
    )


def describe_plan(
    cells: Sequence[Cell], seeds: Sequence[int], standing: Standing, stacks: Sequence[Stack]
) -> str:
    """One line a cell: its size, the stacks that are to be trained, and how its runs stand."""
    todo: dict[str, list[str]] = {}
    for stack in stacks:
        todo.setdefault(stack.cell.place, []).append(span(stack.seeds))
    lines = []
    for cell in cells:
        statuses = standing.count([cell], seeds)
        stand = ", ".join(f"{statuses[s]} {s}" for s in ("done", "failed", "running") if statuses[s])
        lines.append(
            f"{cell.task:30} {cell.agent_label + '-' + cell.settings_hash:24} {cell.steps:>9,} steps  "
            f"{'; '.join(todo.get(cell.place, ())) or 'nothing to do'}{f'  ({stand})' if stand else ''}"
            f"{'  ' + cell.title if cell.variant else ''}"
        )
    return "\n".join(lines)


def left_out(cells: Sequence[Cell], tasks: Sequence[str], names: Sequence[str]) -> list[str]:
    """A line an agent about the tasks that it cannot play."""
    there = {(cell.task, cell.agent) for cell in cells}
    lines = []
    for name in dict.fromkeys(names):
        missing = [task for task in dict.fromkeys(tasks) if (task, name) not in there]
        if missing:
            kinds = " or ".join(agents.load(name).action_kinds)
            lines.append(f"left out: {name} plays {kinds} actions, so not {', '.join(missing)}")
    return lines
