"""Random numbers of a stack: every seed has its own generators, one for each purpose.

A number drawn for one seed or one purpose never shifts those of another, so a seed's results do not depend
on which seeds share its stack, and an algorithm that draws one thing more stays comparable with one that
does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor


class Streams:
    """Named streams of random numbers for S seeds.

    Args:
        seeds: one integer a run.
        device: where the numbers are wanted.
        salt: sets this family of streams apart from others with the same seeds.
    """

    def __init__(self, seeds: tuple[int, ...], device: torch.device | str = "cpu", salt: str = "") -> None:
        self.seeds = seeds
        self.device = torch.device(device)
        self.salt = salt
        self._generators: dict[str, list[Generator]] = {}

    def __getitem__(self, name: str) -> list[Generator]:
        """The S generators of a stream, made at first use."""
        if name not in self._generators:
            self._generators[name] = [
                Generator(self.device).manual_seed(self._key(seed, name)) for seed in self.seeds
            ]
        return self._generators[name]

    def normal(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Standard normal numbers (S, *shape)."""
        out = torch.empty(len(self.seeds), *shape, device=self.device, dtype=dtype)
        for row, generator in zip(out, self[name], strict=True):
            row.normal_(generator=generator)
        return out

    def uniform(
        self, name: str, *shape: int, low: float = -1.0, high: float = 1.0, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Uniform numbers (S, *shape) in [low, high)."""
        out = torch.empty(len(self.seeds), *shape, device=self.device, dtype=dtype)
        for row, generator in zip(out, self[name], strict=True):
            row.uniform_(low, high, generator=generator)
        return out

    def gumbel(self, name: str, *shape: int) -> Tensor:
        """Standard Gumbel numbers (S, *shape), float32."""
        out = torch.empty(len(self.seeds), *shape, device=self.device)
        for row, generator in zip(out, self[name], strict=True):
            # Seed by seed: the logarithm of a tensor's last few numbers may differ in its last bits.
            smallest = torch.finfo(row.dtype).tiny  # log(0) would make a softmax of these NaN
            row.exponential_(generator=generator).clamp_(min=smallest).log_().neg_()
        return out

    def integers(self, name: str, high: int, *shape: int) -> Tensor:
        """Uniform integers (S, *shape) in [0, high), int64."""
        out = torch.empty(len(self.seeds), *shape, device=self.device, dtype=torch.int64)
        for row, generator in zip(out, self[name], strict=True):
            row.random_(0, high, generator=generator)
        return out

    def state_dict(self) -> dict[str, Any]:
        """States of all generators in use."""
        return {name: [g.get_state() for g in row] for name, row in self._generators.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        self._generators.clear()
        for name, row in state.items():
            for generator, value in zip(self[name], row, strict=True):
                generator.set_state(value)

    def _key(self, seed: int, name: str) -> int:
        text = f"{self.salt}/{name}/{seed}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1
