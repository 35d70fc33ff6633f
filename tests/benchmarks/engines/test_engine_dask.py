"""Jobs on Dask: a scheduler and two workers that talk over TCP, and a cluster made on the spot."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import engine_jobs as jobs
import pytest
from coordbench.benchmarks.engines.executors import make_engine
from coordbench.benchmarks.errors import SuiteError

pytest.importorskip("distributed", reason="distributed is not installed: pip install 'coordbench[dask]'")


@contextmanager
def daemon(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command of `dask` as a user types it."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command], stdout=file, stderr=file, cwd=log.parent
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@contextmanager
def network(address: str, folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A scheduler and two workers."""
    port = address.rpartition(":")[2]
    start = ("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    one = ("worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--death-timeout", "60")
    with (
        daemon(*start, log=folder / "scheduler.log"),
        daemon(*one, log=folder / "worker_0.log") as first,
        daemon(*one, log=folder / "worker_1.log") as second,
    ):
        for name in ("worker_0.log", "worker_1.log"):
            log = folder / name
            jobs.wait_for(lambda log=log: "Starting established connection" in log.read_text())
        yield [first, second]


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(address: str, tmp_path: Path) -> None:
    with network(address, tmp_path) as workers:
        engine: Any = make_engine("dask", None, {"address": address})[0]
        assert engine.n_workers == 2
        futures = [engine.submit(jobs.counts, tmp_path, name, 40) for name in ("a", "b", "c")]
        for name in "ab":
            jobs.wait_for(lambda name=name: jobs.is_there(tmp_path / f"{name}.steps"))
        victim = workers[0]
        orphan = next(
            int(path.read_text())
            for path in (tmp_path / "a.pid", tmp_path / "b.pid")
            if f"\nPPid:\t{victim.pid}\n" in Path(f"/proc/{path.read_text()}/status").read_text()
        )
        victim.send_signal(signal.SIGKILL)
        jobs.wait_for(lambda: not jobs.is_alive(orphan), 20)
        assert [future.result(60) for future in futures] == ["done"] * 3
        engine.shutdown()
    for name in "abc":
        assert (tmp_path / f"{name}.steps").stat().st_size == 40
    starts = sorted((tmp_path / f"{name}.starts").stat().st_size for name in "abc")
    assert starts == [1, 1, 2]


def test_values_errors_and_deaths_come_back(tmp_path: Path) -> None:
    engine: Any = make_engine("dask", 2)[0]
    futures = [engine.submit(*call) for call in ((jobs.double, 3), (jobs.breaks, 1), (jobs.dies,))]
    caps = engine.submit(jobs.environment, "OMP_NUM_THREADS", "NUMBA_NUM_THREADS").result(60)
    errors = [future.exception(60) for future in futures]
    engine.shutdown()
    assert futures[0].result() == 6
    assert [f"{type(error).__name__}: {error}" for error in errors[1:]] == [
        "FloatingPointError: no number 1\nbut a second line",
        "JobLost: its process ended by signal SIGKILL",
    ]
    assert caps == {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


def test_stop_and_end_at_once(tmp_path: Path) -> None:
    engine: Any = make_engine("dask", 2)[0]
    futures = [engine.submit(jobs.counts, tmp_path, name, 10_000) for name in "ab"]
    for name in "ab":
        jobs.wait_for(lambda name=name: jobs.is_there(tmp_path / f"{name}.steps"))
    engine.stop()
    assert [future.result(60) for future in futures] == ["stopped"] * 2
    again = engine.submit(jobs.counts, tmp_path, "c", 10_000)
    jobs.wait_for(lambda: jobs.is_there(tmp_path / "c.steps"))
    engine.shutdown(cancel_futures=True)
    assert type(again.exception(60)).__name__ == "JobLost"
    assert not jobs.is_alive(int((tmp_path / "c.pid").read_text()))


def test_nobody_answers(address: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=rf"no Dask scheduler answers at {address} .*dask scheduler"):
        make_engine("dask", 1, {"address": address, "timeout": "1"})
    with pytest.raises(SuiteError, match=r"scheduler_file: there is no file .*none.json"):
        make_engine("dask", 1, {"scheduler_file": str(tmp_path / "none.json")})
    with pytest.raises(SuiteError, match="did you mean 'address'"):
        make_engine("dask", 1, {"adress": address})
    with pytest.raises(SuiteError, match="not both"):
        make_engine("dask", 1, {"address": address, "scheduler_file": os.devnull})
