"""What runs inside a Slurm job: several calls, each in its own process, stopped and queued again together."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from submitit.helpers import DelayedSubmission

from .devices import place
from .job import Call, Outcome, Processes

STOP_FILE = "stop"
"""Stands in the engine's folder when the sweep itself asks its jobs to stop."""


class Pack:
    """Calls that share a Slurm job; submitit pickles it, runs it and asks it for a `checkpoint`.

    Args:
        calls: to run, all at once (on GPUs: `per_gpu` on each).
        stop_file: path of the `STOP_FILE`.
        device: of the calls.
        per_gpu: most calls at once on a GPU.
    """

    def __init__(
        self,
        calls: list[Call],
        stop_file: str,
        device: str = "cpu",
        per_gpu: int = 1,
    ) -> None:
        self.calls, self.stop_file = calls, stop_file
        self.device, self.per_gpu = device, per_gpu
        self._running: tuple[Processes, list[Future[Outcome]]] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave behind what cannot travel."""
        return {**self.__dict__, "_running": None}

    def __call__(self) -> list[Outcome]:
        """Run the calls; one outcome each, in order."""
        processes = Processes(place(self.device, len(self.calls), self.per_gpu).slots)
        with ThreadPoolExecutor(len(self.calls), initializer=_shield) as threads:
            futures = [threads.submit(processes.run, call) for call in self.calls]
            self._running = processes, futures
            signal.signal(signal.SIGTERM, self._terminate)
            wait(futures)
        return [future.result() for future in futures]

    def checkpoint(self) -> DelayedSubmission:
        """Stop everything at a checkpoint; what is to run when the job comes again.

        All calls run again: Slurm's signals reach their processes too, so who has just ended may have been
        stopped. Only the call itself can tell, and if it had come to its end it ends at once.
        """
        if self._running is not None:
            processes, futures = self._running
            processes.stop()
            wait(futures)
        return DelayedSubmission(Pack(self.calls, self.stop_file, self.device, self.per_gpu))

    def _terminate(self, *_: object) -> None:
        """SIGTERM: the sweep's wish, preemption or `scancel`."""
        assert self._running is not None
        processes, futures = self._running
        if Path(self.stop_file).exists():
            processes.stop()  # `__call__` then ends by itself
        elif _is_wanted():
            os.kill(os.getpid(), signal.SIGUSR2)  # submitit: checkpoint, then back into the queue
        else:
            processes.stop()
            wait(futures)
            os._exit(1)  # without a result: the job is gone


def _is_wanted() -> bool:
    """Whether Slurm would run this job again: it is not so once somebody has cancelled it."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return False
    command = ["squeue", "--noheader", "--format=%T", "--jobs", job]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return found.stdout.strip() in ("RUNNING", "PREEMPTED")


def _shield() -> None:
    """Keep the signal before the time limit, which Slurm sends to every process of a job, from the jobs.

    Processes inherit the mask of the thread that starts them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
