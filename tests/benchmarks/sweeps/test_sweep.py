"""The sweep: what is left to do, in which stacks, and what becomes of jobs that break."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_training as fake
import pytest
from coordbench.analysis.records import read_runs
from coordbench.benchmarks.engines.executors import LocalEngine
from coordbench.benchmarks.suites.cell import Cell
from coordbench.benchmarks.suites.stack import Stack, folder_of, span
from coordbench.benchmarks.suites.suite_file import parse_suite, read_suite
from coordbench.benchmarks.sweeps.crashes import MAX_TRIES
from coordbench.benchmarks.sweeps.pace import Pace
from coordbench.benchmarks.sweeps.plan import plan
from coordbench.benchmarks.sweeps.progress import PlainProgress, duration, last_evaluation
from coordbench.benchmarks.sweeps.retry import retry_runs
from coordbench.benchmarks.sweeps.standing import Standing
from coordbench.benchmarks.sweeps.sweep import Sweep


class InlineEngine(Executor):
    """Runs jobs in this process, at once."""

    def __init__(self) -> None:
        self.jobs: list[tuple[int, ...]] = []
        self.shutdowns: list[bool] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs.append(args[1].seeds)
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.shutdowns.append(cancel_futures)


def run(stacks: list[Stack], results: Path, train: Any, engine: Executor | None = None) -> Any:
    used = engine or InlineEngine()
    results.mkdir(exist_ok=True)
    Sweep(results, used, 2, PlainProgress(stacks), train, poll_seconds=0.05).run(stacks)
    return used


def count_statuses(cells: list[Cell], seeds: Iterable[int], results: Path) -> dict[str, int]:
    return dict(Standing(results, "tiny").count(cells, list(seeds)))


def test_seeds_are_dealt_into_even_stacks(tmp_path) -> None:
    (cell, _) = fake.cells()
    for n_seeds, size, expected in ((7, 4, [4, 3]), (5, 4, [3, 2]), (4, 4, [4]), (3, 1, [1, 1, 1])):
        stacks = plan([cell], range(n_seeds), tmp_path, size)
        assert [len(stack.seeds) for stack in stacks] == expected
        assert sorted(seed for stack in stacks for seed in stack.seeds) == list(range(n_seeds))


def test_longest_stacks_come_first(tmp_path) -> None:
    suite = read_suite("coordination")
    stacks = plan(suite.cells("quick"), range(7), tmp_path)
    assert len(stacks) == 96
    assert {stack.cell.task for stack in stacks[:8]} == {"predator_prey_4-v1"}
    assert [stack.cost for stack in stacks] == sorted((stack.cost for stack in stacks), reverse=True)


def test_the_dearest_stacks_come_first_once_agents_are_known(tmp_path) -> None:
    suite = parse_suite(fake.TINY.replace('"0-1"', '"0-5"'), "tiny.toml")
    cheap, dear = suite.cells()
    began: list[tuple[str, int]] = []

    def train(cell: Any, seeds: tuple[int, ...], results: Path, device: str) -> None:
        began.append((cell.agent, seeds[0]))
        if began[-1] == ("maddpg", 1) and began.count(began[-1]) == 1:
            raise ArithmeticError("once")
        for seed in seeds:
            folder = fake.start(cell, seed, results)
            fake.append(folder, 240, 1.0, seconds=9.0 if cell is dear else 2.0)
            folder.finish(240, 3, 1.0)

    stacks = [Stack(cell, (seed,)) for seed in range(3) for cell in (cheap, dear)]
    results = tmp_path / "results"
    results.mkdir()
    Sweep(results, InlineEngine(), 1, PlainProgress(stacks), train, poll_seconds=0.05).run(stacks)
    dear_first = [("maddpg", 0), ("vm3ac", 0), ("vm3ac", 1), ("vm3ac", 2)]
    assert began == [*dear_first, ("maddpg", 1), ("maddpg", 2), ("maddpg", 1)]


def test_what_others_have_trained_teaches_too(tmp_path) -> None:
    cheap, dear = fake.cells()
    pace = Pace()
    assert pace.expected(Stack(cheap, (0,))) == math.inf
    fake.start(cheap, 0, tmp_path).fail("broken", 120)
    pace.learn(Stack(cheap, (0,)), tmp_path)
    assert pace.expected(Stack(cheap, (0,))) == math.inf
    fake.finish(cheap, 1, tmp_path)
    pace.learn(Stack(cheap, (0, 1)), tmp_path)
    took = last_evaluation(folder_of(cheap, 1, tmp_path))["seconds"]
    assert pace.expected(Stack(cheap, (0, 1))) == took
    assert pace.expected(Stack(cheap, (0, 1, 2, 3))) == 2 * took
    assert pace.expected(Stack(dear, (0,))) == math.inf


def test_only_what_is_missing_is_planned(tmp_path) -> None:
    (cell, other) = fake.cells()
    fake.finish(cell, 0, tmp_path)
    fake.start(cell, 1, tmp_path).fail("broken", 120)
    fake.start(cell, 2, tmp_path)
    assert [stack.seeds for stack in plan([cell], range(4), tmp_path)] == [(2, 3)]
    assert [stack.seeds for stack in plan([cell], range(4), tmp_path, retry_failed=True)] == [(1, 2, 3)]
    assert [stack.seeds for stack in plan([other], range(4), tmp_path)] == [(0, 1, 2, 3)]
    assert [stack.seeds for stack in plan([replace(cell, steps=9)], range(4), tmp_path)] == [(0, 1, 2, 3)]
    counts = count_statuses([cell], range(4), tmp_path)
    assert counts == {"done": 1, "failed": 1, "running": 1, "missing": 1}


def test_a_sweep_finishes_everything_and_shuts_down(tmp_path, capsys) -> None:
    cells = fake.cells()
    engine = run(plan(cells, range(3), tmp_path, 2), tmp_path, fake.good)
    assert sorted(engine.jobs) == [(0, 1), (0, 1), (2,), (2,)]
    assert engine.shutdowns == [False]
    assert count_statuses(cells, range(3), tmp_path) == {"done": 6}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("[2/6] maddpg on predator_prey_2-v1, seeds 0-1: return 11.5, ")
    assert plan(cells, range(3), tmp_path) == []


def test_an_error_marks_the_open_runs_and_the_sweep_goes_on(tmp_path, capsys) -> None:
    (first, second) = fake.cells()
    stacks = plan([first, second], range(2), tmp_path)
    engine = InlineEngine()

    def train(cell: Any, *args: Any) -> None:
        (fake.raises if cell == first else fake.good)(cell, *args)

    run(stacks, tmp_path, train, engine)
    assert sorted(engine.jobs) == [(0, 1)] * (1 + MAX_TRIES)
    runs = {(run.agent_id, run.seed): run for run in read_runs(tmp_path)}
    assert runs[first.agent, 0].status == "done"
    assert runs[first.agent, 1].failure == "FloatingPointError: the second seed (step 120)"
    assert {runs[second.agent, seed].status for seed in range(2)} == {"done"}
    record = json.loads((runs[first.agent, 1].path / "failed.json").read_text())
    assert "fake_training.py" in record["traceback"]
    assert "1 of 2 runs failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        (fake.raises_at_once, "OSError: no record yet (step 0)"),
        (fake.forgets, "RuntimeError: the training job ended without finishing its runs (step 120)"),
    ],
)
def test_no_run_ends_without_a_verdict(tmp_path, train, reason) -> None:
    (cell, _) = fake.cells()
    run(plan([cell], range(2), tmp_path), tmp_path, train)
    assert [run.failure for run in read_runs(tmp_path)] == [reason, reason]


def test_a_failed_run_starts_from_nothing_when_it_is_tried_again(tmp_path) -> None:
    (cell, _) = fake.cells()
    fake.append(fake.start(cell, 0, tmp_path), 150, 1.0)
    folder_of(cell, 0, tmp_path).fail("earlier", 150)
    assert [folder.path.name for folder in retry_runs([cell], [0], tmp_path)] == ["seed_0"]
    run(plan([cell], [0], tmp_path), tmp_path, fake.raises_at_once)
    (record,) = read_runs(tmp_path)
    assert record.failure == "OSError: no record yet (step 0)"
    assert record.evaluations == ()


def test_dead_processes_are_tried_again_but_not_for_ever(tmp_path, capsys) -> None:
    (cell, other) = fake.cells()
    engine = InlineEngine()

    def train(cell_: Any, seeds: tuple[int, ...], results: Path, device: str) -> None:
        if cell_ == other:
            return fake.good(cell_, seeds, results)
        if 0 in seeds:
            fake.finish(cell_, 0, results)
        raise BrokenProcessPool("killed")

    run(plan([cell, other], range(2), tmp_path), tmp_path, train, engine)
    assert sorted(engine.jobs) == [(0, 1)] * (1 + MAX_TRIES)
    assert count_statuses([cell], range(2), tmp_path) == {"done": 1, "failed": 1}
    assert count_statuses([other], range(2), tmp_path) == {"done": 2}
    assert "try 2 of 3" in capsys.readouterr().out


def test_ctrl_c_stops_the_engine(tmp_path) -> None:
    (cell, _) = fake.cells()
    engine = InlineEngine()

    def train(*args: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan([cell], range(2), tmp_path), tmp_path, train, engine)
    assert engine.shutdowns == [True]


def nothing() -> None:
    """An initializer that does not import torch."""


def test_a_killed_worker_takes_only_its_own_stack_along(tmp_path, capsys) -> None:
    cells = fake.cells()
    run(plan(cells, range(2), tmp_path), tmp_path, fake.vm3ac_killed_twice, LocalEngine(2, nothing))
    assert Counter(run.status for run in read_runs(tmp_path)) == {"done": 4}
    assert (tmp_path / "tries-vm3ac").read_text() == "xxx"
    assert (tmp_path / "tries-maddpg").read_text() == "x"
    assert capsys.readouterr().out.count("its process was killed") == 2


def test_a_stack_that_always_dies_is_marked(tmp_path) -> None:
    (cell, _) = fake.cells()
    run(plan([cell], range(2), tmp_path), tmp_path, fake.always_killed, LocalEngine(1, nothing))
    for record in read_runs(tmp_path):
        assert record.status == "failed"
        assert "TerminatedWorkerError" in str(record.failure)


def test_workers_have_one_thread_and_ignore_ctrl_c() -> None:
    engine = LocalEngine(1, nothing)
    threads = engine.submit(os.getenv, "OMP_NUM_THREADS").result(60)
    handler = engine.submit(_interrupt_handler).result(60)
    engine.shutdown()
    assert threads == "1"
    assert handler == "SIG_IGN"


def _interrupt_handler() -> str:
    import signal

    return signal.Handlers(signal.getsignal(signal.SIGINT)).name


def test_progress_counts_steps_and_time(tmp_path, capsys) -> None:
    cells = fake.cells()
    stacks = plan(cells, range(2), tmp_path)
    now = [0.0]
    progress = PlainProgress(stacks, clock=lambda: now[0])
    folders = [list(stack.folders(tmp_path).values()) for stack in stacks]
    assert progress.overall().endswith("time left unknown")
    progress.start(stacks[0], folders[0])
    for seed in stacks[0].seeds:
        fake.start(stacks[0].cell, seed, tmp_path)
    now[0] = 10.0
    progress.poll()
    # two of four runs at step 120 of 240: a quarter in 10 s
    assert progress.overall() == "0 of 2 cells, 0 of 4 runs done, 24 steps/s, time left 30s"
    assert capsys.readouterr().out == ""
    now[0] = 31.0
    progress.poll()
    assert capsys.readouterr().out.startswith("0 of 2 cells")
    progress.poll()
    assert capsys.readouterr().out == ""
    for seed in stacks[0].seeds:
        folder = folder_of(stacks[0].cell, seed, tmp_path)
        fake.append(folder, 240, 20.0)
        folder.finish(240, 1, 1.0)
    now[0] = 60.0
    progress.end(stacks[0])
    assert capsys.readouterr().out == "[2/4] maddpg on predator_prey_2-v1, seeds 0-1: return 21, 1m 00s\n"
    assert progress.overall() == "1 of 2 cells, 2 of 4 runs done, 8 steps/s, time left 1m 00s"


def test_the_last_evaluation_is_the_last_complete_line(tmp_path) -> None:
    (cell, _) = fake.cells()
    folder = folder_of(cell, 0, tmp_path)
    assert last_evaluation(folder) is None
    fake.append(fake.start(cell, 0, tmp_path), 240, 1.0)
    with (folder.path / "evaluations.jsonl").open("a") as file:
        file.write('{"step": 360, "ret')
    assert (last_evaluation(folder) or {})["step"] == 240


def test_words() -> None:
    assert [span([3]), span([0, 1, 2]), span([0, 2])] == ["seed 3", "seeds 0-2", "seeds 0,2"]
    assert [duration(45), duration(200), duration(7500)] == ["45s", "3m 20s", "2h 05m"]
