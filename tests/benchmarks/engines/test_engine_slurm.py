"""Jobs through submitit: without a cluster, and on a real Slurm of one node where it can run."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import engine_jobs as jobs
import pytest
import slurm_cluster

pytest.importorskip("submitit", reason="submitit is not installed: pip install 'coordbench[slurm]'")

from coordbench.benchmarks.engines import slurm_jobs
from coordbench.benchmarks.engines.executors import JobLost, make_engine
from coordbench.benchmarks.engines.on_slurm import minutes
from coordbench.benchmarks.errors import SuiteError

REASON = slurm_cluster.why_not()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_jobs, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(slurm_jobs, "QUEUE_SECONDS", 0.5)
    monkeypatch.setattr(slurm_jobs, "GATHER_SECONDS", 0.3)


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if REASON is not None:
        pytest.skip(REASON)
    with slurm_cluster.cluster(tmp_path_factory.mktemp("slurm")) as conf:
        yield conf


@pytest.fixture(params=["local", "slurm"])
def options(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Engine options for submitit's executor without a cluster, and for a real one."""
    if request.param == "local":
        return {"cluster": "local", "time": "5"}
    return slurm(request.getfixturevalue("conf"), monkeypatch)


@pytest.fixture
def slurm_options(conf: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    return slurm(conf, monkeypatch)


def slurm(conf: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("SLURM_CONF", str(conf))
    return {"partition": "low", "time": "0:05:00"}


def engine_of(n_workers: int, options: dict[str, str], folder: Path, **further: str) -> Any:
    return make_engine("slurm", n_workers, {**options, **further}, folder)[0]


def outcome(future: Future[Any], seconds: float = 90.0) -> Any:
    error = future.exception(seconds)
    return future.result() if error is None else f"{type(error).__name__}: {error}"


def test_a_pack_settles_each_of_its_calls(tmp_path: Path, options: dict[str, str]) -> None:
    engine = engine_of(4, options, tmp_path, cells_per_job="4")
    calls = [(jobs.double, 3), (jobs.breaks, 1), (jobs.dies,), (jobs.breaks_stubbornly,), (jobs.masked,)]
    futures = [engine.submit(*call) for call in calls]
    assert [outcome(future) for future in futures] == [
        6,
        "FloatingPointError: no number 1\nbut a second line",
        "JobLost: its process ended by signal SIGKILL",
        "RuntimeError: StubbornError: 1 and 2",
        True,
    ]
    assert "engine_jobs.py" in str(futures[1].exception().__cause__)
    engine.shutdown()
    # four shared a job, the fifth had one of its own
    assert len(list(tmp_path.glob(".slurm/*/*_submitted.pkl"))) == 2


def test_no_more_jobs_at_once_than_asked_for(tmp_path: Path) -> None:
    engine = engine_of(1, {"cluster": "local"}, tmp_path)
    futures = [engine.submit(jobs.counts, tmp_path, name, 3) for name in "ab"]
    jobs.wait_for(lambda: jobs.is_there(tmp_path / "a.steps"))
    assert not (tmp_path / "b.starts").exists()
    assert not futures[1].running()
    assert [outcome(future) for future in futures] == ["done", "done"]
    engine.shutdown()


def test_asked_to_stop(tmp_path: Path, options: dict[str, str]) -> None:
    engine = engine_of(2, options, tmp_path, cells_per_job="2")
    futures = [engine.submit(jobs.counts, tmp_path, name, 10_000) for name in "abc"]
    jobs.wait_for(lambda: jobs.is_there(tmp_path / "a.steps") and jobs.is_there(tmp_path / "b.steps"))
    engine.stop()
    assert [outcome(future) for future in futures] == ["stopped"] * 2 + ["JobLost: stopped before it began"]
    engine.shutdown()
    assert [(tmp_path / f"{name}.stops").read_text() for name in "ab"] == ["x", "x"]


def test_ended_at_once(tmp_path: Path, options: dict[str, str]) -> None:
    engine = engine_of(1, options, tmp_path)
    future = engine.submit(jobs.counts, tmp_path, "a", 10_000)
    jobs.wait_for(lambda: jobs.is_there(tmp_path / "a.steps"))
    engine.shutdown(cancel_futures=True)
    assert outcome(future) == "JobLost: it was cancelled"
    pid = int((tmp_path / "a.pid").read_text())
    jobs.wait_for(lambda: not jobs.is_alive(pid))


def test_before_the_time_limit_what_is_left_queues_again(tmp_path: Path, options: dict[str, str]) -> None:
    """The signal that Slurm sends then; submitit's own executor has the same."""
    engine = engine_of(2, options, tmp_path, cells_per_job="2")
    short = engine.submit(jobs.counts, tmp_path, "short", 1)
    long = engine.submit(jobs.counts, tmp_path, "long", 60)
    jobs.wait_for(lambda: jobs.is_there(tmp_path / "long.steps"))
    time.sleep(1)
    (running,) = engine._jobs
    if "partition" in options:
        subprocess.check_call(["scancel", "--signal=USR2", running.job.job_id])
        slurm_cluster.hurry(running.job.job_id)
    else:
        usr2(running.job)
    assert [outcome(short), outcome(long)] == ["done", "done"]
    engine.shutdown()
    assert marks(tmp_path) == {
        **{"short.starts": 2, "short.steps": 1},
        **{"long.starts": 2, "long.stops": 1, "long.steps": 60},
    }


def usr2(job: Any) -> None:
    """To the task of a job of submitit's local executor."""
    children = subprocess.check_output(["ps", "-o", "pid=", "--ppid", job.job_id], text=True).split()
    subprocess.check_call(["kill", "-USR2", *children])


def marks(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.glob("*.st*")}


def test_a_preempted_job_stops_at_a_checkpoint_and_comes_again(
    tmp_path: Path, slurm_options: dict[str, str]
) -> None:
    engine = engine_of(1, slurm_options, tmp_path)
    future = engine.submit(jobs.counts, tmp_path, "a", 60)
    jobs.wait_for(lambda: jobs.is_there(tmp_path / "a.steps"))
    rival = ["sbatch", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 2"]
    subprocess.check_call(rival, stdout=subprocess.DEVNULL)
    jobs.wait_for(lambda: jobs.is_there(tmp_path / "a.stops"))
    slurm_cluster.hurry(engine._jobs[0].job.job_id)
    assert outcome(future) == "done"
    engine.shutdown()
    assert marks(tmp_path) == {"a.starts": 2, "a.stops": 1, "a.steps": 60}


def test_a_cancelled_job_is_lost(tmp_path: Path, slurm_options: dict[str, str]) -> None:
    engine = engine_of(1, slurm_options, tmp_path)
    future = engine.submit(jobs.counts, tmp_path, "a", 10_000)
    jobs.wait_for(lambda: jobs.is_there(tmp_path / "a.steps"))
    subprocess.check_call(["scancel", engine._jobs[0].job.job_id])
    assert isinstance(future.exception(60), JobLost)
    assert "is gone without a result; see" in str(future.exception())
    assert (tmp_path / "a.stops").read_text() == "x", "no checkpoint"
    engine.shutdown()


@pytest.mark.slow
def test_the_real_time_limit(tmp_path: Path, slurm_options: dict[str, str]) -> None:
    engine = engine_of(1, slurm_options, tmp_path, time="1", signal_delay_s="45")
    future = engine.submit(jobs.counts, tmp_path, "a", 350)
    assert outcome(future, 600) == "done"
    engine.shutdown()
    assert (tmp_path / "a.steps").stat().st_size == 350
    # Whoever comes to its end as the signal comes is started once more, and ends at once.
    assert 1 <= (tmp_path / "a.stops").stat().st_size < (tmp_path / "a.starts").stat().st_size


def test_sbatch_that_refuses_says_why(tmp_path: Path, slurm_options: dict[str, str]) -> None:
    engine = engine_of(1, slurm_options, tmp_path, partition="nowhere")
    future = engine.submit(jobs.double, 1)
    with pytest.raises(SuiteError, match=r"sbatch refused the job: .*invalid partition"):
        future.result(60)
    engine.shutdown()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partion": "x"}, "unknown option of slurm 'partion'; did you mean 'partition'"),
        ({"cells_per_job": "0"}, "cells_per_job is a whole number from 1, not '0'"),
        ({"cells_per_job": "two"}, "cells_per_job is a whole number from 1, not 'two'"),
        ({"cluster": "local", "time": "soon"}, "cannot read --engine-option time='soon'"),
        ({"cluster": "moon"}, "cluster is slurm, local or debug, not 'moon'"),
        ({}, "needs sbatch and srun, which are not on this machine's PATH"),
    ],
)
def test_options_that_make_no_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], message: str
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(SuiteError, match=message):
        make_engine("slurm", 1, options, tmp_path)


def test_time_limits_are_written_as_in_slurm() -> None:
    read = {text: minutes(text) for text in ("90", "0:30:00", "24:00:01", "2-0", "1-12:30", "1-0:0:30")}
    assert read == {"90": 90, "0:30:00": 30, "24:00:01": 1441, "2-0": 2880, "1-12:30": 2190, "1-0:0:30": 1441}
