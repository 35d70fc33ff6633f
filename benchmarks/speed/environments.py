"""Environment steps a second, beside packages that have the same tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click
import numpy as np

from ... import envs
from ...envs import TeamEnv
from .chunks import interleaved, shown
from .plan import NAVIGATION, Plan
from .rival_processes import Rivals

PEERS = {
    NAVIGATION: "mpe2 simple_spread",
    "treasure_collection_8-v1": "mpe2 collect_treasure",
    "multiwalker_3-v1": "bare Box2D multiwalker",
}
"""What a task is compared with, one copy at a time, in this process."""
SPREADS = ("vmas", "jaxmarl")
"""Packages with batched navigation, in interpreters of their own."""
MOST_COPIES = {"multiwalker_3-v1": 64, "multiwalker_4-v1": 64}
"""More copies of these only take longer: they step one after the other."""


def environments(plan: Plan, rivals: Collection[str] = ()) -> list[dict[str, Any]]:
    """Environment steps a second of all copies by task and batch size, and of what they are compared with."""
    click.echo(
        "\nEnvironment steps a second of processor time, random actions, resets included; bytes that a copy\n"
        "  keeps from step to step (multi-walker: besides Box2D's own)"
    )
    chunks: dict[tuple[str, int], Callable[[], float]] = {}
    memory = {}
    if not installed("mpe2"):
        click.echo("mpe2 is not installed, so there is nothing to compare with: pip install mpe2")
    for task in plan.env_tasks:
        if task.startswith("multiwalker") and not installed("box2d"):
            click.echo(f"{task} left out: pip install 'coordbench[multiwalker]'")
            continue
        for copies in sorted({min(b, MOST_COPIES.get(task, b)) for b in plan.batch_sizes}):
            env = envs.make(task, num_envs=copies, seed=0)
            chunks[task, copies] = stepping(env, plan.seconds)
            memory[task, copies] = sum(array.nbytes for array in env.snapshot().values()) / copies
        if task in PEERS and (installed("box2d") if task.startswith("multi") else installed("mpe2")):
            chunks[PEERS[task], 1] = stepping_peer(task, plan.seconds)
    asked = [("simple_spread", copies) for copies in plan.batch_sizes if copies > 1]
    with Rivals(rivals, dict.fromkeys(SPREADS, asked), plan.seconds) as others:
        chunks |= {(rival.package, rival.copies): chunk for rival, chunk in others.chunks.items()}
        rates = interleaved(chunks, plan.rounds)
    click.echo(f"  {'task':28}{'copies':>6}{'steps a second [quartiles]':>27}{'bytes':>19}")
    rows = []
    for (task, copies), rate in rates.items():
        row = {"task": task, "num_envs": copies, "steps_per_second": rate}
        beside = ""
        for peer, peer_copies in compared(task, copies, rates):
            ratio = rate["median"] / rates[peer, peer_copies]["median"]
            row[f"ratio_to_{peer}"] = ratio
            beside += f"  {ratio:,.{2 if ratio < 10 else 0}f} x {peer}"
        kept = ""
        if (task, copies) in memory:
            row["state_bytes_per_copy"] = memory[task, copies]
            kept = f"{memory[task, copies]:,.0f}"
        rows.append(row)
        click.echo(f"  {task:28}{copies:6} {shown(rate, 0)} {kept:>9}{beside}".rstrip())
    return rows


def compared(task: str, copies: int, rates: dict[tuple[str, int], Any]) -> list[tuple[str, int]]:
    """What stands beside a task with so many copies."""
    found = [(PEERS[task], 1)] if (PEERS.get(task), 1) in rates else []
    if task == NAVIGATION:
        found += [(name, b) for name, b in rates if b == copies > 1 and name.startswith(SPREADS)]
    return found


def stepping(env: TeamEnv, seconds: float) -> Callable[[], float]:
    """A chunk of whole episodes, `seconds` long; steps a second of all copies."""
    copies = env.num_envs
    shape = (8, copies, env.team.n_agents, env.team.action_size)
    actions = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    env.reset()

    def chunk() -> float:
        began, steps = time.process_time(), 0
        while steps == 0 or time.process_time() - began < seconds:
            for step in range(25):
                _, _, terminated, truncated, _ = env.step(actions[step % 8])
                ended = terminated | truncated
                if ended.any():
                    env.reset(options={"reset_mask": ended})
            steps += 25 * copies
        return steps / (time.process_time() - began)

    return chunk


def stepping_peer(task: str, seconds: float) -> Callable[[], float]:
    """The same of the package that `PEERS` names, one copy, continuous actions."""
    if task == NAVIGATION:
        from mpe2 import simple_spread_v3

        env = simple_spread_v3.parallel_env(N=3, max_cycles=25, continuous_actions=True)
    elif task.startswith("treasure"):
        from mpe2 import collect_treasure_v1

        env = collect_treasure_v1.parallel_env(max_cycles=100, continuous_actions=True)
    else:
        return stepping_box2d(seconds)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = [{name: rng.uniform(0, 1, 5).astype(np.float32) for name in env.agents} for _ in range(8)]

    def chunk() -> float:
        began, steps = time.process_time(), 0
        while steps == 0 or time.process_time() - began < seconds:
            for step in range(25):
                env.step(actions[step % 8])
                if not env.agents:
                    env.reset()
            steps += 25
        return steps / (time.process_time() - began)

    return chunk


def stepping_box2d(seconds: float) -> Callable[[], float]:
    """PettingZoo's multiwalker without any of its wrappers, three walkers, resets included."""
    from pettingzoo.sisl.multiwalker.multiwalker_base import MultiWalkerEnv

    env = MultiWalkerEnv(n_walkers=3)
    env.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (8, 3, 4)).astype(np.float32)

    def chunk() -> float:
        began, steps = time.process_time(), 0
        while steps == 0 or time.process_time() - began < seconds:
            for step in range(25):
                for walker in range(3):
                    env.step(actions[step % 8, walker], walker, walker == 2)
                if any(env.last_dones):
                    env.reset()
            steps += 25
        return steps / (time.process_time() - began)

    return chunk


def installed(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
