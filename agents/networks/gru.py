"""A ReLU layer and a gated recurrent unit over padded sequences, for all seeds of a stack at once.

Equations as torch.nn.GRU: with a = relu(W1 x + b1) the gates r and z are sigmoids of (W a + b) + U h, and
n = tanh((W a + b) + r (U h + c)), h' = n + z (h - n). Steps are taken in blocks (see `blocks.py`): what does
not depend on h is computed for a block, then its steps one by one, so that a block stays in the processor's
cache. Gradients of weights are added up from the last block to the first; those of padding, which come first,
are exactly zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import BLOCK
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
        kept: (G, K, R, 1), 1 or 0: what remains of the state before each step; all of it if None.
    """
    return _States.apply(x, start, kept, *weights)  # type: ignore[return-value]


class _Block(NamedTuple):
    """What the backward pass needs of a block, (G, steps, R, ...)."""

    inner: Tensor  # a
    gates: Tensor  # r and z
    new: Tensor  # n
    told: Tensor  # U h + c of n


class _States(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, start: Tensor, kept: Tensor | None, *parameters: Tensor) -> Tensor:  # type: ignore[override]
        weights = Weights(*parameters)
        learning = any(ctx.needs_input_grad)
        groups, steps, rows, _ = x.shape
        states = x.new_empty(groups, steps, rows, start.shape[-1])
        saved: list[Tensor] = []
        h, room = start, None
        for begin, end in _spans(steps):
            if room is None or learning:
                room = _room(x[:, begin:end], start.shape[-1])
            h = _forward(x[:, begin:end], weights, h, kept, states, begin, room)
            if learning:
                saved += room
        ctx.save_for_backward(x, start, kept, states, *parameters, *saved)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, start, kept, states, *rest = ctx.saved_tensors
        weights, saved = Weights(*rest[:6]), rest[6:]
        sums = Weights(*(torch.zeros_like(weight) for weight in weights))
        later = torch.zeros_like(start)
        for k, (begin, end) in reversed(list(enumerate(_spans(x.shape[1])))):
            block = _Block(*saved[4 * k : 4 * k + 4])
            before = torch.cat(
                [start[:, None] if k == 0 else states[:, begin - 1 : begin], states[:, begin : end - 1]], 1
            )
            if kept is not None:
                before = before * kept[:, begin:end]
            later = _backward(
                grad[:, begin:end],
                x[:, begin:end],
                block,
                before,
                weights,
                sums,
                later,
                None if kept is None else kept[:, begin:end],
            )
        return None, None, None, *sums


def _spans(steps: int) -> Iterator[tuple[int, int]]:
    block = min(BLOCK, steps)
    assert steps % block == 0, f"{steps} steps are no whole blocks of {BLOCK}"
    return ((begin, begin + block) for begin in range(0, steps, block))


def _room(x: Tensor, size: int) -> _Block:
    return _Block(*(x.new_empty(*x.shape[:-1], width) for width in (size, 2 * size, size, size)))


def _linear(x: Tensor, weight: Tensor, bias: Tensor, out: Tensor | None = None) -> Tensor:
    """Every row of (G, steps, R, in) through its group's layer."""
    y = bmm(
        x.reshape(len(x), -1, x.shape[-1]), weight.transpose(1, 2), None if out is None else out.flatten(1, 2)
    )
    return y.add_(bias[:, None]).view(*x.shape[:-1], -1)


def _forward(
    x: Tensor, weights: Weights, h: Tensor, kept: Tensor | None, states: Tensor, begin: int, room: _Block
) -> Tensor:
    """The steps of a block: fills `states` from `begin` on and `room`; the last states (G, R, H)."""
    size = h.shape[-1]
    gates = _linear(
        _linear(x, weights.first, weights.first_bias, room.inner).relu_(), weights.inward, weights.inward_bias
    )
    onward, bias = weights.onward.transpose(1, 2), weights.new_bias[:, None]
    for t in range(x.shape[1]):
        if kept is not None:
            h = h * kept[:, begin + t]
        told = bmm(h, onward)
        rz = torch.add(gates[:, t, :, : 2 * size], told[..., : 2 * size], out=room.gates[:, t]).sigmoid_()
        c = torch.add(told[..., 2 * size :], bias, out=room.told[:, t])
        n = torch.addcmul(gates[:, t, :, 2 * size :], rz[..., :size], c, out=room.new[:, t]).tanh_()
        h = torch.addcmul(n, rz[..., size:], h - n).contiguous()
        states[:, begin + t] = h
    return h


def _backward(
    grad: Tensor,
    x: Tensor,
    block: _Block,
    before: Tensor,
    weights: Weights,
    sums: Weights,
    later: Tensor,
    kept: Tensor | None,
) -> Tensor:
    """Adds a block's gradients to `sums`; from the gradient `later` of its last states to that before it."""
    size = before.shape[-1]
    gates_grad = x.new_empty(*x.shape[:-1], 3 * size)
    told_grad = torch.empty_like(gates_grad)
    one = torch.ones((), dtype=x.dtype, device=x.device)
    for t in reversed(range(x.shape[1])):
        r, z, n = block.gates[:, t, :, :size], block.gates[:, t, :, size:], block.new[:, t]
        out, told = gates_grad[:, t], told_grad[:, t]
        g = grad[:, t] + later
        turned = g * z
        slope = torch.addcmul(one, n, n, value=-1)
        through = torch.mul(g - turned, slope, out=out[..., 2 * size :])
        torch.mul(through * block.told[:, t], r, out=out[..., :size]).mul_(1 - r)
        torch.mul(before[:, t] - n, turned, out=out[..., size : 2 * size]).mul_(1 - z)
        told[..., : 2 * size] = out[..., : 2 * size]
        torch.mul(through, r, out=told[..., 2 * size :])
        later = torch.add(bmm(told.contiguous(), weights.onward), turned)
        if kept is not None:
            later = later * kept[:, t]
    inner_grad = bmm(_rows(gates_grad), weights.inward)
    torch.ops.aten.threshold_backward.grad_input(inner_grad, _rows(block.inner), 0, grad_input=inner_grad)
    for weight, bias, g, entered in (
        (sums.first, sums.first_bias, inner_grad, x),
        (sums.inward, sums.inward_bias, _rows(gates_grad), block.inner),
        (sums.onward, None, _rows(told_grad), before),
    ):
        weight += bmm(g.transpose(1, 2), _rows(entered))
        if bias is not None:
            bias += g.sum(1)
    sums.new_bias.add_(_rows(told_grad[..., 2 * size :]).sum(1))
    return later


def _rows(x: Tensor) -> Tensor:
    """(G, steps, R, f) as (G, steps * R, f), contiguous."""
    return x.reshape(len(x), -1, x.shape[-1])
