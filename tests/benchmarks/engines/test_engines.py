"""Engines by name, the local one, and what deals jobs to GPUs."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import engine_jobs as jobs
import pytest
from coordbench.benchmarks.engines import executors as engines
from coordbench.benchmarks.engines.devices import place, resolve_device, split_device, visible_gpus
from coordbench.benchmarks.engines.executors import LocalEngine, make_engine, n_slots, parse_options
from coordbench.benchmarks.errors import SuiteError
from coordbench.benchmarks.startup import ONE_THREAD


def nothing() -> None:
    """An initializer that does not import torch."""


class Threads(ThreadPoolExecutor):
    """What a user's factory may return."""

    made_with: tuple[int, dict[str, str]]


def factory(n_workers: int, options: dict[str, str]) -> Executor:
    engine = Threads(n_workers)
    engine.made_with = n_workers, options
    return engine


def wrong_factory(n_workers: int, options: dict[str, str]) -> Any:
    return n_workers


def test_an_engine_of_the_users_own(tmp_path: Path) -> None:
    engine, device = make_engine(f"{__name__}:factory", 3, {"queue": "short"})
    assert isinstance(engine, Threads)
    assert engine.made_with == (3, {"queue": "short"})
    assert device == "cpu"
    assert engine.submit(jobs.double, 4).result(10) == 8
    assert not engines.stop(engine)
    assert n_slots(engine, 3) == 3
    engine.shutdown()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slrum", "unknown engine 'slrum'; did you mean 'slurm'"),
        ("ray", "unknown engine 'ray'; .*an engine of your own is module:factory"),
        ("no_such_module:factory", "cannot import the engine 'no_such_module:factory': No module"),
        (f"{__name__}:nothing_here", "has no function 'nothing_here'"),
        (f"{__name__}:wrong_factory", r"made a int, not a concurrent.futures.Executor"),
    ],
)
def test_engines_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        make_engine(text, 2)


def test_a_missing_extra_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    for name in ("slurm", "dask"):
        with pytest.raises(SuiteError, match=rf"not installed: pip install 'coordbench\[{name}\]'"):
            make_engine(name, 2)


def test_options_are_read() -> None:
    assert parse_options(["a=1", "b = x=y"]) == {"a": "1", "b": "x=y"}
    for text in ("a", "=1", "a="):
        with pytest.raises(SuiteError, match="write key=value"):
            parse_options([text])
    with pytest.raises(SuiteError, match="given twice"):
        parse_options(["a=1", "a=2"])
    with pytest.raises(SuiteError, match="local takes no --engine-option, so not 'a'"):
        make_engine("local", 1, {"a": "1"})


def test_local_jobs_are_asked_to_stop(tmp_path: Path) -> None:
    engine = LocalEngine(2, nothing)
    futures = [engine.submit(jobs.counts, tmp_path, name, 10_000) for name in "ab"]
    for name in "ab":
        jobs.wait_for(lambda name=name: jobs.is_there(tmp_path / f"{name}.steps"))
    assert engines.stop(engine)
    assert [future.result(30) for future in futures] == ["stopped"] * 2
    engine.shutdown()


def test_a_local_worker_that_is_killed_takes_nobody_along(tmp_path: Path) -> None:
    engine = LocalEngine(2, nothing)
    going_on = engine.submit(jobs.counts, tmp_path, "a", 10)
    assert isinstance(engine.submit(jobs.dies_once, tmp_path).exception(60), engines.BrokenExecutor)
    assert engine.submit(jobs.dies_once, tmp_path).result(60) == "done"
    assert going_on.result(60) == "done"
    engine.shutdown()


def test_workers_of_a_sweep_that_was_killed_stop(tmp_path: Path) -> None:
    here, kit = Path(__file__).parent, Path(jobs.__file__).parent
    code = (
        f"import sys; sys.path += {str(here)!r}, {str(kit)!r}\n"
        "import engine_jobs, test_engines\n"
        "from pathlib import Path\n"
        "engine = test_engines.LocalEngine(1, test_engines.nothing)\n"
        f"engine.submit(engine_jobs.counts, Path({str(tmp_path)!r}), 'a', 10_000).result()\n"
    )
    sweep = subprocess.Popen([sys.executable, "-c", code])
    jobs.wait_for(lambda: jobs.is_there(tmp_path / "a.steps"))
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    jobs.wait_for(lambda: (tmp_path / "a.stops").exists(), 10)


def test_one_thread_also_in_a_pool_within_a_worker() -> None:
    engine = LocalEngine(1, nothing)
    assert engine.submit(jobs.threads).result(120) == {"torch": 1, "inner": 1, "loky": 1}
    engine.shutdown()


def test_every_slot_sees_its_own_gpu(tmp_path: Path) -> None:
    """Two GPUs with two jobs each: four workers, which see GPUs 0, 1, 0, 1."""
    slots = place("cuda", None, per_gpu=2, gpus=["0", "1"]).slots
    engine = LocalEngine(len(slots), nothing, slots)
    futures = [engine.submit(jobs.environment, "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS") for _ in slots]
    seen = [future.result(60) for future in futures]
    engine.shutdown()
    assert sorted(found["CUDA_VISIBLE_DEVICES"] for found in seen) == ["0", "0", "1", "1"]
    assert {found["OMP_NUM_THREADS"] for found in seen} == {"1"}


def gpus_of(device: str, n_workers: int | None, per_gpu: int, gpus: list[str]) -> list[str]:
    placed = place(device, n_workers, per_gpu, gpus)
    assert placed.device == "cuda"
    return [slot["CUDA_VISIBLE_DEVICES"] for slot in placed.slots]


def test_jobs_are_dealt_to_gpus() -> None:
    assert gpus_of("cuda", None, 1, ["0", "1"]) == ["0", "1"]
    assert gpus_of("cuda", 3, 2, ["0", "1"]) == ["0", "1", "0"]
    assert gpus_of("cuda", 64, 2, ["0", "1"]) == ["0", "1", "0", "1"]
    assert gpus_of("cuda:1", None, 3, ["5", "7"]) == ["7", "7", "7"]
    assert gpus_of("auto", None, 1, ["GPU-8f"]) == ["GPU-8f"]
    assert place("auto", 2, gpus=[]).device == "cpu"
    assert place("cpu", 3, gpus=["0"]).slots == (ONE_THREAD,) * 3
    assert place("cpu", None).slots


@pytest.mark.parametrize(
    ("device", "gpus", "message"),
    [
        ("cuda", [], "cannot use --device cuda: no GPU is visible"),
        ("cuda:2", ["0", "1"], "cannot use --device cuda:2: there are GPUs 0 to 1; cpu always works"),
        ("cuda:", ["0"], "cannot read --device 'cuda:'; write cpu, cuda, cuda:1 or auto"),
        ("auto:1", ["0"], "cannot read --device 'auto:1'"),
    ],
)
def test_devices_that_are_not_there(device: str, gpus: list[str], message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        place(device, 2, gpus=gpus)


def test_a_gpu_of_this_machine_means_nothing_elsewhere() -> None:
    with pytest.raises(SuiteError, match="names a GPU of this machine; with --engine slurm write cuda"):
        make_engine("slurm", 1, {}, device="cuda:1")


def test_hidden_gpus_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert visible_gpus() == ["3", "5"]


def test_auto_is_settled_where_the_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [resolve_device(name) for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    assert split_device("cuda:3") == ("cuda", 3)
