"""Squashed Gaussian policies: a = tanh(u), u ~ N(mean, std^2)."""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor


def normal_log_density(u: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log N(u; mean, exp(log_std)^2), entry by entry."""
    return -0.5 * ((u - mean) * torch.exp(-log_std)).square() - log_std - 0.5 * log(2 * pi)


def tanh_log_slope(u: Tensor) -> Tensor:
    """Log d tanh(u) / du = log(1 - tanh(u)^2), in a form that stays finite for every u.

    Not by `softplus`: torch computes the last few numbers of a tensor with another exp, so that a seed's
    results would depend on how many share its stack.
    """
    size = u.abs()
    return 2 * (log(2) - size - torch.log1p(torch.exp(-2 * size)))


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Reparameterised actions and their log densities.

    Args:
        mean: (..., act), before squashing.
        log_std: (..., act).
        noise: (..., act), standard normal.

    Returns:
        actions (..., act) in [-1, 1], their log densities (...), and u (..., act), the actions before
        squashing.
    """
    u = mean + torch.exp(log_std) * noise
    log_prob = -0.5 * noise.square() - log_std - 0.5 * log(2 * pi) - tanh_log_slope(u)
    return torch.tanh(u), log_prob.sum(-1), u
