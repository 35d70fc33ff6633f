"""What changes with the number of environment steps, and the floor that epsilon puts under a policy.

One function gives the probabilities that members act with and that losses differentiate: in COMA's and
DOP's families the floor is part of the policy, in evaluation it is not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..distributions.categorical import distribution_of, masked


def linear_schedule(start: float, end: float, duration: int, step: int) -> float:
    """A value that goes from `start` to `end` in `duration` steps and stays there."""
    return end if step >= duration else start + (end - start) * step / duration


def any_allowed(mask: Tensor) -> Tensor:
    """The uniform distribution over the actions (..., n) that `mask` (..., n) allows."""
    allowed = mask.float()
    return allowed / allowed.sum(-1, keepdim=True)


def policy_probabilities(
    logits: Tensor, mask: Tensor, epsilon: float = 0.0, mask_first: bool = True
) -> Tensor:
    """Probabilities (..., n) with epsilon spread over the allowed actions; forbidden ones get exactly 0.

    Args:
        logits: (..., n).
        mask: (..., n) bool, at least one action allowed.
        epsilon: share of uniformly random actions; 0 in evaluation.
        mask_first: whether the mask comes before the softmax. PyMARL's `mask_before_softmax: False` mixes
            softmax and floor over all actions, zeroes the forbidden ones and divides by what is left.
    """
    if mask_first:
        probability, _ = distribution_of(masked(logits, mask))
        return (1 - epsilon) * probability + epsilon * any_allowed(mask)
    mixed = (1 - epsilon) * torch.softmax(logits, -1) + epsilon / logits.shape[-1]
    mixed = mixed * mask
    return mixed / mixed.sum(-1, keepdim=True)


def log_of(probability: Tensor) -> Tensor:
    """Logarithms (..., n), 0 where the probability is 0, with a gradient of 0 there."""
    nothing = probability == 0
    return natural_log(probability.masked_fill(nothing, 1.0))


def natural_log(x: Tensor) -> Tensor:
    """Logarithms whose bits do not depend on where a number stands in its tensor, see `flat.py`.

    The logarithm of the last numbers of a tensor, a vector's incomplete rest, may differ in its last bit.
    """
    flat = x.flatten()
    lack = -flat.numel() % 64
    return torch.nn.functional.pad(flat, (0, lack), value=1.0).log()[: flat.numel()].view(x.shape)


def entropy(probability: Tensor) -> Tensor:
    """Entropies (...) of distributions (..., n)."""
    return -(probability * log_of(probability)).sum(-1)
