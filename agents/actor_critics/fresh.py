"""Actions drawn from the present policies at replayed observations, and the action values that move them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..networks.flat import Network

SATURATED = 2.6467
"""|mean| beyond which |tanh(mean)| > 0.99."""


@dataclass
class Fresh:
    """Actions drawn from the present policies at replayed observations."""

    action: Tensor  # (S, N, B, act), with gradient into the policies; one-hot without it if discrete
    log_prob: Tensor  # (S, N, B), log density of `action`, or minus the entropy if discrete; with gradient
    mean: Tensor  # (S, N, B, act), before squashing, or logits; with gradient
    joint: Tensor  # (S, B, N * act), the same actions without gradient
    log_std: Tensor | None = None  # (S, N, B, act), of continuous actions
    before_squashing: Tensor | None = None  # (S, N, B, act), of continuous actions, with gradient
    probability: Tensor | None = None  # (S, N, B, n), of discrete actions, with gradient


def moving_values(
    critic: Network, joint: Tensor, action: Tensor, columns: Tensor, everyone: bool, twin: int | None = None
) -> Tensor:
    """Each member's action values (S, N, B), or (twins, S, N, B), whose gradient moves the policies.

    Args:
        critic: N networks over x and all actions.
        joint: their input, (S, B, x + N act), or one each, (S, N, B, x + N act).
        action: (S, N, B, act), the members' actions in it, with gradient.
        columns: (N, act), where each member's action stands in `joint`.
        everyone: whether all members' values move a member's action, not only its own; then `joint` must hold
            everyone's present actions.
        twin: which of twin critics, all if None.
    """
    values = critic.frozen(joint, own=action, columns=columns, twin=twin)[..., 0]
    n = len(columns)
    for shift in range(1, n if everyone else 1):
        order = [(i + shift) % n for i in range(n)]
        moved = critic.frozen(joint, own=action[:, order], columns=columns[order], twin=twin)[..., 0]
        values = values + (moved - moved.detach())
    return values


@torch.no_grad()
def spread(fresh: Fresh) -> dict[str, Tensor]:
    """How wide the policies are and how many of their mean actions are stuck at the bounds, (S,)."""
    if fresh.log_std is None:
        return {"entropy": -fresh.log_prob.mean((1, 2))}
    stuck = (fresh.mean.abs() > SATURATED).float()
    return {"std": fresh.log_std.exp().mean((1, 2, 3)), "saturated": stuck.mean((1, 2, 3))}
