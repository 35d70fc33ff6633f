"""Stopping a training between two steps: at a checkpoint, with nothing lost.

SIGTERM to a process that trains makes it write a checkpoint and return "stopped"; so does `request_stop`, for
whoever is told of the end in another way: a scheduler's hook, a message to a worker that trains in a thread.
Ctrl-C is left alone: it raises KeyboardInterrupt where training is called directly, and the workers of an
engine leave it to their parent, which sends them SIGTERM.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_flags: list[StopFlag] = []


class StopFlag:
    """Whether a training has been asked to stop."""

    def __init__(self) -> None:
        self.is_set = False


def request_stop(*_: object) -> None:
    """Ask everything that trains in this process to stop; also usable as a signal handler."""
    for flag in list(_flags):
        flag.is_set = True


@contextmanager
def stoppable() -> Iterator[StopFlag]:
    """A flag that `request_stop` sets, and SIGTERM where this is the main thread, while the context lasts."""
    flag = StopFlag()
    _flags.append(flag)
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, request_stop) if is_main else None
    try:
        yield flag
    finally:
        _flags.remove(flag)
        if is_main:
            signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
