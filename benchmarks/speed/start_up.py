"""How long a user waits for `bench` to answer and for an environment's first step, in fresh processes.

Seconds on the clock. A first step is one copy's `make`, `reset` and `step`, what it imports not counted; in a
process that finds no compiled kernels it is above all Numba's compiling, which is done once a version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import click
import numpy as np

from ... import envs
from ...envs.registry import task_class
from .plan import Plan

LISTING = ("-m", "coordbench.benchmarks", "list", "tasks")
"""What `bench list tasks` runs."""


def startup(plan: Plan) -> dict[str, Any]:
    """Seconds of `bench list tasks`, and to the first step of a task of each particle family."""
    click.echo(
        f"\nSeconds on the clock of fresh processes, medians of {plan.starts}; "
        "kernels are compiled once and then found in the cache"
    )
    listing = float(np.median([_seconds(LISTING) for _ in range(plan.starts)]))
    click.echo(f"  {'bench list tasks':28}{listing:10.2f}\n")
    click.echo(f"  {'first step of one copy':28}{'import':>10}{'compiling':>13}{'from cache':>13}")
    rows = []
    for task in plan.start_tasks:
        row = first_steps(task, plan.starts)
        rows.append({"task": task} | row)
        click.echo(
            f"  {task:28}{row['import_seconds']:10.2f}"
            f"{row['compiling_seconds']:13.2f}{row['cached_seconds']:13.3f}"
        )
    return {"list_tasks_seconds": listing, "first_step": rows}


def first_steps(task: str, starts: int) -> dict[str, float]:
    """Seconds of the import, and to the first step with an empty and with a filled Numba cache.

    Args:
        task: id.
        starts: processes with a filled cache, of which medians are taken; one more comes first and fills it.
    """
    command = ("-c", f"from {__name__} import first_step; first_step({task!r})")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        first, *later = (json.loads(_answer(command, environment)) for _ in range(starts + 1))
    return {
        "import_seconds": float(np.median([found["import"] for found in later])),
        "compiling_seconds": first["step"],
        "cached_seconds": float(np.median([found["step"] for found in later])),
    }


def first_step(task: str) -> None:
    """Print this process's seconds of importing the task, and from there to its first step, as JSON."""
    began = time.perf_counter()
    task_class(task)
    imported = time.perf_counter()
    env = envs.make(task, seed=0)
    env.reset()
    env.step(np.zeros((1, env.team.n_agents, env.team.action_size)))
    print(json.dumps({"import": imported - began, "step": time.perf_counter() - imported}))


def _seconds(command: tuple[str, ...]) -> float:
    began = time.perf_counter()
    _answer(command)
    return time.perf_counter() - began


def _answer(command: tuple[str, ...], environment: Mapping[str, str] | None = None) -> str:
    run = [sys.executable, *command]
    try:
        return subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout  # noqa: S603
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"{' '.join(run)} gave up: {last}") from error
