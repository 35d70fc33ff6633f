"""What a step pays."""

from __future__ import annotations

import numpy as np

from .game import Turn
from .settings import SMACSettings


def pay(settings: SMACSettings, turn: Turn, before: np.ndarray) -> float:
    """The team reward of a step.

    Args:
        settings: whose ``reward`` says which.
        turn: what came of the step.
        before: (metrics,) after the step before; the second and third count the dead allies and enemies.
    """
    if settings.reward != "modified":
        return turn.reward
    allies, enemies = turn.dead_allies - before[1], turn.dead_enemies - before[2]
    deaths = settings.reward_death_value * enemies + settings.reward_ally_death * allies
    return float(deaths + settings.reward_step + settings.reward_win * turn.won)
