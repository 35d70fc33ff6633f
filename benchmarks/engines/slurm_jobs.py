"""Slurm jobs as futures: calls are gathered into packs, submitted, watched over and settled."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import submitit
from submitit.core.utils import UncompletedJobError

from ..errors import SuiteError
from .job import Call, JobLost
from .pack import STOP_FILE, Pack

T = TypeVar("T")

POLL_SECONDS, QUEUE_SECONDS = 1.0, 15.0
"""Between two looks for results on the disk, and between two calls of `squeue` for all jobs together."""
GATHER_SECONDS = 2.0
"""How long a call waits for others to share its job."""


@dataclass
class _Job:
    """A submitted job with the futures of its calls."""

    job: submitit.Job[Any]
    futures: list[Future[Any]]
    was_missing: bool = False


class SlurmEngine(Executor):
    """Packs calls into jobs and watches over them from one thread.

    Args:
        executor: submitit's, with its parameters.
        folder: of scripts, logs and results of jobs.
        n_workers: calls at once in all jobs.
        per_job: calls in a job.
        device: of the jobs.
        per_gpu: calls at once on a GPU.
    """

    def __init__(
        self,
        executor: submitit.AutoExecutor,
        folder: Path,
        n_workers: int,
        per_job: int,
        device: str = "cpu",
        per_gpu: int = 1,
    ) -> None:
        self.n_workers = n_workers
        self._executor, self._folder = executor, folder
        self._per_job, self._max_jobs = per_job, -(-n_workers // per_job)
        self._where = device, per_gpu
        self._waiting: deque[tuple[float, Call, Future[Any]]] = deque()
        self._jobs: list[_Job] = []
        self._lock = threading.Lock()
        self._is_closing, self._is_stopped = threading.Event(), False
        self._last_queue = 0.0
        self._watcher = threading.Thread(target=self._watch, name="slurm", daemon=True)
        self._watcher.start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Hand over a call; it shares a Slurm job with those that follow soon."""
        future: Future[T] = Future()
        with self._lock:
            if self._is_closing.is_set():
                raise RuntimeError("this engine has been shut down")
            self._waiting.append((time.monotonic(), Call.of(fn, args, kwargs), future))
        return future

    def stop(self) -> None:
        """Ask the running jobs to stop at a checkpoint, and drop those that wait."""
        with self._lock:
            self._is_stopped = True
            (self._folder / STOP_FILE).touch()
            for running in self._jobs:
                self._signal(running.job)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the jobs, or cancel them if `cancel_futures`."""
        if cancel_futures:
            with self._lock:
                for _, _, future in self._waiting:
                    future.cancel()
                self._waiting.clear()
                for running in self._jobs:
                    running.job.cancel(check=False)
                    _lose(running.futures, "it was cancelled")
                self._jobs.clear()
        self._is_closing.set()
        if wait:
            self._watcher.join()

    def _watch(self) -> None:
        while not (self._is_closing.is_set() and not self._jobs and not self._waiting):
            with self._lock:
                self._launch()
                self._collect()
            time.sleep(POLL_SECONDS)

    def _launch(self) -> None:
        """Submit full packs, and what has waited long enough for company."""
        if self._is_stopped:
            _lose([future for _, _, future in self._waiting], "stopped before it began")
            self._waiting.clear()
        while self._waiting and len(self._jobs) < self._max_jobs:
            is_old = time.monotonic() - self._waiting[0][0] > GATHER_SECONDS
            if len(self._waiting) < self._per_job and not is_old:
                return
            size = min(self._per_job, len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(size)]
            taken = [item for item in taken if item[2].set_running_or_notify_cancel()]
            if not taken:
                continue
            futures = [future for _, _, future in taken]
            pack = Pack([call for _, call, _ in taken], str(self._folder / STOP_FILE), *self._where)
            try:
                self._jobs.append(_Job(self._executor.submit(pack), futures))
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                reason = " ".join(str(error).split())
                for future in futures:
                    future.set_exception(SuiteError(f"sbatch refused the job: {reason}"))

    def _collect(self) -> None:
        """Settle the futures of jobs that have ended."""
        queue: set[str] | None = None
        if self._jobs and time.monotonic() - self._last_queue > QUEUE_SECONDS:
            queue, self._last_queue = self._queued(), time.monotonic()
        for running in list(self._jobs):
            job = running.job
            if job.paths.result_pickle.exists():
                self._jobs.remove(running)
                _settle(running)
            elif queue is not None and job.job_id not in queue:
                # twice: the result may reach a shared disk later than the job leaves the queue
                if running.was_missing:
                    self._jobs.remove(running)
                    log = job.paths.stderr
                    _lose(running.futures, f"Slurm job {job.job_id} is gone without a result; see {log}")
                running.was_missing = True

    def _queued(self) -> set[str] | None:
        """The jobs that are waiting or running; None if nobody knows just now."""
        if self._executor.cluster != "slurm":
            return {running.job.job_id for running in self._jobs if running.job.state == "RUNNING"}
        ids = ",".join(running.job.job_id for running in self._jobs)
        command = ["squeue", "--noheader", "--format=%i", "--jobs", ids]
        found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if found.returncode == 0:
            return set(found.stdout.split())
        # a single job that Slurm has forgotten is an error of its own
        return set() if "Invalid job id" in found.stderr else None

    def _signal(self, job: submitit.Job[Any]) -> None:
        if self._executor.cluster == "slurm":
            command = ["scancel", "--signal=TERM", job.job_id]
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        elif job.state == "RUNNING":
            os.kill(int(job.job_id), signal.SIGTERM)


def _settle(running: _Job) -> None:
    try:
        outcomes = running.job.result()
    except UncompletedJobError as error:
        _lose(running.futures, str(error).strip().splitlines()[-1])
        return
    for future, outcome in zip(running.futures, outcomes, strict=True):
        try:
            future.set_result(outcome.get())
        except Exception as error:  # noqa: BLE001  (the call's own, whatever it is)
            future.set_exception(error)


def _lose(futures: list[Future[Any]], reason: str) -> None:
    for future in futures:
        if future.running() or future.set_running_or_notify_cancel():
            future.set_exception(JobLost(reason))
