"""One network for all members of a role, behind the interface of one network a member.

Members of a role differ by a number of their own in the first layer's bias, which is what a one-hot identity
beside the input amounts to. Inputs that all members share cost one product a role instead of one a member.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor

from .autograd import AutogradNetwork, linear
from .stacked import bmm


class SharedMLP(AutogradNetwork):
    """M multilayer perceptrons with ReLU, one set of parameters a role.

    Args:
        roles: (M,) the role of each, counted from 0.
        sizes: features of input, hidden layers (at least one) and output.
        generators: S generators, from which each seed's networks are initialised as `torch.nn.Linear` is.
        twins: copies of everything; with more than one, outputs get a leading axis.
        last_bound: the last layer is drawn from U(-last_bound, last_bound) instead, if given.
        dtype: of the parameters.
    """

    def __init__(
        self,
        roles: Sequence[int],
        sizes: Sequence[int],
        generators: Sequence[Generator],
        twins: int = 1,
        last_bound: float | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        device = generators[0].device
        n_roles = max(roles) + 1
        members = [[m for m, role in enumerate(roles) if role == r] for r in range(n_roles)]
        width = max(map(len, members))
        # Roles with fewer members repeat their first one, whose copies nobody reads.
        self.slots = torch.tensor([m + m[:1] * (width - len(m)) for m in members], device=device)
        place = {m: r * width + k for r, group in enumerate(members) for k, m in enumerate(group)}
        self.places = torch.tensor([place[m] for m in range(len(roles))], device=device)
        self.sizes = tuple(sizes)
        shapes: list[tuple[int, ...]] = [(sizes[1], sizes[0]), (width, sizes[1])]
        for fan_in, fan_out in pairwise(sizes[1:]):
            shapes += [(fan_out, fan_in), (fan_out,)]
        super().__init__(shapes, n_roles, generators, twins, dtype)
        for layer in range(len(sizes) - 1):
            last = layer == len(sizes) - 2
            self.initialise((2 * layer, 2 * layer + 1), generators, last_bound if last else None)

    def outputs(
        self, parameters: list[Tensor], x: Tensor, own: Tensor | None, columns: Tensor | None
    ) -> Tensor:
        """See `AutogradNetwork`."""
        weight, bias = parameters[:2]
        width = self.slots.shape[1]
        x = x.detach()
        if x.dim() == 3:  # (S, B, in), the same for all: one product a role
            h = linear(x[None, :, None], weight).unsqueeze(3)  # (twins, S, R, 1, B, hidden)
        else:
            h = linear(self._grouped(x).flatten(2, 3)[None], weight).unflatten(3, (width, -1))
        h = h + bias.unsqueeze(-2)  # (twins, S, R, width, B, hidden)
        if own is not None:
            assert columns is not None
            h = h + self._gradient_of(own, columns, weight)
        h = torch.relu(h).flatten(3, 4)  # (twins, S, R, width * B, hidden)
        for layer in range(1, len(self.sizes) - 1):
            h = linear(h, *parameters[2 * layer : 2 * layer + 2])
            h = torch.relu(h) if layer < len(self.sizes) - 2 else h
        h = h.unflatten(3, (width, -1)).flatten(2, 3)
        return h.index_select(2, self.places)

    def _grouped(self, x: Tensor) -> Tensor:
        """(S, M, ...) as (S, R, width, ...)."""
        return x.index_select(1, self.slots.flatten()).unflatten(1, tuple(self.slots.shape))

    def _gradient_of(self, own: Tensor, columns: Tensor, weight: Tensor) -> Tensor:
        """Zero, (twins, S, R, width, B, hidden), with the gradient that `own` has through its columns."""
        change = self._grouped(own - own.detach()).flatten(0, 2)  # (S * R * width, B, k)
        index = columns[self.slots]  # (R, width, k)
        twins, seeds, n_roles, hidden, _ = weight.shape
        spread = weight.unsqueeze(3).expand(twins, seeds, n_roles, index.shape[1], hidden, -1)
        chosen = spread.gather(-1, index[None, None, :, :, None].expand(*spread.shape[:5], index.shape[-1]))
        parts = [bmm(change, w.flatten(0, 2).transpose(1, 2)) for w in chosen]
        return torch.stack(parts).view(twins, seeds, *index.shape[:2], *parts[0].shape[1:])
