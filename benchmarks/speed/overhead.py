"""What a sweep adds to training: checkpoints, records, leases and progress, each timed within a real job."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from ...analysis.records import RunFolder
from ..suites.stack import Stack
from ..suites.suite_file import read_suite
from ..sweeps import work as job
from ..sweeps.lease import Lease
from ..sweeps.progress import PlainProgress
from ..sweeps.sweep import Sweep
from ..training.checkpoint import CHECKPOINT_MINUTES, Checkpoints
from ..training.train import train
from .plan import NAVIGATION, Plan

AGENT = "ma_sac"
CHECKPOINT_SECONDS = 5.0
"""Between checkpoints of the job that is timed: a short one would write none at the usual distance."""
POLLS = 50
_PARTS = ("records", "leases", "progress")


def overhead(plan: Plan) -> dict[str, Any]:
    """Shares of a job's wall time at the coordination suite's quick budget; prints them."""
    cell = read_suite("coordination").cells("quick", [NAVIGATION], [AGENT])[0]
    cell = replace(cell, steps=plan.overhead_steps)
    stack = Stack(cell, tuple(range(plan.seeds)))
    spent, calls = defaultdict[str, float](float), Counter[str]()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
        for part, owner, name in (
            ("checkpoints", Checkpoints, "write"),
            ("records", RunFolder, "append"),
            ("leases", Lease, "beat"),
            ("leases", job, "claim_all"),
            ("leases", job, "release_all"),
        ):
            patches.enter_context(_timed(spent, calls, part, owner, name))
        began = time.perf_counter()
        order = job.Order("overhead", host=platform.node(), pid=os.getpid())
        often = partial(train, checkpoint_minutes=CHECKPOINT_SECONDS / 60)
        ending = job.work(often, stack, Path(folder), "cpu", order)
        seconds = time.perf_counter() - began - spent["checkpoints"]
        assert ending.kind == "settled", ending
        spent["progress"] = _seconds_of_a_poll(stack, Path(folder)) * seconds / Sweep.poll_seconds
    one = spent["checkpoints"] / max(calls["checkpoints"], 1)
    shares = {"checkpoints": one / (60 * CHECKPOINT_MINUTES)}
    shares |= {part: spent[part] / seconds for part in _PARTS}
    click.echo(
        f"\nWhat a sweep adds to a job of {NAVIGATION}, {AGENT}, quick budget: {plan.seeds} seeds, "
        f"{plan.overhead_steps:,} steps each in {seconds:.0f} s\n"
        f"  checkpoints {shares['checkpoints']:.2%} (one in {CHECKPOINT_MINUTES:.0f} minutes, "
        f"{one:.2f} s each; {calls['checkpoints']} timed), "
        + ", ".join(f"{part} {shares[part]:.2%}" for part in _PARTS)
    )
    return {"seconds": seconds, "seconds_of_a_checkpoint": one, "shares": shares}


def _seconds_of_a_poll(stack: Stack, results: Path) -> float:
    progress = PlainProgress([stack])
    progress.start(stack, list(stack.folders(results).values()))
    began = time.perf_counter()
    for _ in range(POLLS):
        progress.poll()
    return (time.perf_counter() - began) / POLLS


@contextmanager
def _timed(
    spent: defaultdict[str, float], calls: Counter[str], part: str, owner: Any, name: str
) -> Iterator[None]:
    """Count the seconds in a function of a class or module, as long as the `with` block runs."""
    inner = getattr(owner, name)

    def outer(*args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return inner(*args, **options)
        finally:
            spent[part] += time.perf_counter() - began
            calls[part] += 1

    setattr(owner, name, outer)
    try:
        yield
    finally:
        setattr(owner, name, inner)
