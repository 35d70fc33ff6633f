"""The scripted reference of multi-walker: everybody stands still."""

from __future__ import annotations

import numpy as np

from ..base import ReferencePolicy
from ..team import TeamSpec

# Where the joints' angles and speeds stand in an observation; knees are shown with 1 added.
ANGLES, SPEEDS = [4, 6, 9, 11], [5, 7, 10, 12]
STANCE = np.array([0.5, 0.8, -0.5, 0.8])
"""Angles as observed: one leg before the body, one behind it, knees nearly straight; found by trial."""
STIFFNESS, DAMPING = 2.0, 0.2


def standing_policy(team: TeamSpec) -> ReferencePolicy:
    """Joints are held at a stance by proportional and derivative control. It carries the package nowhere.

    Args:
        team: a multi-walker task.

    Returns:
        A function from observations (B, N, 31) to actions (B, N, 4).
    """
    del team

    def act(observation: np.ndarray) -> np.ndarray:
        wanted = STIFFNESS * (STANCE - observation[..., ANGLES]) - DAMPING * observation[..., SPEEDS]
        return np.clip(wanted, -1.0, 1.0)

    return act
