"""A ReLU layer and a gated recurrent unit over padded sequences, for all seeds of a stack at once.

Equations as torch.nn.GRU: with a = relu(W1 x + b1) the gates r and z are sigmoids of (W a + b) + U h, and
n = tanh((W a + b) + r (U h + c)), h' = n + z (h - n). Steps are taken in blocks (see `blocks.py`): what does
not depend on h is computed for a block, then its steps one by one (`gru_steps.py`), so that a block stays in
the processor's cache. Gradients of weights are added up from the last block to the first; those of padding,
which come first, are exactly zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import BLOCK
from .gru_steps import backward_step, forward_step
from .stacked import bmm


class Weights(NamedTuple):
    """Parameters of G networks; the 3 H gates in the order r, z, n."""

    first: Tensor  # (G, H, in), W1
    first_bias: Tensor  # (G, H), b1
    inward: Tensor  # (G, 3 H, H), W
    inward_bias: Tensor  # (G, 3 H), b
    onward: Tensor  # (G, 3 H, H), U
    new_bias: Tensor  # (G, H), c


def hidden_states(x: Tensor, weights: Weights, start: Tensor, kept: Tensor | None) -> Tensor:
    """Hidden states (G, K, R, H) after each step; gradients flow into the weights alone.

    Args:
        x: (G, K, R, in), K a multiple of BLOCK or less than it.
        weights: of the G networks.
        start: (G, R, H), the states before.
        kept: (G, K, R), 1 or 0: what remains of the state before each step; all of it if None.
    """
    kept = x.new_ones(x.shape[:3]) if kept is None else kept
    kept = torch.cat([kept, torch.ones_like(kept[:, :1])], 1)
    return _States.apply(x, start, kept, *weights)  # type: ignore[return-value]


class _Block(NamedTuple):
    """What the backward pass needs of a block, (G, steps, R, ...)."""

    inner: Tensor  # a
    gates: Tensor  # r, z, n
    told: Tensor  # U h + c of n
    entered: Tensor  # h


class _States(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, start: Tensor, kept: Tensor, *parameters: Tensor) -> Tensor:  # type: ignore[override]
        weights = Weights(*(parameter.detach() for parameter in parameters))
        learning = any(ctx.needs_input_grad)
        states, saved = [], []
        h = start * kept[:, 0, :, None]
        for begin, end in _spans(x.shape[1]):
            after, block = _forward(x[:, begin:end], weights, h, kept[:, begin + 1 : end + 1], learning)
            states.append(after)
            saved += block if learning else ()
        ctx.save_for_backward(x, kept, *parameters, *saved)
        return torch.cat(states, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, kept, *rest = ctx.saved_tensors
        weights, saved = Weights(*(parameter.detach() for parameter in rest[:6])), rest[6:]
        sums = Weights(*(torch.zeros_like(weight) for weight in weights))
        flow = _Flow(weights, sums, grad[:, 0])
        for k, (begin, end) in reversed(list(enumerate(_spans(x.shape[1])))):
            block = _Block(*saved[4 * k : 4 * k + 4])
            after = kept[:, begin + 1 : end + 1]
            flow.through(block, x[:, begin:end], after, grad[:, begin:end])
        return None, None, None, *sums


def _spans(steps: int) -> Iterator[tuple[int, int]]:
    block = min(BLOCK, steps)
    assert steps % block == 0, f"{steps} steps are no whole blocks of {BLOCK}"
    return ((begin, begin + block) for begin in range(0, steps, block))


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    """Every row of (G, steps, R, in) through its group's matrix."""
    return bmm(_rows(x), weight.transpose(1, 2)).view(*x.shape[:-1], -1)


def _forward(
    x: Tensor, weights: Weights, h: Tensor, kept: Tensor, learning: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """States after each of a block's steps, and its `_Block`; h (G, R, H) becomes what remains at its end."""
    inner = _linear(x, weights.first).add_(weights.first_bias[:, None, None]).relu_()
    gates = _linear(inner, weights.inward)
    after, told = x.new_empty(2, *inner.shape)
    onward, entered = weights.onward.transpose(1, 2), []
    for t in range(x.shape[1]):
        if learning:
            entered.append(h.clone())
        forward_step(
            t,
            gates,
            told,
            bmm(h, onward),
            weights.inward_bias,
            weights.new_bias,
            h,
            kept[:, t].contiguous(),
            after,
        )
    return after, _Block(inner, gates, told, torch.stack(entered, 1)) if learning else ()


class _Flow:
    """Gradients on their way from the last block to the first.

    Args:
        weights: of the networks.
        sums: what gradients of weights are added to.
        like: (G, R, H).
    """

    def __init__(self, weights: Weights, sums: Weights, like: Tensor) -> None:
        self.weights, self.sums = weights, sums
        self.later = torch.zeros_like(
            like
        )  # of what remained of the last state, through the next step's gates
        self.turned = torch.zeros_like(like)  # past them
        self.now = like.new_empty(*like.shape[:2], 3 * like.shape[2])
        self.room: tuple[Tensor, Tensor] | None = None

    def through(self, block: _Block, x: Tensor, kept: Tensor, grad: Tensor) -> None:
        """Go through a block.

        Args:
            block: of the forward pass.
            x: (G, steps, R, in).
            kept: (G, steps, R), what remained of its states.
            grad: (G, steps, R, H), of its states, but for what flows through later ones.
        """
        sums, grad = self.sums, grad.contiguous()
        if self.room is None:
            self.room = torch.empty_like(block.gates), torch.empty_like(block.gates)
        gates_grad, onward_grad = self.room
        for t in reversed(range(x.shape[1])):
            remained = kept[:, t].contiguous()
            backward_step(
                t, grad, *block[1:], remained, self.later, self.turned, gates_grad, onward_grad, self.now
            )
            self.later = bmm(self.now, self.weights.onward)
        inner_grad = bmm(_rows(gates_grad), self.weights.inward)
        torch.ops.aten.threshold_backward.grad_input(inner_grad, _rows(block.inner), 0, grad_input=inner_grad)
        for weight, g, entered in (
            (sums.first, inner_grad, x),
            (sums.inward, _rows(gates_grad), block.inner),
            (sums.onward, _rows(onward_grad), block.entered),
        ):
            weight += bmm(g.transpose(1, 2), _rows(entered))
        sums.first_bias.add_(inner_grad.sum(1))
        sums.inward_bias.add_(_rows(gates_grad).sum(1))
        sums.new_bias.add_(onward_grad[..., 2 * grad.shape[-1] :].sum((1, 2)))


def _rows(x: Tensor) -> Tensor:
    """(G, steps, R, f) as (G, steps * R, f), contiguous."""
    return x.reshape(len(x), -1, x.shape[-1])
