"""Networks over padded sequences of whole stacks: perceptrons and a recurrent trunk.

Sequences are (seed, step, episode, [member,] feature), (S, K, B, [N,] f): what `episodes.py` samples. Padding
that follows an episode must get no gradient; then it changes no bit of its seed's numbers (`blocks.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor

from .blocks import linear
from .flat import FlatNetwork
from .gru import Weights, hidden_states


class SequenceNetwork(FlatNetwork):
    """What networks over sequences share; calls give trained outputs, `frozen` ones leave parameters alone.

    In both, gradients flow into the inputs of perceptrons. `backward()` adds to the parameters' gradients; an
    optimiser's step clears them.

    Args:
        shapes: see `FlatNetwork`.
        members: 1, one network that all members (or the team) share; or N, one a member, whose inputs are
            (S, K, B, N, in).
        generators: S generators.
        dtype: float32, or float64 to check gradients.
    """

    def __init__(
        self,
        shapes: Sequence[Sequence[int]],
        members: int,
        generators: Sequence[Generator],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(shapes, members, generators, 1, dtype)

    def grouped(self, x: Tensor) -> Tensor:
        """Inputs (S, K, B, [N,] in) as (S * members, K, rows, in), contiguous."""
        if self.networks > 1:
            x = x.movedim(-2, 1).flatten(0, 1)  # (S * N, K, B, in)
        elif x.dim() > 4:
            x = x.flatten(2, -2)
        return x.contiguous()

    def ungrouped(self, y: Tensor, like: Tensor) -> Tensor:
        """Outputs (S * members, K, rows, out) in the shape of the inputs (S, K, B, [N,] in)."""
        if self.networks > 1:
            return y.unflatten(0, (self.seeds, self.networks)).movedim(1, -2)
        return y.view(*like.shape[:-1], y.shape[-1])

    def trained(self) -> list[Tensor]:
        """Parameters (S * members, ...) that get gradients."""
        return [p.flatten(0, 2) for p in self.views(self.flat)]

    def fixed(self) -> list[Tensor]:
        """Parameters (S * members, ...) that get none."""
        return [p.flatten(0, 2) for p in self.parameters]


class SequenceMLP(SequenceNetwork):
    """S x members multilayer perceptrons with ReLU over every step of sequences.

    Args:
        sizes: features of input, hidden layers (possibly none) and output.
        generators: S generators, from which each seed's networks are initialised as `torch.nn.Linear` is.
        members: see `SequenceNetwork`.
        bias: whether the layers add biases.
        bound: all parameters are drawn from U(-bound, bound) instead, if given.
        dtype: of the parameters.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        generators: Sequence[Generator],
        members: int = 1,
        bias: bool = True,
        bound: float | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.sizes = tuple(sizes)
        shapes: list[tuple[int, ...]] = []
        for fan_in, fan_out in pairwise(sizes):
            shapes += [(fan_out, fan_in), (fan_out,)] if bias else [(fan_out, fan_in)]
        super().__init__(shapes, members, generators, dtype)
        self.each = 2 if bias else 1
        for first in range(0, len(shapes), self.each):
            self.initialise(range(first, first + self.each), generators, bound)

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (S, K, B, [N,] out) of inputs (S, K, B, [N,] in)."""
        return self._outputs(x, self.trained())

    def frozen(self, x: Tensor) -> Tensor:
        """As a call, but the parameters get no gradient."""
        return self._outputs(x, self.fixed())

    def _outputs(self, x: Tensor, parameters: list[Tensor]) -> Tensor:
        h = self.grouped(x)
        for first in range(0, len(parameters), self.each):
            h = linear(h, *parameters[first : first + self.each])
            h = h.relu_() if first + self.each < len(parameters) else h
        return self.ungrouped(h, x)


class RecurrentTrunk(SequenceNetwork):
    """A ReLU layer and a gated recurrent unit, as PyMARL's agents have before their outputs.

    Source: github.com/oxwhirl/pymarl, modules/agents/rnn_agent.py; torch.nn.GRUCell's equations and
    initialisation.

    Args:
        inputs: features a step.
        hidden: features of both layers; the hidden state that members carry.
        generators: S generators.
        members: see `SequenceNetwork`.
        dtype: of the parameters.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        generators: Sequence[Generator],
        members: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.hidden = hidden
        gates = 3 * hidden  # reset, update, new
        shapes = [(hidden, inputs), (hidden,), (gates, hidden), (gates,), (gates, hidden), (hidden,)]
        super().__init__(shapes, members, generators, dtype)
        self.initialise((0, 1), generators)
        self.initialise((2, 3, 4, 5), generators, hidden**-0.5)

    def __call__(self, x: Tensor, start: Tensor | None = None, anew: Tensor | None = None) -> Tensor:
        """Hidden states (S, K, B, N, hidden) after each of the inputs (S, K, B, N, in).

        Args:
            x: inputs. No gradient flows into them.
            start: (S, B, N, hidden), the states before; zero if None. No gradient either.
            anew: (S, K, B) bool, steps before which the state becomes zero.
        """
        return self._states(x, start, anew, self.trained())

    @torch.no_grad()
    def frozen(self, x: Tensor, start: Tensor | None = None, anew: Tensor | None = None) -> Tensor:
        """As a call, without any gradient."""
        return self._states(x, start, anew, self.fixed())

    def no_state(self, copies: int, members: int) -> Tensor:
        """Zero states (S, copies, members, hidden)."""
        return self.flat.new_zeros(self.seeds, copies, members, self.hidden)

    def _states(
        self, x: Tensor, start: Tensor | None, anew: Tensor | None, parameters: list[Tensor]
    ) -> Tensor:
        rows = self.grouped(x.detach())
        n_rows = rows.shape[2]
        lack = -n_rows % _rows_unit(self.hidden)
        if lack:
            rows = torch.nn.functional.pad(rows, (0, 0, 0, lack))
        begin = rows.new_zeros(rows.shape[0], rows.shape[2], self.hidden)
        if start is not None:
            begin[:, :n_rows] = self.grouped(start.detach()[:, None])[:, 0]
        kept = None if anew is None else self._kept(anew, x, lack)
        states = hidden_states(rows, Weights(*parameters), begin, kept)
        return self.ungrouped(states[:, :, :n_rows], x)

    def _kept(self, anew: Tensor, like: Tensor, lack: int) -> Tensor:
        """What remains of the state before each step, 1 or 0, (S * members, K, rows)."""
        members = (~anew)[..., None, None].expand(*like.shape[:-1], 1).to(like.dtype)
        return torch.nn.functional.pad(self.grouped(members)[..., 0], (0, lack))


def _rows_unit(hidden: int) -> int:
    """So many rows of a hidden state fill whole vectors, see `flat.py`."""
    unit = 1
    while unit * hidden % 64:
        unit *= 2
    return unit
