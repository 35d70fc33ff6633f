"""Categorical policies over masked actions; actions are one-hot vectors inside the learners."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_LARGEST = 1 - 2**-20
"""Uniform numbers are kept below it, so that rounding never chooses an action of probability zero."""


def masked(logits: Tensor, mask: Tensor | None) -> Tensor:
    """Logits (..., n) with -inf where `mask` (..., n) forbids: before every softmax, maximum and entropy."""
    return logits if mask is None else torch.where(mask, logits, -torch.inf)


def distribution_of(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and log probabilities (..., n) of masked logits; forbidden actions get 0 and 0.

    The zero in place of -inf keeps p log p and its gradient at zero there.
    """
    return _along(torch.softmax, logits), log_probability_of(logits)


def log_probability_of(logits: Tensor) -> Tensor:
    """Log probabilities (..., n) alone, as `distribution_of` gives them."""
    return torch.where(logits == -torch.inf, 0.0, log_softmax(logits))


def log_softmax(logits: Tensor) -> Tensor:
    """Logarithms of softmax policies (..., n), torch's over the last axis."""
    return _along(torch.log_softmax, logits)


def _along(function: Callable[[Tensor, int], Tensor], x: Tensor) -> Tensor:
    """A softmax over the last axis of x (S, ..., n), computed with that axis in front of all but the seeds.

    There torch computes for many rows at once; along a few adjacent numbers it takes about ten times as long.
    """
    if x.dim() < 3:
        return function(x, -1)
    columns = x.flatten(1, -2).transpose(1, 2).contiguous()
    return function(columns, 1).transpose(1, 2).reshape(x.shape)


def chosen(probability: Tensor, uniform: Tensor) -> Tensor:
    """Sampled actions (...) int64 from probabilities (..., n) and uniform numbers (...) in [0, 1).

    By inversion: without logarithms, whose last bits would depend on how many seeds share the tensor.
    """
    below = probability.cumsum(-1)
    threshold = uniform.clamp(max=_LARGEST) * below[..., -1]
    return (below <= threshold[..., None]).sum(-1)


def one_hot(action: Tensor, n: int) -> Tensor:
    """Actions (...) int64 as float32 vectors (..., n)."""
    return torch.nn.functional.one_hot(action, n).float()


def best(logits: Tensor) -> Tensor:
    """The likeliest allowed actions (...) int64 of masked logits (..., n)."""
    return logits.argmax(-1)


def straight_through(logits: Tensor, gumbel: Tensor) -> Tensor:
    """One-hot actions (..., n) drawn by Gumbel noise (..., n), with the gradient of the softmax.

    Source: Jang, Gu, Poole, "Categorical Reparameterization with Gumbel-Softmax", ICLR 2017, temperature 1.
    """
    perturbed = logits + gumbel
    soft = torch.softmax(perturbed, -1)
    hard = one_hot(perturbed.argmax(-1), logits.shape[-1])
    return hard + soft - soft.detach()


def with_every_own_action(joint: Tensor, columns: Tensor) -> Tensor:
    """Critics' inputs in which each member tries all its actions while the others keep theirs.

    Args:
        joint: (S, B, in), what a critic reads.
        columns: (N, n), where in it each member's one-hot action stands.

    Returns:
        (S, N, n * B, in), the tried action slower than the batch.
    """
    (seeds, batch, width), (members, n) = joint.shape, columns.shape
    tried = joint[:, None, None].repeat(1, members, n, 1, 1)
    options = torch.eye(n, device=joint.device)[:, None]
    for i, start in enumerate(columns[:, 0].tolist()):
        tried[:, i, :, :, start : start + n] = options
    return tried.view(seeds, members, n * batch, width)
