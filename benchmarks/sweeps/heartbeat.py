"""Signs of life of a process that holds leases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Self

from .lease import Lease, LeaseLost

BEAT_SECONDS = 5.0
"""Time between two signs of life."""


class Heartbeat:
    """Signs of life from a thread of its own, as long as the `with` block runs.

    Args:
        leases: to keep alive.
        on_loss: called once, from the thread, when another process has taken one over.
        seconds: between two signs.
    """

    def __init__(
        self, leases: Sequence[Lease], on_loss: Callable[[], None], seconds: float = BEAT_SECONDS
    ) -> None:
        self._leases, self._on_loss, self._seconds = leases, on_loss, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            try:
                for lease in self._leases:
                    lease.beat()
            except LeaseLost:
                self._on_loss()
                return
            except OSError:  # a disk that does not answer: the next beat tries again
                continue
