"""Seeds for SMACv2, which takes none: its generators come from the operating system.

Its distributions of teams and places keep NumPy generators of their own; the order in which members look, a
team's order and ``prob_obs_enemy`` draw from ``random`` and ``numpy.random``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Draws:
    """One copy's state of ``random`` and ``numpy.random``; the rest of the process keeps its own."""

    def __init__(self) -> None:
        self._state = _state()

    def seed(self, seed: int) -> None:
        """Starts both anew."""
        with self.used():
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002  (what SMACv2 draws from)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within, the two modules draw from this copy's state."""
        outside = _state()
        _put(self._state)
        try:
            yield
        finally:
            self._state = _state()
            _put(outside)


def _state() -> tuple[Any, Any]:
    return random.getstate(), np.random.get_state()  # noqa: NPY002


def _put(state: tuple[Any, Any]) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])  # noqa: NPY002


def reseed(env: Any, seed: int) -> None:
    """Gives the distributions of a SMACv2 environment generators that ``seed`` decides.

    Raises:
        ValueError: they keep none where this version looks for them, so that a seed would decide nothing.
    """
    sequence = np.random.SeedSequence(seed)
    waiting: list[Any] = list(env.env_key_to_distribution_map.values())
    n_found = 0
    while waiting:
        one = waiting.pop()
        for name, value in vars(one).items():
            if isinstance(value, np.random.Generator):
                setattr(one, name, np.random.default_rng(sequence.spawn(1)[0]))
                n_found += 1
            elif type(value).__module__ == type(one).__module__:
                waiting.append(value)
    if not n_found:
        raise ValueError("this version of SMACv2 keeps its generators elsewhere, so that it cannot be seeded")
