"""Where training jobs run: a `concurrent.futures.Executor`; here the local one, processes of one thread each.

An engine for a cluster is another Executor. The sweep asks it for `submit`, for a `BrokenExecutor` as the
exception of a job whose process died, and for `shutdown(cancel_futures=True)` to stop running jobs as well.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from queue import SimpleQueue
from typing import Any, TypeVar

import loky

from .startup import prepare_worker

T = TypeVar("T")

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Environment of the workers: two processes of one thread each beat one of two threads."""


class LocalEngine(Executor):
    """Worker processes on this machine, each in a pool of its own.

    So a worker that is killed takes only its own job along (in a common pool loky gives up the neighbours'
    jobs too), and the next job finds a new worker in its place.

    Args:
        n_workers: jobs that run at once.
        initializer: what every worker does first.
    """

    def __init__(self, n_workers: int, initializer: Callable[[], object] = prepare_worker) -> None:
        self._initializer = initializer
        self._pools: list[loky.ProcessPoolExecutor | None] = [None] * n_workers
        self._free: SimpleQueue[int] = SimpleQueue()
        for slot in range(n_workers):
            self._free.put(slot)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start a job; waits for a free worker."""
        slot = self._free.get()
        pool = self._pools[slot]
        if pool is None:
            pool = loky.ProcessPoolExecutor(
                1, env=ONE_THREAD, initializer=_start_worker, initargs=(self._initializer,)
            )
            self._pools[slot] = pool
        future: Future[T] = pool.submit(fn, *args, **kwargs)
        future.add_done_callback(lambda ended: self._release(slot, ended))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the running jobs, or kill them if `cancel_futures`."""
        for pool in self._pools:
            if pool is not None:
                pool.shutdown(wait=wait, kill_workers=cancel_futures)

    def _release(self, slot: int, ended: Future[Any]) -> None:
        if not ended.cancelled() and isinstance(ended.exception(), BrokenExecutor):
            self._pools[slot] = None
        self._free.put(slot)


def _start_worker(initializer: Callable[[], object]) -> None:
    """Leave Ctrl-C, which reaches all processes of a terminal, to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    initializer()
