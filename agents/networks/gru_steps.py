"""The arithmetic of one step of a gated recurrent unit besides its matrix products, forwards and backwards.

In float32 on a CPU one pass of compiled code each, since calls of torch would take longer than the products;
torch's operations otherwise. The compiled tanh is a quotient of polynomials, off by up to 4e-7. Every number
is computed by itself, without fast-math: its bits do not depend on what else is in the arrays.

Source of the quotient: Eigen (gitlab.com/libeigen/eigen), `generic_fast_tanh_float`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...envs.kernels import compile_function, device

_ONE, _HALF = np.float32(1), np.float32(0.5)
_LARGEST = np.float32(7.90531110763549805)
"""Beyond it tanh is one in float32."""
_ODD = tuple(
    np.float32(c)
    for c in (
        4.89352455891786e-03,
        6.37261928875436e-04,
        1.48572235717979e-05,
        5.12229709037114e-08,
        -8.60467152213735e-11,
        2.00018790482477e-13,
        -2.76076847742355e-16,
    )
)
"""Coefficients of x, x^3, ... x^13 above the line."""
_EVEN = tuple(
    np.float32(c)
    for c in (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
)
"""Coefficients of 1, x^2, x^4, x^6 below it."""


def forward_step(
    t: int,
    gates: Tensor,
    told: Tensor,
    onward: Tensor,
    inward_bias: Tensor,
    new_bias: Tensor,
    entered: Tensor,
    kept: Tensor,
    after: Tensor,
) -> None:
    """From what the inputs and the state say to the state after, all for step t of a block.

    Args:
        t: a step of the block.
        gates: (G, steps, R, 3 H), W a; becomes r, z, n.
        told: (G, steps, R, H), becomes U h + c of n.
        onward: (G, R, 3 H), U h.
        inward_bias: (G, 3 H), b.
        new_bias: (G, H), c.
        entered: (G, R, H), h; becomes what remains of the state for the next step.
        kept: (G, R), how much of it does, 1 or 0.
        after: (G, steps, R, H), becomes the state.
    """
    arrays = gates, told, onward, inward_bias, new_bias, entered, kept, after
    if _compiled(gates):
        _forward(t, *(array.numpy() for array in arrays))
        return
    size = new_bias.shape[-1]
    x = gates[:, t] + inward_bias[:, None]
    rz = torch.sigmoid(x[..., : 2 * size] + onward[..., : 2 * size])
    u = onward[..., 2 * size :] + new_bias[:, None]
    n = torch.tanh(torch.addcmul(x[..., 2 * size :], rz[..., :size], u))
    h = torch.addcmul(n, rz[..., size:], entered - n)
    gates[:, t, :, : 2 * size], gates[:, t, :, 2 * size :], told[:, t], after[:, t] = rz, n, u, h
    torch.mul(h, kept[..., None], out=entered)


def backward_step(
    t: int,
    grad: Tensor,
    gates: Tensor,
    told: Tensor,
    entered: Tensor,
    kept: Tensor,
    later: Tensor,
    turned: Tensor,
    gates_grad: Tensor,
    onward_grad: Tensor,
    now: Tensor,
) -> None:
    """The gradients of one step of a block.

    Args:
        t: a step of the block.
        grad: (G, steps, R, H), of the states, but for what flows through later ones.
        gates: (G, steps, R, 3 H), r, z, n.
        told: (G, steps, R, H), U h + c of n.
        entered: (G, steps, R, H), h.
        kept: (G, R), what remained of the state for the next step, 1 or 0.
        later: (G, R, H), of what remained, through that step's gates.
        turned: (G, R, H), of what remained, past that step's gates; becomes that of h.
        gates_grad: (G, steps, R, 3 H), becomes that of W a + b.
        onward_grad: (G, steps, R, 3 H), becomes that of U h.
        now: (G, R, 3 H), becomes the same.
    """
    arrays = grad, gates, told, entered, kept, later, turned, gates_grad, onward_grad, now
    if _compiled(grad):
        _backward(t, *(array.numpy() for array in arrays))
        return
    r, z, n = gates[:, t].chunk(3, -1)
    g = grad[:, t] + (later + turned) * kept[..., None]
    torch.mul(g, z, out=turned)
    through = (g - turned) * (1 - n * n)
    of_r = through * told[:, t] * r * (1 - r)
    of_z = (entered[:, t] - n) * turned * (1 - z)
    gates_grad[:, t] = torch.cat([of_r, of_z, through], -1)
    torch.cat([of_r, of_z, through * r], -1, out=now)
    onward_grad[:, t] = now


def _compiled(x: Tensor) -> bool:
    return x.is_cpu and x.dtype == torch.float32


@device
def _tanh(x: Any) -> Any:
    x = min(max(x, -_LARGEST), _LARGEST)
    s = x * x
    odd = _ODD[6]
    odd = odd * s + _ODD[5]
    odd = odd * s + _ODD[4]
    odd = odd * s + _ODD[3]
    odd = odd * s + _ODD[2]
    odd = odd * s + _ODD[1]
    odd = odd * s + _ODD[0]
    even = ((_EVEN[3] * s + _EVEN[2]) * s + _EVEN[1]) * s + _EVEN[0]
    return odd * x / even


@device
def _sigmoid(x: Any) -> Any:
    return _HALF * _tanh(_HALF * x) + _HALF


def _forward_kernel(
    t: Any,
    gates: Any,
    told: Any,
    onward: Any,
    inward_bias: Any,
    new_bias: Any,
    entered: Any,
    kept: Any,
    after: Any,
) -> None:
    groups, rows, size = entered.shape
    r, z, n = np.empty((3, size), gates.dtype)  # written back at the end: loops in place are not vectorised
    for g in range(groups):
        b, c = inward_bias[g], new_bias[g]
        for i in range(rows):
            x, y, h, remains = gates[g, t, i], onward[g, i], entered[g, i], kept[g, i]
            for j in range(size):
                r[j] = _sigmoid(x[j] + b[j] + y[j])
                z[j] = _sigmoid(x[size + j] + b[size + j] + y[size + j])
            said = told[g, t, i]
            for j in range(size):
                u = y[2 * size + j] + c[j]
                said[j] = u
                n[j] = _tanh(x[2 * size + j] + b[2 * size + j] + r[j] * u)
            state = after[g, t, i]
            for j in range(size):
                new = n[j] + z[j] * (h[j] - n[j])
                state[j] = new
                h[j] = new * remains
            for j in range(size):
                x[j], x[size + j], x[2 * size + j] = r[j], z[j], n[j]


def _backward_kernel(
    t: Any,
    grad: Any,
    gates: Any,
    told: Any,
    entered: Any,
    kept: Any,
    later: Any,
    turned: Any,
    gates_grad: Any,
    onward_grad: Any,
    now: Any,
) -> None:
    groups, rows, size = later.shape
    of_r, of_z, through, of_u = np.empty((4, size), grad.dtype)
    for g in range(groups):
        for i in range(rows):
            x, u, h = gates[g, t, i], told[g, t, i], entered[g, t, i]
            given, ahead, past = grad[g, t, i], later[g, i], turned[g, i]
            remained = kept[g, i]
            for j in range(size):
                r, z, n = x[j], x[size + j], x[2 * size + j]
                whole = given[j] + (ahead[j] + past[j]) * remained
                past[j] = whole * z
                through[j] = (whole - past[j]) * (_ONE - n * n)
                of_r[j] = through[j] * u[j] * r * (_ONE - r)
                of_z[j] = (h[j] - n) * past[j] * (_ONE - z)
                of_u[j] = through[j] * r
            a, b, c = gates_grad[g, t, i], onward_grad[g, t, i], now[g, i]
            for j in range(size):
                a[j], a[size + j], a[2 * size + j] = of_r[j], of_z[j], through[j]
            for j in range(size):
                b[j], b[size + j], b[2 * size + j] = of_r[j], of_z[j], of_u[j]
            for j in range(size):
                c[j], c[size + j], c[2 * size + j] = of_r[j], of_z[j], of_u[j]


_forward = compile_function(_forward_kernel, parallel=False)
_backward = compile_function(_backward_kernel, parallel=False)
