"""Training jobs and agents for the tests of the sweep; workers import this file by name."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from coordbench.analysis.records import RunFolder
from coordbench.benchmarks.suites.cell import Cell
from coordbench.benchmarks.suites.stack import folder_of
from coordbench.benchmarks.suites.suite_file import parse_suite

TINY = """
name = "tiny"
version = 1
description = "for tests"
seeds = "0-1"
agents = ["maddpg", "vm3ac"]
num_envs = 4
default_budget = "short"

[[tasks]]
id = "predator_prey_2-v1"
evaluation_settings = { start_jitter = 0.02 }

[budgets.short]
steps = 240
evaluation = { every = 120, episodes = 2, score_last = 1 }
preset = "small"
settings = { warm_up = 80, batch_size = 16, hidden = [8, 8] }
"""


def cells(**choice: Any) -> list[Cell]:
    return parse_suite(TINY, "tiny.toml").cells(**choice)


def start(cell: Cell, seed: int, results: Path) -> RunFolder:
    """The record of a run that has been evaluated once."""
    folder = folder_of(cell, seed, results)
    if folder.status != "missing":
        folder.clear()
    folder.start(
        {
            "suite": cell.suite,
            "suite_version": cell.suite_version,
            "budget": cell.budget,
            "task": {
                "id": cell.task,
                "settings": dict(cell.task_settings),
                "evaluation_settings": dict(cell.evaluation_settings),
                "n_agents": 2,
                "horizon": 100,
                "return_unit": "team (shared reward)",
                "metrics": [],
            },
            "agent": {"id": cell.agent, "settings": dict(cell.agent_settings)},
            "seed": seed,
            "steps": cell.steps,
            "num_envs": cell.num_envs,
            "evaluation": {"every": 120, "episodes": 2, "mode": "greedy", "score_last": 1},
            "settings_hash": cell.settings_hash,
            "provenance": {"process": str(os.getpid())},
        }
    )
    append(folder, 120, 10.0 + seed)
    return folder


def append(folder: RunFolder, step: int, value: float, seconds: float = 1.0) -> None:
    folder.append(
        {
            "step": step,
            "updates": step,
            "seconds": seconds,
            "return": [value, value + 2],
            "episode_length": [100, 100],
            "metrics": {},
            "training": {},
        }
    )


def finish(cell: Cell, seed: int, results: Path) -> None:
    start(cell, seed, results).finish(cell.steps, 1, 1.0)


def good(cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
    for seed in seeds:
        finish(cell, seed, results)


def raises(cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
    """Finishes its first seed and breaks down in the second."""
    finish(cell, seeds[0], results)
    start(cell, seeds[1], results)
    raise FloatingPointError("the second seed\nis broken")


def raises_at_once(cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
    raise OSError("no record yet")


def forgets(cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
    for seed in seeds:
        start(cell, seed, results)


def vm3ac_killed_twice(cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
    """Good, but VM3-AC's process dies two times before."""
    tries = results / f"tries-{cell.agent}"
    with tries.open("a") as file:
        file.write("x")
    if cell.agent == "vm3ac" and tries.stat().st_size <= 2:
        os.kill(os.getpid(), signal.SIGKILL)
    good(cell, seeds, results)


def always_killed(cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
    os.kill(os.getpid(), signal.SIGKILL)
