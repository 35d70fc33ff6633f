"""Sweeps that share a folder, die, crash, are interrupted; what is left is always right."""

from __future__ import annotations

import errno
import faulthandler
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_training as fake
import pytest
from coordbench.analysis.records import RecordError, read_runs
from coordbench.benchmarks.engines.executors import LocalEngine
from coordbench.benchmarks.suites.cell import Cell
from coordbench.benchmarks.suites.stack import Stack, cell_folder, folder_of
from coordbench.benchmarks.sweeps.crashes import MAX_TRIES, count_crash, crashes
from coordbench.benchmarks.sweeps.holder import Holder
from coordbench.benchmarks.sweeps.lease import Watch, claim, look
from coordbench.benchmarks.sweeps.plan import plan
from coordbench.benchmarks.sweeps.progress import PlainProgress
from coordbench.benchmarks.sweeps.run import pausing
from coordbench.benchmarks.sweeps.sweep import Pause, Sweep
from coordbench.benchmarks.training.checkpoint import CheckpointError
from test_sweep import InlineEngine, nothing


def make(stacks: list[Stack], results: Path, train: Any, **settings: Any) -> Sweep:
    settings = {"engine": InlineEngine(), "n_workers": 1, "poll_seconds": 0.02} | settings
    return Sweep(results=results, progress=PlainProgress(stacks), train=train, **settings)


def hold(cell: Cell, seed: int, results: Path) -> Path:
    """A lease of a process on another machine that gives no sign of life."""
    holder = replace(Holder.this_process("s"), host="snail", pid=77)
    lease = claim(folder_of(cell, seed, results).path, holder)
    assert lease is not None
    return lease.path


@pytest.fixture
def many() -> list[Cell]:
    (cell, _) = fake.cells()
    return [replace(cell, steps=240 + number) for number in range(12)]


def test_two_sweeps_share_the_work(tmp_path: Path, many: list[Cell]) -> None:
    trained: Counter[tuple[str, int, str]] = Counter()

    def train(cell: Cell, seeds: tuple[int, ...], results: Path, device: str) -> None:
        time.sleep(0.03)
        trained.update((cell.place, seed, threading.current_thread().name) for seed in seeds)
        fake.good(cell, seeds, results)

    def run() -> None:
        stacks = plan(many, range(2), tmp_path)
        make(stacks, tmp_path, train).run(stacks)

    sweeps = [threading.Thread(target=run, name=name) for name in "ab"]
    for sweep in sweeps:
        sweep.start()
    for sweep in sweeps:
        sweep.join()
    assert len({run[:2] for run in trained}) == 24
    assert trained.total() == 24
    assert {run[2] for run in trained} == {"a", "b"}
    assert Counter(run.status for run in read_runs(tmp_path)) == {"done": 24}
    assert not list(tmp_path.glob("*/*/*/*/lease.*"))


def test_a_sweep_waits_for_a_living_one_and_takes_over_from_a_dead_one(tmp_path: Path, capsys) -> None:
    cell, other = fake.cells()
    stacks = plan([cell, other], [0], tmp_path)
    lease = hold(cell, 0, tmp_path)
    now = [0.0]
    beats = iter(range(1, 4))

    def clock() -> float:
        """Half a patience passes between two looks; the holder lives through three of them."""
        if (beat := next(beats, None)) is not None:
            os.utime(lease, (beat, beat))
        now[0] += 5
        return now[0]

    make(stacks, tmp_path, fake.good, watch=Watch(10, clock)).run(stacks)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "maddpg on predator_prey_2-v1, seed 0: trained on snail, process 77; waiting for it"
    assert lines[1].startswith("[1/2] vm3ac")
    assert lines[2].startswith("[2/2] maddpg")
    assert next(beats, None) is None


def test_what_another_sweep_finishes_is_not_trained_again(tmp_path: Path) -> None:
    cell, other = fake.cells()
    stacks = plan([cell, other], [0], tmp_path)
    lease = hold(cell, 0, tmp_path)
    trained: list[str] = []

    def train(cell_: Cell, seeds: tuple[int, ...], results: Path, device: str) -> None:
        trained.append(cell_.agent)
        fake.good(cell_, seeds, results)
        fake.finish(cell, 0, results)
        lease.unlink()

    make(stacks, tmp_path, train).run(stacks)
    assert trained == [other.agent]
    assert Counter(run.status for run in read_runs(tmp_path)) == {"done": 2}


