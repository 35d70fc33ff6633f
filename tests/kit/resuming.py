"""Tiny trainings that are stopped and go on, and what came of them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Collection
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from coordbench import agents, envs
from coordbench.analysis import records as records_module
from coordbench.analysis.files import append_line
from coordbench.benchmarks.suites.cell import Cell, Evaluation
from coordbench.benchmarks.training import checkpoint
from coordbench.benchmarks.training.state_tree import Encoder
from coordbench.benchmarks.training.stopping import request_stop
from coordbench.benchmarks.training.train import Training, train

SEEDS = (3, 0)
TINY: dict[str, Any] = {
    "hidden": (8, 8),
    "batch_size": 8,
    "buffer_size": 64,
    "warm_up": 24,
    "updates_per_step": 0.25,
}


def tiny_cell(
    agent: str, task: str, settings: dict[str, Any] | None = None, steps: int = 120, every: int = 44
) -> Cell:
    """A short training with everything in it: warm-up, updates, a full memory, ends of episodes."""
    config = agents.load(agent).config_class
    defaults = {one.name: one.default for one in fields(config)}
    small = {"hidden": 8} if isinstance(defaults.get("hidden"), int) else {}
    wanted = {**TINY, **small, **(settings or {})}
    built = config.build("small", {name: value for name, value in wanted.items() if name in defaults})
    spec = envs.spec(task)
    short = {"horizon": 13} if "horizon" in spec.settings and spec.horizon > 13 else {}
    return Cell(
        suite="resuming",
        suite_version=1,
        budget="test",
        task=task,
        task_settings=short,
        evaluation_settings={},
        agent=agent,
        agent_settings=asdict(built),
        steps=steps,
        num_envs=4,
        evaluation=Evaluation(every=every, episodes=2, score_last=1),
    )


def train_stopping(
    monkeypatch: pytest.MonkeyPatch, cell: Cell, results: Path, stops: Collection[int] = ()
) -> tuple[Any, str]:
    """Train a cell to its end, asked to stop after so many steps of its loop; records and final state."""
    played, last = 0, ""
    advance, finish = Training.advance, Training.finish

    def advance_and_stop(self: Training) -> None:
        nonlocal played
        advance(self)
        played += 1
        if played in stops:
            request_stop()

    def look_and_finish(self: Training) -> None:
        nonlocal last
        state = {name: part for name, part in self.state_dict().items() if name != "records"}
        last = digest(state)
        finish(self)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "advance", advance_and_stop)
        patch.setattr(Training, "finish", look_and_finish)
        outcomes = [train(cell, SEEDS, results)]
        while outcomes[-1] == "stopped":
            outcomes.append(train(cell, SEEDS, results))
    assert outcomes == ["stopped"] * len(stops) + ["finished"]
    assert played == cell.steps // cell.num_envs, "no step is played twice"
    return records(results), last


def digest(state: Any) -> str:
    """Hash of a state: structure, numbers and bytes."""
    encoder, hashed = Encoder(state), hashlib.sha256()
    for part in encoder.parts():
        hashed.update(part)
    hashed.update(json.dumps(encoder.tree).encode())
    return hashed.hexdigest()


def records(results: Path) -> dict[str, Any]:
    """All files of all runs but for what tells of time and machine."""
    found: dict[str, Any] = {}
    for path in sorted(results.rglob("seed_*/*")):
        name = str(path.relative_to(results))
        if path.suffix == ".jsonl":
            found[name] = [untimed(json.loads(line)) for line in path.read_text().splitlines()]
        elif path.suffix == ".json":
            found[name] = untimed(json.loads(path.read_text()))
        else:
            found[name] = path.read_bytes()
    return found


def untimed(content: dict[str, Any]) -> dict[str, Any]:
    """A record without times and what depends on the sittings of a training."""
    return {key: part for key, part in content.items() if key not in ("seconds", "resumed_at", "provenance")}


def train_until_killed(cell: Cell, results: Path, begun: Any, die: str = "", calls: int = 1) -> None:
    """What a process does that is to be killed: a checkpoint as often as can be, and a word when it begins.

    Args:
        cell: what is trained.
        results: the results folder.
        begun: an event.
        die: kills itself inside "fsync", "replace" or "append"; "": does not.
        calls: in which call of it.
    """
    left = calls

    def is_time() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    def killing(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            if is_time():
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return call

    def append_half(path: Path, line: str) -> None:
        if is_time():
            with path.open("a") as file:
                file.write(line[: len(line) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        append_line(path, line)

    if die in ("fsync", "replace"):
        setattr(os, die, killing(getattr(os, die)))
    elif die == "append":
        records_module.append_line = append_half
    checkpoint.PAUSES = 0 if die else 3
    begun.set()
    train(cell, SEEDS, results, checkpoint_minutes=1e-9)
