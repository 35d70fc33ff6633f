"""Networks whose parameters lie in one flat tensor: one optimiser step and one average serve them all."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod, sqrt
from typing import Self

import torch
from torch import Generator, Tensor

# Slices of a flat tensor see the same arithmetic whatever else is in it only if no scalar tail is left after
# the widest vector loop (AVX-512, unrolled four times: 64 floats).
_PAD = 64


class FlatNetwork:
    """Parameters of (twins x S x M) networks, views of `flat`, and the same of its gradient.

    Args:
        shapes: of all parameters but for the leading axes: (out, in) of a weight, (out,) of a bias.
        networks: M, networks a seed.
        generators: S generators; the parameters live on their device.
        twins: copies of everything that read the same inputs.
        dtype: of the parameters.
    """

    def __init__(
        self,
        shapes: Sequence[Sequence[int]],
        networks: int,
        generators: Sequence[Generator],
        twins: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.twins, self.seeds, self.networks = twins, len(generators), networks
        self._shapes = [(twins, self.seeds, networks, *shape) for shape in shapes]
        self._lengths = [-(-prod(shape) // _PAD) * _PAD for shape in self._shapes]
        self.flat = torch.zeros(
            sum(self._lengths), dtype=dtype, device=generators[0].device, requires_grad=True
        )
        self.flat.grad = torch.zeros_like(self.flat)
        self.parameters = self.views(self.flat.detach())
        self.gradients = self.views(self.flat.grad)

    def initialise(
        self, pair: Sequence[int], generators: Sequence[Generator], bound: float | None = None
    ) -> None:
        """Draw a layer's parameters, weight first, as `torch.nn.Linear` does, or from U(-bound, bound)."""
        fan_in = self._shapes[pair[0]][-1]
        limit = 1 / sqrt(fan_in) if bound is None else bound
        for index in pair:
            parameter = self.parameters[index]
            for seed, generator in enumerate(generators):
                values = torch.empty_like(parameter[:, seed]).uniform_(-limit, limit, generator=generator)
                parameter[:, seed] = values

    def views(self, flat: Tensor) -> list[Tensor]:
        """The parameters (twins, S, M, ...) in a tensor that is laid out as `flat` is."""
        parts = flat.split(self._lengths)
        return [part[: prod(shape)].view(*shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def copy(self) -> Self:
        """A copy that shares nothing, for a target network."""
        other = copy.copy(self)
        other.flat = self.flat.detach().clone()
        other.parameters = self.views(other.flat)
        other.gradients = []
        return other

    def track(self, source: FlatNetwork, rate: float) -> None:
        """Moving average: parameters <- (1 - rate) parameters + rate source's parameters."""
        self.flat.lerp_(source.flat.detach(), rate)

    def load(self, flat: Tensor) -> None:
        """Take over the values of another network's `flat`."""
        self.flat.detach().copy_(flat)

    def stepped(self) -> None:
        """The optimiser has made its step: gradients begin anew."""
        assert self.flat.grad is not None
        self.flat.grad.zero_()


class Network(FlatNetwork, ABC):
    """What learners call: members' networks, one a member or one a role, over own or joint inputs."""

    @abstractmethod
    def __call__(self, x: Tensor, own: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
        """Outputs (S, M, B, out), or (twins, S, M, B, out); `backward()` writes the parameters' gradients.

        Args:
            x: (S, B, in), one input shared by the M networks of a seed, or (S, M, B, in), one each. No
                gradient flows into it.
            own: (S, M, B, k), the part of `x` that a gradient shall flow into; `x` must hold its values.
            columns: (M, k), where in each network's input `own` stands.
        """

    @abstractmethod
    def frozen(
        self, x: Tensor, own: Tensor | None = None, columns: Tensor | None = None, twin: int | None = None
    ) -> Tensor:
        """As a call, but the parameters get no gradient; `twin` picks one copy (no leading axis then)."""
