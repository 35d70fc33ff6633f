"""Targets over padded sequences, (S, K, B): what a step is worth, with nothing of the padding in it.

Row t + 1 of a sequence is the true successor of row t wherever `filled` is 1 at t, see `episodes.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def following(x: Tensor) -> Tensor:
    """Each step's successor along the steps of (S, K, ...); the last row, never a filled one, repeats."""
    return torch.cat([x[:, 1:], x[:, -1:]], 1)


def lambda_returns(
    reward: Tensor,
    next_value: Tensor,
    terminated: Tensor,
    filled: Tensor,
    discount: float,
    trace: float,
) -> Tensor:
    """TD(lambda): G_t = r_t + discount (1 - d_t) [(1 - trace) V_t+1 + trace G_t+1], (S, K, B).

    The recursion begins anew, with G_t+1 = V_t+1, at the last step of each episode or fragment, which
    bootstraps unless it is a true end. PyMARL's `build_td_lambda_targets` lets padding into it where a time
    limit cut an episode before the batch's last column. What stands at unfilled steps means nothing.

    Args:
        reward: (S, K, B).
        next_value: (S, K, B), V of each step's successor.
        terminated: (S, K, B), 1 at true ends only, never at a time limit.
        filled: (S, K, B), 1 at steps that were taken.
        discount: between 0 and 1.
        trace: lambda; 0 gives one-step targets.
    """
    if trace == 0:
        return reward + discount * (1 - terminated) * next_value
    goes_on = discount * (1 - terminated)
    later, returns = next_value[:, -1], []
    has_next = following(filled)
    for t in reversed(range(reward.shape[1])):
        mixed = (1 - trace) * next_value[:, t] + trace * later
        ahead = torch.where(has_next[:, t] > 0, mixed, next_value[:, t])
        later = reward[:, t] + goes_on[:, t] * ahead
        returns.append(later)
    return torch.stack(returns[::-1], 1)


def masked_mean(x: Tensor, filled: Tensor) -> Tensor:
    """Means (S,) of (S, K, B, ...) over filled steps (S, K, B) and all further axes; 0 if there is none.

    Steps are added up in order of time, so that padding after them changes no bit.
    """
    weight = filled.view(*filled.shape, *(1,) * (x.dim() - filled.dim()))
    total = (x * weight).flatten(2).sum(2).cumsum(1)[:, -1]
    count = filled.sum(2).cumsum(1)[:, -1] * x[0, 0, 0].numel()
    return total / count.clamp(min=1)
