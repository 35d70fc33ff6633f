"""The reward convention of a team: what members receive, and the team's own number."""

from __future__ import annotations

import numpy as np

from .kernels import device


def members_rewards(own: np.ndarray, individual: bool, agent_reward: np.ndarray, reward: np.ndarray) -> None:
    """As ``share_rewards``, of all copies, for tasks that are not compiled."""
    reward[:] = own.mean(1)
    agent_reward[:] = own if individual else reward[:, None]


@device
def share_rewards(own, individual, b, agent_reward, reward):
    """Writes the rewards of copy ``b``.

    Args:
        own: (B, N) float64, what each member earned.
        individual: whether members receive their own reward instead of the team's mean.
        b: the copy.
        agent_reward: (B, N), receives what each member gets.
        reward: (B,), receives the team reward, always the mean of ``own``.
    """
    n = own.shape[1]
    total = 0.0
    for i in range(n):
        total += own[b, i]
    mean = total / n
    reward[b] = mean
    for i in range(n):
        agent_reward[b, i] = own[b, i] if individual else mean