def test_a_stack_of_which_others_hold_a_part_is_split(tmp_path: Path) -> None:
    (cell, _) = fake.cells()
    stacks = plan([cell], range(3), tmp_path)
    hold(cell, 1, tmp_path)
    sweep = make(stacks, tmp_path, fake.good, watch=Watch(0.5))
    sweep.run(stacks)
    assert isinstance(sweep.engine, InlineEngine)
    assert sweep.engine.jobs == [(0, 2), (1,)]


def test_a_stack_that_is_just_being_taken_is_not_split(tmp_path: Path, monkeypatch) -> None:
    (cell, _) = fake.cells()
    (stack,) = stacks = plan([cell], range(3), tmp_path)
    leases = [hold(cell, 0, tmp_path)]
    asleep = time.sleep

    def others_go_on(seconds: float) -> None:
        """They take the rest while this sweep waits for its second look."""
        leases.extend(hold(cell, seed, tmp_path) for seed in (1, 2) if len(leases) < 3)
        asleep(seconds)

    monkeypatch.setattr(time, "sleep", others_go_on)
    sweep = make(stacks, tmp_path, fake.good, watch=Watch(0.5))
    sweep.run(stacks)
    assert len(leases) == 3
    assert isinstance(sweep.engine, InlineEngine)
    assert sweep.engine.jobs == [stack.seeds]


def test_runs_keep_the_stack_of_their_checkpoint(tmp_path: Path) -> None:
    cell, other = fake.cells()
    for seed in range(6):
        fake.start(cell, seed, tmp_path)
    folder_of(cell, 5, tmp_path).finish(240, 1, 1.0)
    for name in ("checkpoint_0,2", "checkpoint_4-5"):
        (cell_folder(cell, tmp_path) / name).mkdir()
        (cell_folder(cell, tmp_path) / name / "generation_1.json").write_text("{}")
    stacks = plan([cell, other], range(6), tmp_path)
    assert sorted(stack.seeds for stack in stacks if stack.cell == cell) == [(0, 2), (1, 3), (4, 5)]
    assert sorted(stack.seeds for stack in stacks if stack.cell == other) == [(0, 1, 2), (3, 4, 5)]


def test_a_checkpoint_made_meanwhile_decides_the_stack(tmp_path: Path) -> None:
    """Another sweep, with another `--stack`, trains a part first and dies after a checkpoint."""
    (cell, _) = fake.cells()
    stacks = plan([cell], range(5), tmp_path, stack_size=5)
    for seed in (1, 2):
        fake.start(cell, seed, tmp_path)
        hold(cell, seed, tmp_path)
    (cell_folder(cell, tmp_path) / "checkpoint_1-2").mkdir()
    (cell_folder(cell, tmp_path) / "checkpoint_1-2" / "generation_1.json").write_text("{}")
    sweep = make(stacks, tmp_path, fake.good, watch=Watch(0.1))
    sweep.run(stacks)
    assert isinstance(sweep.engine, InlineEngine)
    assert sweep.engine.jobs == [(0, 3, 4), (1, 2)]


def test_crashes_are_counted_across_sweeps(tmp_path: Path) -> None:
    (cell, _) = fake.cells()
    (stack,) = plan([cell], [0], tmp_path)
    folders = stack.folders(tmp_path)
    assert [count_crash(stack, folders, "killed", "") for _ in range(MAX_TRIES - 1)] == [1, 2]
    sweep = make([stack], tmp_path, fake.raises_at_once)
    sweep.run([stack])
    assert isinstance(sweep.engine, InlineEngine)
    assert len(sweep.engine.jobs) == 1
    assert folders[0].status == "failed"
    assert crashes(folders[0])["reasons"] == ["killed", "killed", "OSError: no record yet"]


def test_a_run_that_comes_further_may_crash_again(tmp_path: Path) -> None:
    (cell, _) = fake.cells()
    (stack,) = plan([cell], [0], tmp_path)
    folder = fake.start(cell, 0, tmp_path)
    counts = [count_crash(stack, {0: folder}, "killed", "") for _ in range(2)]
    fake.append(folder, 240, 1.0)
    counts.append(count_crash(stack, {0: folder}, "killed", ""))
    assert counts == [1, 2, 1]
    assert folder.status == "running"


