"""Where the latent variable comes from when a team executes what it has learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..streams import Streams

LATENTS = ("shared_seed", "sampled", "unshared")
"""Ways to fill z besides z = 0."""


def shared_latent(seed: int, copy: int, episode: int, step: int, size: int) -> np.ndarray:
    """Z of one step, (size,), standard normal: what each member computes by itself, without a message.

    A counter-based generator (Philox): the key is the seed agreed on before the episode, the counter is the
    time. All members that call it with the same numbers get the same bits.
    """
    bits = np.random.Philox(key=seed, counter=[0, step, episode, copy])
    return np.random.Generator(bits).standard_normal(size, dtype=np.float32)


class SharedSeed:
    """z_t from `shared_latent` for every copy; counts episodes and steps as each member would."""

    def __init__(self, seeds: tuple[int, ...], size: int, salt: int, device: torch.device) -> None:
        self.keys = [seed * 2**32 + salt for seed in seeds]
        self.size, self.device = size, device
        self.episode: np.ndarray | None = None
        self.step: np.ndarray | None = None

    def __call__(self, starting: Tensor) -> Tensor:
        """Z (S, 1, E, K) of the next step."""
        first = starting.cpu().numpy().astype(np.int64)
        if self.episode is None or self.step is None:
            self.episode, self.step = np.full_like(first, -1), np.zeros_like(first)
        self.episode = self.episode + first
        self.step = np.where(first, 0, self.step + 1)
        z = np.empty((*first.shape, self.size), np.float32)
        for s, e in np.ndindex(*first.shape):
            z[s, e] = shared_latent(self.keys[s], e, int(self.episode[s, e]), int(self.step[s, e]), self.size)
        return torch.from_numpy(z).to(self.device)[:, None]


def latent_source(
    mode: str, seeds: tuple[int, ...], n_agents: int, size: int, salt: int, device: torch.device
) -> Callable[[Tensor], Tensor | None]:
    """A function from `starting` (S, E) to the latents of a step, which broadcast to (S, N, E, K).

    Args:
        mode: "greedy" (z = 0, no random number is read) or one of `LATENTS`.
        seeds: the runs' seeds.
        n_agents: N.
        size: K; without a latent there is nothing to fill.
        salt: sets apart policies of the same runs.
        device: where the latents are wanted.
    """
    if size == 0:
        return lambda _: None
    if mode == "greedy":
        return lambda starting: torch.zeros(len(seeds), 1, starting.shape[1], size, device=device)
    if mode == "shared_seed":
        return SharedSeed(seeds, size, salt, device)
    streams = Streams(seeds, device, f"{mode} {salt}")
    members = n_agents if mode == "unshared" else 1
    return lambda starting: streams.normal("latent", members, starting.shape[1], size)
