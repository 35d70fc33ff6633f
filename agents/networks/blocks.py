"""Matrix products over padded sequences, whose bits do not depend on how much padding follows.

Sequences are (group, step, row, feature), (G, K, R, f); groups are seeds, or seeds and members. How long a
stack's sequences are depends on the longest episode that any of its seeds has sampled, and a seed's numbers
may not. So K is a multiple of `BLOCK`, every product takes BLOCK steps of one group, and gradients of weights
are added up block by block in order of time: further blocks of padding, whose gradients are exactly zero,
change no bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .stacked import bmm

BLOCK = 8
"""Steps that a matrix product takes; lengths of sequences are rounded up to a multiple of it."""


def padded_length(steps: int) -> int:
    """The smallest length of sequences that holds so many steps."""
    return -(-steps // BLOCK) * BLOCK


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """X W^T + b over sequences, for every group its own weights.

    Args:
        x: (G, K, rows, in), K a multiple of BLOCK or less than it.
        weight: (G, out, in).
        bias: (G, out).

    Returns:
        (G, K, rows, out).
    """
    return _Linear.apply(x, weight, bias)  # type: ignore[return-value]


def _blocks(x: Tensor) -> Tensor:
    """(G, K, rows, f) as (G * blocks, BLOCK * rows, f)."""
    groups, steps, rows, features = x.shape
    block = min(BLOCK, steps)
    assert steps % block == 0, f"{steps} steps are no whole blocks of {BLOCK}"
    return x.reshape(groups * (steps // block), block * rows, features)


def _repeated(weight: Tensor, times: int) -> Tensor:
    return weight if times == 1 else weight.repeat_interleave(times, 0)


def bias_gradient(grad: Tensor) -> Tensor:
    """Gradient (G, out) of biases from those of outputs (G, K, rows, out)."""
    return in_order(_blocks(grad).sum(1).unflatten(0, (grad.shape[0], -1)))


def in_order(parts: Tensor) -> Tensor:
    """The sum (G, ...) of (G, blocks, ...), added up from the first to the last."""
    total = parts[:, 0].clone()
    for k in range(1, parts.shape[1]):
        total += parts[:, k]
    return total


def weight_gradient(grad: Tensor, x: Tensor) -> Tensor:
    """Gradient (G, out, in) of weights from those of outputs (G, K, rows, out) and inputs."""
    groups = grad.shape[0]
    return in_order(bmm(_blocks(grad).transpose(1, 2), _blocks(x)).unflatten(0, (groups, -1)))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x, weight)
        blocks = _blocks(x)
        y = x.new_empty(*x.shape[:-1], weight.shape[1])
        weights = _repeated(weight, len(blocks) // len(weight)).transpose(1, 2)
        bmm(blocks, weights, out=y.view(*blocks.shape[:2], -1))
        return y if bias is None else y.add_(bias[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()
        x_grad = None
        if ctx.needs_input_grad[0]:
            blocks = _blocks(grad)
            x_grad = bmm(blocks, _repeated(weight, len(blocks) // len(weight))).view(x.shape)
        weight_grad = weight_gradient(grad, x) if ctx.needs_input_grad[1] else None
        return x_grad, weight_grad, bias_gradient(grad) if ctx.needs_input_grad[2] else None
