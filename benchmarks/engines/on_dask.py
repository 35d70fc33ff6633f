"""Jobs on a Dask cluster: `--engine dask`, with the address of a scheduler or a cluster on this machine.

A Dask worker is a thread of a process that others may share, so every job gets a process of its own beside
it. Dask itself runs the job of a worker that has died again elsewhere, three times by default; then, or when
the scheduler is gone, the job counts as lost and the sweep decides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from pathlib import Path
from typing import Any, TypeVar

from distributed import Client, KilledWorker, LocalCluster, get_worker

from ..errors import SuiteError
from .devices import place
from .executors import refuse_unknown, whole_number
from .job import Call, JobLost, Outcome, Processes

T = TypeVar("T")

OPTIONS = ("address", "scheduler_file", "timeout")
_lock = threading.Lock()
_processes: Processes | None = None
"""Of this process, if it is a Dask worker."""


def make_dask_engine(n_workers: int | None, options: dict[str, str], device: str, per_gpu: int) -> DaskEngine:
    """An engine from `--engine-option`s.

    Args:
        n_workers: jobs at once; the threads of all workers if None.
        options: `address` of a scheduler or its `scheduler_file`, a cluster on this machine if neither;
            `timeout`, seconds to wait for the scheduler.
        device: of the jobs.
        per_gpu: jobs at once on a GPU.

    Raises:
        SuiteError: a bad option, or nobody answers.
    """
    refuse_unknown("dask", options, OPTIONS)
    timeout = whole_number(options, "timeout", 10)
    address, file = options.get("address"), options.get("scheduler_file")
    if address and file:
        raise SuiteError("--engine-option: give address or scheduler_file, not both")
    if file and not Path(file).is_file():
        raise SuiteError(f"--engine-option scheduler_file: there is no file {file}")
    if not address and not file:
        n_threads = len(place(device, n_workers, per_gpu).slots)
        cluster = LocalCluster(
            n_workers=1, threads_per_worker=n_threads, memory_limit=0, dashboard_address=":0"
        )
        return DaskEngine(Client(cluster), n_threads, device, per_gpu, cluster)
    where = address or f"the scheduler of {file}"
    try:
        client = Client(address=address, scheduler_file=file, timeout=timeout)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SuiteError(
            f"no Dask scheduler answers at {where} ({reason}); start one with: dask scheduler"
        ) from error
    n_threads = sum(dict(client.nthreads()).values())  # pyright: ignore
    if not n_threads and n_workers is None:
        client.close()
        raise SuiteError(f"{where} has no workers yet; start some, or say how many will come: --workers N")
    return DaskEngine(client, n_workers or n_threads, device, per_gpu)


class DaskEngine(Executor):
    """Jobs through a Dask client; owns it.

    Args:
        client: connected.
        n_workers: jobs to hand over at once.
        device: of the jobs.
        per_gpu: jobs at once on a GPU.
        cluster: closed at the end.
    """

    def __init__(
        self, client: Client, n_workers: int, device: str, per_gpu: int, cluster: LocalCluster | None = None
    ) -> None:
        self.n_workers = n_workers
        self._client, self._cluster = client, cluster
        self._where = device, per_gpu
        self._executor = client.get_executor(pure=False)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Hand a job to the scheduler."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        if self._client.status != "running":
            future.set_exception(JobLost("the Dask scheduler is gone"))
            return future
        inner = self._executor.submit(_work, Call.of(fn, args, kwargs), *self._where)
        inner.add_done_callback(lambda ended: _settle(future, ended))
        return future

    def stop(self) -> None:
        """Ask the jobs on all workers to stop at a checkpoint."""
        self._client.run(_stop_all, False)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the jobs, or kill them if `cancel_futures`; then leave the cluster."""
        if cancel_futures and self._client.status == "running":
            self._client.run(_stop_all, True)
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _work(call: Call, device: str, per_gpu: int) -> Outcome:
    """Run a job in a process beside this worker."""
    global _processes
    with _lock:
        if _processes is None:
            n_threads = get_worker().state.nthreads
            _processes = Processes(place(device, n_threads, per_gpu).slots)
    return _processes.run(call)


def _stop_all(now: bool) -> None:
    """Stop the jobs beside this worker; the next sweep's get a fresh start."""
    global _processes
    with _lock:
        found, _processes = _processes, None
    if found is not None:
        found.kill() if now else found.stop()


def _settle(future: Future[Any], ended: Future[Any]) -> None:
    """Hand on what came of a job."""
    try:
        future.set_result(ended.result().get())
    except KilledWorker as error:
        future.set_exception(JobLost(f"its Dask workers died: {error}".splitlines()[0]))
    except CancelledError:
        future.set_exception(JobLost("the Dask scheduler has dropped it"))
    except Exception as error:  # noqa: BLE001  (the job's own, whatever it is)
        future.set_exception(error)
