"""A job in a process of its own: what a cluster's worker starts for every stack.

The worker, which may be a thread of somebody else's process, waits outside: training needs a main thread for
SIGTERM, one thread each, and a death that takes nobody else along. `main` reads the call from the standard
input of the new process and answers on its standard output.
"""

from __future__ import annotations

import os
import pickle
import platform
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from ..errors import SuiteError

ORPHAN_SECONDS = 60.0
"""How long a job whose parent has died may take to its checkpoint."""


class JobLost(BrokenExecutor):
    """A job's process or machine has gone without a verdict on the job: it may be tried again."""


@dataclass(frozen=True)
class Call:
    """A function with its arguments, ready to travel.

    Attributes:
        paths: where the caller finds modules.
        cwd: the caller's working directory, where relative paths start.
        payload: function, positional and named arguments, pickled apart, so that `paths` can be set first.
    """

    paths: tuple[str, ...]
    cwd: str
    payload: bytes

    @classmethod
    def of(cls, fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
        """Pack a call; `fn` is found by its name in its module."""
        paths = tuple(path for path in sys.path if os.path.isabs(path))
        return cls(paths, os.getcwd(), pickle.dumps((fn, tuple(args), dict(kwargs))))

    def run(self) -> Outcome:
        """Do it, in this process, which moves to the caller's working directory for good."""
        if not os.path.isdir(self.cwd):
            where = f"{platform.node()} has no folder {self.cwd}"
            return Outcome(error=SuiteError(f"{where}: start the sweep in a folder that all machines share"))
        os.chdir(self.cwd)
        sys.path += [path for path in self.paths if path not in sys.path]
        try:
            fn, args, kwargs = pickle.loads(self.payload)  # noqa: S301  (written by `of`)
            return Outcome(value=fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  (whatever it is, it travels back)
            return Outcome(error=_portable(error), text=traceback.format_exc())


@dataclass(frozen=True)
class Outcome:
    """What came of a call: a value, or an error with the text of its traceback."""

    value: Any = None
    error: Exception | None = None
    text: str = ""

    def get(self) -> Any:
        """The value.

        Raises:
            Exception: the call's error, caused by a `RemoteTraceback`.
        """
        if self.error is not None:
            raise self.error from (RemoteTraceback(self.text) if self.text else None)
        return self.value


class RemoteTraceback(Exception):  # noqa: N818
    """Shows where an error arose in another process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Processes:
    """Runs calls in fresh processes, as many at once as there are slots. Any thread may call.

    Args:
        slots: environment variables of each slot.
    """

    def __init__(self, slots: Sequence[Mapping[str, str]]) -> None:
        self._free: SimpleQueue[Mapping[str, str]] = SimpleQueue()
        for slot in slots:
            self._free.put(slot)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.RLock()  # a signal may come while a signal is passed on
        self._is_stopped = False

    def run(self, call: Call) -> Outcome:
        """Wait for a slot, then for the call's outcome; a `JobLost` if its process died."""
        slot = self._free.get()
        try:
            with self._lock:
                if self._is_stopped:
                    return Outcome(error=JobLost("stopped before it began"))
                process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, **slot},
                )
                self._running.add(process)
            try:
                answer, _ = process.communicate(pickle.dumps(call))
            finally:
                self._running.discard(process)
        finally:
            self._free.put(slot)
        if process.returncode == 0:
            return pickle.loads(answer)  # noqa: S301  (written by `main`)
        return Outcome(error=JobLost(f"its process ended by {_how(process.returncode)}"))

    def stop(self) -> None:
        """Ask all running jobs to stop at a checkpoint (SIGTERM); what waits does not begin."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all running jobs at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                process.send_signal(number)


def stop_when_orphaned() -> None:
    """Watch the parent: when it has died, ask this process to stop (SIGTERM), and end it after a while.

    Otherwise a job would train on behind the back of the sweep that tries it again elsewhere.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def main() -> None:
    """Run the call that stands on the standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the sweep decides
    stop_when_orphaned()
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what a job prints is no answer
        call: Call = pickle.load(sys.stdin.buffer)  # noqa: S301  (written by `Processes`)
        pickle.dump(call.run(), answer)


def _portable(error: Exception) -> Exception:
    """The error itself, or one of its words where it cannot travel."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:  # noqa: BLE001  (an error's own pickling may raise anything)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _how(status: int) -> str:
    if status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"
