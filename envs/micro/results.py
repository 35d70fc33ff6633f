"""Who has won, and what a step pays."""

from __future__ import annotations

from ..kernels import device
from .facts import BY_SIZE, DAMAGE, DEFEAT, DIVISOR, HEALS, HURT, KILL, LOSS, WIN
from .facts import STEP as EVERY_STEP
from .layout import BEFORE, HP, SHIELD


@device
def outcome(kind, units, n):
    """SMAC's result: 1 won, -1 lost, 0 both sides dead, 2 undecided."""
    n_units = units.shape[1]
    alive, foes, fighters, foe_healers, has_healers = 0, 0, 0, 0, False
    for i in range(n_units):
        heals = kind[HEALS, i] > 0.0
        has_healers |= heals
        if units[HP, i] > 0.0:
            if i < n:
                alive += 1
                fighters += not heals
            else:
                foes += 1
                foe_healers += heals
    if (alive == 0 and foes > 0) or (has_healers and fighters == 0):
        return -1
    if (alive > 0 and foes == 0) or (foes == 1 and foe_healers == 1):
        return 1
    return 0 if alive == 0 and foes == 0 else 2


@device
def pay(rates, units, n, work, result, metrics, b):
    """The team reward of a step of copy ``b``, and its dead counted in ``metrics`` (B, 3)."""
    gain, loss = 0.0, 0.0
    for i in range(units.shape[1]):
        before = work[BEFORE, i]
        if before > 0.0:
            lost = before - units[HP, i] - units[SHIELD, i]
            died = units[HP, i] <= 0.0
            if i < n:
                loss += rates[LOSS] * died + rates[HURT] * lost
                metrics[b, 1] += died
            else:
                gain += rates[KILL] * died + rates[DAMAGE] * lost
                metrics[b, 2] += died
    reward = (abs(gain) if rates[BY_SIZE] > 0.0 else gain) + loss + rates[EVERY_STEP]
    if result == 1:
        metrics[b, 0] = 1.0
        reward += rates[WIN]
    elif result == -1:
        reward += rates[DEFEAT]
    return reward / rates[DIVISOR]
