"""Entropy of a policy's mixture over the latent variable, -log mean_k pi(a | o, z_k), from draws of z."""

from __future__ import annotations

from math import log

from torch import Tensor

from .categorical import distribution_of, masked
from .gaussian import normal_log_density, tanh_log_slope


def mixture_log_density(u: Tensor, means: Tensor, log_stds: Tensor) -> Tensor:
    """Log density (S, N, B) of tanh(u) under the mixture of squashed Gaussians.

    Args:
        u: (S, N, B, act), actions before squashing.
        means: (S, N, draws, B, act); the draw that acted is among them.
        log_stds: likewise.
    """
    density = normal_log_density(u[:, :, None], means, log_stds).sum(-1)
    return density.logsumexp(2) - log(means.shape[2]) - tanh_log_slope(u).sum(-1)


def mixture_log_probability(probability: Tensor, logits: Tensor, mask: Tensor | None) -> Tensor:
    """Expectation (S, N, B) over the acting draw's actions of the mixture's log probability.

    Args:
        probability: (S, N, B, n), of the draw that acts.
        logits: (S, N, draws, B, n), all draws' before masking.
        mask: (S, N, B, n) bool, which actions are allowed.
    """
    allowed = None if mask is None else mask[:, :, None].expand_as(logits)
    _, log_probability = distribution_of(masked(logits, allowed))
    mixture = log_probability.logsumexp(2) - log(logits.shape[2])
    return (probability * mixture).sum(-1)
