"""Networks of a whole stack in one: S seeds x M networks as batched matrix products.

Shapes are (seed, network, batch, feature), feature last, as every reader expects. In memory the batch runs
last: the weights of one seed's networks are then one matrix, and networks that share an input (centralised
critics read the same joint observations and actions) cost one wide product in the first layer instead of M
narrow ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.autograd.function import once_differentiable

from ..precision import made_by_intel
from .flat import Network

# With float32_matmul_precision "medium" torch hands a batched product to oneDNN only if it has more
# multiplications than this (ATen/native/mkldnn/Matmul.cpp, mkldnn_gemm_min_size): left to itself, the choice
# would hang on S. oneDNN's result does not depend on where in memory a matrix stands; MKL's does, but not
# on Intel processors.
_ONEDNN_MIN = 16**3


class StackedMLP(Network):
    """(twins x S x M) independent multilayer perceptrons with ReLU, all parameters in one flat tensor.

    Gradients are written, not added, into `flat.grad`: between two optimiser steps every network may have one
    trained forward pass that is differentiated (a second one raises). Each loss is differentiated with
    `backward()`; second derivatives are not available.

    Args:
        networks: M, networks a seed.
        sizes: features of input, hidden layers and output.
        generators: S generators, from which each seed's networks are initialised as `torch.nn.Linear` is;
            the parameters live on their device.
        twins: copies of everything that read the same inputs; with more than one, outputs get a leading axis.
        last_bound: the last layer is drawn from U(-last_bound, last_bound) instead, if given.
        dtype: float32, or float64 to check gradients.
    """

    def __init__(
        self,
        networks: int,
        sizes: Sequence[int],
        generators: Sequence[Generator],
        twins: int = 1,
        last_bound: float | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.sizes = tuple(sizes)
        shapes: list[tuple[int, ...]] = []
        for fan_in, fan_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            shapes += [(fan_out, fan_in), (fan_out,)]
        super().__init__(shapes, networks, generators, twins, dtype)
        self.written = False
        for layer in range(len(self.sizes) - 1):
            last = layer == len(self.sizes) - 2
            self.initialise((2 * layer, 2 * layer + 1), generators, last_bound if last else None)

    def __call__(self, x: Tensor, own: Tensor | None = None, columns: Tensor | None = None) -> Tensor:
        """See `Network`."""
        return self._apply(x, own, columns, self.flat, None)

    def frozen(
        self, x: Tensor, own: Tensor | None = None, columns: Tensor | None = None, twin: int | None = None
    ) -> Tensor:
        """See `Network`."""
        return self._apply(x, own, columns, None, twin)

    def stepped(self) -> None:
        """The optimiser has made its step: every network may be differentiated again."""
        self.written = False

    def _apply(
        self, x: Tensor, own: Tensor | None, columns: Tensor | None, flat: Tensor | None, twin: int | None
    ) -> Tensor:
        y: Tensor = _Forward.apply(self, x, own, columns, flat, twin)  # type: ignore[assignment]
        return y if self.twins > 1 and twin is None else y[0]


class _Forward(torch.autograd.Function):
    """All layers of a `StackedMLP`; activations are (twins, S * M, feature, B) in memory."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        net: StackedMLP,
        x: Tensor,
        own: Tensor | None,
        columns: Tensor | None,
        flat: Tensor | None,
        twin: int | None,
    ) -> Tensor:
        x = x.detach()
        rows = slice(None) if twin is None else slice(twin, twin + 1)
        parameters = [p[rows] for p in net.parameters]
        batch = x.shape[-2]
        activations: list[Tensor] = []
        h = x
        for layer in range(len(net.sizes) - 1):
            weight, bias = parameters[2 * layer : 2 * layer + 2]
            h = _first(weight, x) if layer == 0 else bmm(weight.flatten(0, 2), h)
            h.add_(bias.flatten(0, 2).unsqueeze(-1))
            if layer < len(net.sizes) - 2:
                h.relu_()
                activations.append(h)
        ctx.net, ctx.rows, ctx.columns = net, rows, columns
        ctx.trained, ctx.has_own = flat is not None, own is not None
        ctx.save_for_backward(x, *activations)
        return h.view(-1, net.seeds, net.networks, net.sizes[-1], batch).transpose(-1, -2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        net: StackedMLP = ctx.net
        x, *activations = ctx.saved_tensors
        if ctx.trained:
            if net.written:
                raise RuntimeError("a network may be differentiated once between two optimiser steps")
            net.written = True
        parameters = [p[ctx.rows] for p in net.parameters]
        g = grad.transpose(-1, -2).reshape(-1, grad.shape[-1], grad.shape[-2])
        for layer in range(len(net.sizes) - 2, 0, -1):
            below = activations[layer - 1]
            if ctx.trained:
                weight_grad, bias_grad = net.gradients[2 * layer : 2 * layer + 2]
                bmm(g, below.transpose(1, 2), out=weight_grad.flatten(0, 2))
                torch.sum(g, -1, out=bias_grad.flatten(0, 2))
            g = bmm(parameters[2 * layer].flatten(0, 2).transpose(1, 2), g)
            torch.ops.aten.threshold_backward.grad_input(g, below, 0, grad_input=g)
        if ctx.trained:
            _first_gradient(net.gradients[0], g, x)
            torch.sum(g, -1, out=net.gradients[1].flatten(0, 2))
        own_grad = _own_gradient(parameters[0], g, ctx.columns) if ctx.has_own else None
        return None, None, own_grad, None, None, None


def bmm(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """`torch.bmm` whose kernel does not depend on the number of matrices.

    On Intel processors MKL ("highest") has other kernels for vectors, which therefore get a row or column of
    zeros. Elsewhere few small matrices get further ones of zeros, or oneDNN ("medium") would not take them.
    """
    if made_by_intel() and torch.get_float32_matmul_precision() == "highest":
        rows, columns = a.shape[1], b.shape[2]
        if rows > 1 < columns:
            return torch.bmm(a, b) if out is None else torch.bmm(a, b, out=out)
        a = _with_row(a) if rows == 1 else a
        b = _with_row(b.transpose(1, 2)).transpose(1, 2) if columns == 1 else b
        product = torch.bmm(a, b)[:, :rows, :columns]
        return product.contiguous() if out is None else out.copy_(product)
    lack = _ONEDNN_MIN // (a.shape[1] * a.shape[2] * b.shape[2]) + 1 - a.shape[0]
    if lack <= 0:
        return torch.bmm(a, b) if out is None else torch.bmm(a, b, out=out)
    product = torch.bmm(_with_zeros(a, lack), _with_zeros(b, lack))[: a.shape[0]]
    return product if out is None else out.copy_(product)


def _with_row(rows: Tensor) -> Tensor:
    """A row of zeros below the one of each matrix."""
    return torch.cat([rows, torch.zeros_like(rows)], 1)


def _with_zeros(matrices: Tensor, count: int) -> Tensor:
    """`count` more matrices, in the same memory layout: another one could mean another kernel."""
    if matrices.stride(1) == 1 and matrices.stride(2) != 1:
        return _with_zeros(matrices.transpose(1, 2), count).transpose(1, 2)
    return torch.cat([matrices, matrices.new_zeros(count, *matrices.shape[1:])])


def _first(weight: Tensor, x: Tensor) -> Tensor:
    """First layer, (twins * S * M, out, B), for inputs shared within a seed or one each."""
    twins, seeds, networks, fan_out, _ = weight.shape
    shared = x.dim() == 3
    batches = seeds if shared else seeds * networks
    out = x.new_empty(twins, batches, (seeds * networks // batches) * fan_out, x.shape[-2])
    columns = x.reshape(batches, *x.shape[-2:]).transpose(1, 2)
    for twin in range(twins):
        bmm(weight[twin].reshape(batches, -1, weight.shape[-1]), columns, out=out[twin])
    return out.view(twins * seeds * networks, fan_out, -1)


def _first_gradient(weight_grad: Tensor, g: Tensor, x: Tensor) -> None:
    twins, seeds, networks, _, fan_in = weight_grad.shape
    batches = seeds if x.dim() == 3 else seeds * networks
    g = g.view(twins, batches, -1, g.shape[-1])
    rows = x.reshape(batches, *x.shape[-2:])
    for twin in range(twins):
        bmm(g[twin], rows, out=weight_grad[twin].view(batches, -1, fan_in))


def _own_gradient(weight: Tensor, g: Tensor, columns: Tensor | None) -> Tensor:
    """Gradient (S, M, B, k) of the input columns that are each network's own part, summed over twins."""
    assert columns is not None
    twins, seeds, networks, fan_out, _ = weight.shape
    index = columns[:, None, :].expand(twins, seeds, networks, fan_out, columns.shape[-1])
    chosen = weight.gather(-1, index).flatten(0, 2).transpose(1, 2)  # (twins * S * M, k, out)
    own = bmm(chosen, g).view(twins, seeds, networks, -1, g.shape[-1])
    return own.sum(0).transpose(-1, -2)
