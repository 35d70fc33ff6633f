"""Killed without warning, whenever: the next call goes on from the last checkpoint, and nothing shows."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import resuming
from coordbench.benchmarks.suites.cell import Cell
from coordbench.benchmarks.training.train import train
from resuming import SEEDS, records, tiny_cell, train_stopping, train_until_killed

KILLED = -9


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["resuming_warm"])
    with pytest.MonkeyPatch.context() as patch:
        # The server of Python 3.11 does not get sys.path, and says nothing if it cannot import what it shall.
        patch.setenv("PYTHONPATH", str(Path(resuming.__file__).parent), prepend=os.pathsep)
        yield context


@pytest.fixture(scope="module")
def cell() -> Cell:
    return tiny_cell("ma_sac", "predator_prey_2-v1", steps=400, every=92)


@pytest.fixture(scope="module")
def whole(cell: Cell, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        return train_stopping(patch, cell, tmp_path_factory.mktemp("whole"))[0]


def play(
    processes: Any, cell: Cell, results: Path, seconds: float | None, die: str = "", calls: int = 1
) -> int:
    """Train in a process, for so long if it is to be killed; its exit status."""
    begun = processes.Event()
    process = processes.Process(target=train_until_killed, args=(cell, results, begun, die, calls))
    process.start()
    assert begun.wait(60)
    process.join(seconds)
    process.kill()
    process.join()
    check_records(cell, results)
    return process.exitcode


def check_records(cell: Cell, results: Path) -> None:
    """No evaluation stands there twice or is left out, at any moment."""
    every = cell.evaluation.every
    for path in results.rglob("evaluations.jsonl"):
        lines = path.read_text().split("\n")[:-1]
        steps = [json.loads(line)["step"] for line in lines]
        due = [*range(0, cell.steps, every), cell.steps]
        assert steps == due[: len(steps)]


def killed_at_random(processes: Any, cell: Cell, results: Path, n_kills: int) -> None:
    """Kill so many times, at moments spread over the whole training, and let it end then."""
    moments, n_killed = random.Random(1), 0
    for _ in range(200):
        wanted = n_killed < n_kills
        status = play(processes, cell, results, moments.uniform(0, 2.0) if wanted else None)
        n_killed += status == KILLED
        if status == 0 and not wanted:
            return
        if status == 0:  # it was quicker: begin again, to be killed at other moments
            for path in results.rglob("done.json"):
                path.unlink()
    raise AssertionError(f"killed {n_killed} times, and no end")


def test_killed_at_random_moments(processes, cell, whole, tmp_path):
    killed_at_random(processes, cell, tmp_path, 3)
    assert records(tmp_path) == whole


@pytest.mark.slow
def test_killed_at_thirty_random_moments(processes, cell, whole, tmp_path):
    killed_at_random(processes, cell, tmp_path, 30)
    assert records(tmp_path) == whole


def test_killed_inside_writes(processes, cell, whole, tmp_path, capfd):
    """In the middle of a record, of a checkpoint's chunks, and before and after they are in place."""
    for die, calls in (("append", 3), ("fsync", 12), ("replace", 5), ("append", 2), ("fsync", 31)):
        assert play(processes, cell, tmp_path, None, die, calls) == KILLED
    capfd.readouterr()
    assert train(cell, SEEDS, tmp_path) == "finished"
    assert "checkpoint" not in capfd.readouterr().err, "nothing is damaged"
    assert records(tmp_path) == whole
