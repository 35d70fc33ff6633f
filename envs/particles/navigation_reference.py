"""The scripted reference of cooperative navigation: best assignment, straight pursuit."""

from __future__ import annotations

import itertools

import numpy as np

from ..team import TeamSpec


def assignment_policy(team: TeamSpec):
    """Each member is pulled to its landmark in the assignment with the least total distance.

    The force is the way to the landmark, clipped. There is no braking, so a member overshoots a little: good,
    not optimal.

    Args:
        team: a cooperative navigation task; all N! assignments are compared, so N should be small.

    Returns:
        A function from observations (B, N, 6 N) to actions (B, N, 2).
    """
    n = team.n_agents
    assignments = np.array(list(itertools.permutations(range(n))))
    members = np.arange(n)

    def act(observation: np.ndarray) -> np.ndarray:
        landmarks = observation[:, :, 4 : 4 + 2 * n].reshape(-1, n, n, 2)
        costs = np.linalg.norm(landmarks, axis=-1)[:, members, assignments].sum(-1)
        chosen = assignments[costs.argmin(-1)]
        target = np.take_along_axis(landmarks, chosen[:, :, None, None], axis=2)[:, :, 0]
        return np.clip(target, -1.0, 1.0)

    return act
