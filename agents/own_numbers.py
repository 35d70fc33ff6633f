"""Random numbers of one run that stand in for PyTorch's global ones for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from .streams import Streams


class OwnNumbers:
    """States of PyTorch's generators that belong to one run.

    Modules draw their initial weights, and distributions their samples, from the global generators only. So
    these are lent: what is drawn while they are in use depends on the seed alone, and the global generators
    stand afterwards where they stood before.

    Args:
        seed: of the run.
        device: the generators of the CPU and, if it is a GPU, of this device are replaced.
        purpose: sets these numbers apart from others of the same seed.
    """

    def __init__(self, seed: int, device: torch.device, purpose: str) -> None:
        self.device = device
        places = ["cpu", device] if device.type == "cuda" else ["cpu"]
        self.states = [Streams((seed,), place, "own numbers")[purpose][0].get_state() for place in places]

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Lend them to PyTorch for as long as the context lasts; new tensors are made on the device."""
        before = self._global()
        self._set_global(self.states)
        try:
            with self.device if self.device.type == "cuda" else nullcontext():
                yield
        finally:
            self.states = self._global()
            self._set_global(before)

    def _global(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        return states

    def _set_global(self, states: list[Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(states[1], self.device)