def test_a_full_disk_is_no_fault_of_the_run(tmp_path: Path) -> None:
    cells = fake.cells()
    stacks = plan(cells, [0], tmp_path)

    def train(cell: Cell, seeds: tuple[int, ...], results: Path, device: str) -> None:
        folder = fake.start(cell, 0, results)
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RecordError(f"cannot write {folder.path}: no space; free its disk") from error

    sweep = make(stacks, tmp_path, train)
    with pytest.raises(RecordError, match="no space; free its disk"):
        sweep.run(stacks)
    assert isinstance(sweep.engine, InlineEngine)
    assert len(sweep.engine.jobs) == 1
    folder = folder_of(stacks[0].cell, 0, tmp_path)
    assert folder.status == "running"
    assert crashes(folder)["count"] == 0
    assert look(folder.path) is None


def test_a_checkpoint_that_cannot_be_used_is_reported_and_left(tmp_path: Path, capsys) -> None:
    (cell, other) = fake.cells()
    stacks = plan([cell, other], [0], tmp_path)

    def train(cell_: Cell, seeds: tuple[int, ...], results: Path, device: str) -> None:
        if cell_ == other:
            return fake.good(cell_, seeds, results)
        raise CheckpointError("checkpoint of another version; remove it")

    sweep = make(stacks, tmp_path, train)
    sweep.run(stacks)
    assert sweep.refusals == ["checkpoint of another version; remove it"]
    assert folder_of(cell, 0, tmp_path).status == "missing"
    assert folder_of(other, 0, tmp_path).status == "done"


def test_a_lost_lease_stops_the_job_and_counts_as_no_crash(tmp_path: Path) -> None:
    """Another process takes over in the middle: the worker leaves, and the sweep waits for the other."""
    (cell, _) = fake.cells()
    (stack,) = plan([cell], [0], tmp_path)
    engine = LocalEngine(1, nothing)
    sweep = make([stack], tmp_path, sleeps, engine=engine, watch=Watch(0.5), beat_seconds=0.05)
    other = threading.Thread(target=_take_over, args=(cell, tmp_path))
    other.start()
    sweep.run([stack])
    other.join()
    folder = folder_of(cell, 0, tmp_path)
    assert folder.status == "done"
    assert crashes(folder)["count"] == 0
    log = (cell_folder(cell, tmp_path) / "log_0.txt").read_text()
    assert "another process has taken over these runs; this one leaves" in log


def sleeps(cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
    time.sleep(60)


def _take_over(cell: Cell, results: Path) -> None:
    path = folder_of(cell, 0, results).path
    deadline = time.monotonic() + 60
    while (seen := look(path)) is None or seen.holder is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lease = claim(path, replace(Holder.this_process("s"), host="snail"), {seen.name})
    assert lease is not None
    for _ in range(10):
        time.sleep(0.1)
        lease.beat()
    fake.finish(cell, 0, results)
    lease.release()


def test_output_and_hard_crashes_are_in_the_log(tmp_path: Path) -> None:
    (cell, _) = fake.cells()
    (stack,) = plan([cell], [0], tmp_path)
    make([stack], tmp_path, breaks_hard, engine=LocalEngine(1, nothing)).run([stack])
    (run,) = read_runs(tmp_path)
    assert str(run.failure).startswith("its process was killed (out of memory?): ")
    log = (cell_folder(cell, tmp_path) / "log_0.txt").read_text()
    assert log.count("hello from the job") == MAX_TRIES
    assert "Fatal Python error: Segmentation fault" in log
    assert "in breaks_hard" in log


def breaks_hard(cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
    print("hello from the job", flush=True)
    faulthandler._sigsegv()  # type: ignore[attr-defined]


@pytest.fixture
def asked() -> Iterator[None]:
    with pausing():
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_pauses_and_the_second_interrupts(asked, capsys, number) -> None:
    with pytest.raises(Pause):
        os.kill(os.getpid(), number)
    assert capsys.readouterr().err == "bench: stopping at a checkpoint; Ctrl-C again stops at once\n"
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert capsys.readouterr().err == ""
