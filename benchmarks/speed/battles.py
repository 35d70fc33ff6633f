"""Steps a second of SMAC-like battles, beside SMAX and SMAClite."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

import click
import numpy as np

from ... import envs
from .chunks import interleaved, shown
from .plan import Plan
from .rival_processes import Rivals

NAMES = {"jaxmarl": "SMAX", "smaclite": "SMAClite"}
"""What a package calls its battles."""


def battles(plan: Plan, rivals: Collection[str] = ()) -> list[dict[str, Any]]:
    """Environment steps a second of all copies, allowed actions at random, and ratios to what there is."""
    click.echo(
        "\nSMAC-like battles, allowed actions at random: steps a second of processor time of all copies,\n"
        "  resets included, choosing actions not (SMAX's compiled scan chooses too, from numbers drawn\n"
        "  before); SMAClite has one copy"
    )
    maps = {task: task.removeprefix("micro_").rpartition("-v")[0] for task in plan.battle_tasks}
    sizes = [(task, copies) for task in maps for copies in plan.battle_copies]
    asked = {
        "jaxmarl": [(maps[task], copies) for task, copies in sizes],
        "smaclite": [(name, 1) for name in maps.values()],
    }
    ours = {(task, copies): battling(task, copies, plan.seconds) for task, copies in sizes}
    with Rivals(rivals, asked, plan.seconds) as others:
        if not others.chunks:
            click.echo("  nothing to compare with: --rivals PYTHON, with JaxMARL or SMAClite")
        rates = interleaved(ours | others.chunks, plan.rounds)
    rows = []
    for task, copies in sizes:
        rate = rates[task, copies]
        row: dict[str, Any] = {"task": task, "num_envs": copies, "steps_per_second": rate}
        beside = ""
        for rival in others.chunks:
            if rival.task == maps[task] and rival.copies in (1, copies):
                ratio = rate["median"] / rates[rival]["median"]
                row[rival.package] = {"steps_per_second": rates[rival], "ratio": ratio}
                beside += (
                    f"  {ratio:,.{1 if ratio < 100 else 0}f} x {NAMES[rival.package.partition('==')[0]]}"
                )
                beside += f" {shown(rates[rival], 0).strip()}"
        rows.append(row)
        click.echo(f"  {task:20}{copies:5}{shown(rate, 0)}{beside}".rstrip())
    return rows


def battling(task: str, copies: int, seconds: float) -> Callable[[], float]:
    """A chunk of steps, `seconds` long; steps a second of all copies."""
    env = envs.make(task, num_envs=copies, seed=0)
    rng = np.random.default_rng(0)
    _, info = env.reset()

    def chunk() -> float:
        nonlocal info
        spent, steps = 0.0, 0
        while steps == 0 or spent < seconds:
            allowed = info["action_mask"]
            actions = np.where(allowed, rng.random(allowed.shape), -1).argmax(-1)
            began = time.process_time()
            _, _, terminated, truncated, info = env.step(actions)
            ended = terminated | truncated
            if ended.any():
                _, info = env.reset(options={"reset_mask": ended})
            spent += time.process_time() - began
            steps += copies
        return steps / spent

    return chunk
