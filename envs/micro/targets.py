"""Whom the units of a scripted side attack, follow or heal: the rules of uoe-agents/smaclite."""

from __future__ import annotations

from ..kernels import device
from .facts import AIR, HEALER_FIRST, HEALS, HIT, HP_MAX, RADIUS, REACH, REACH_SQUARED, SCAN
from .layout import HP, X, Y

LARGEST = 1.0
"""Radius of any unit, at most."""


@device
def squared_distance(units, i, j):
    """Of the centres of two units."""
    dx, dy = units[X, i] - units[X, j], units[Y, i] - units[Y, j]
    return dx * dx + dy * dy


@device
def choose_targets(kind, pair, rules, units, target, chosen, living, own, own_end, foes, foes_end):
    """Targets of a scripted side, from those of the last tick: uoe-agents/smaclite's rule.

    A unit keeps a target that it reaches or that attacks it. Otherwise it takes the closest among those in
    sight and those that attack it; a Medivac the closest friend on the ground who is hurt, else the closest.
    With HEALER_FIRST Medivacs come before others, and while the other side has one, a target that is none is
    chosen anew in each tick.

    Args:
        kind: as in Facts.
        pair: as in Facts.
        rules: as in Facts.
        units: (rows, U).
        target: (U,) of the last tick, of living units or -1.
        chosen: (U,), receives the side's targets.
        living: (U,) indices.
        own: the side is ``living[own:own_end]``.
        own_end: see ``own``.
        foes: the other side is ``living[foes:foes_end]``.
        foes_end: see ``foes``.
    """
    low_x, high_x, low_y, high_y, is_attacked, seeks_healers = 1e9, -1e9, 1e9, -1e9, False, False
    for k in range(foes, foes_end):
        a = living[k]
        x, y = units[X, a], units[Y, a]
        low_x, high_x, low_y, high_y = min(low_x, x), max(high_x, x), min(low_y, y), max(high_y, y)
        is_attacked |= target[a] >= 0 and kind[HEALS, a] == 0.0
        seeks_healers |= rules[HEALER_FIRST] > 0.0 and kind[HEALS, a] > 0.0
    for k in range(own, own_end):
        e = living[k]
        if kind[HEALS, e] > 0.0:
            chosen[e] = patient(kind, units, living, own, own_end, e)
            continue
        x, y = units[X, e], units[Y, e]
        gap_x, gap_y = max(low_x - x, x - high_x, 0.0), max(low_y - y, y - high_y, 0.0)
        far = LARGEST + max(rules[SCAN], kind[REACH, e] + kind[RADIUS, e])
        if gap_x * gap_x + gap_y * gap_y > far * far and not is_attacked:
            chosen[e] = -1
            continue
        t = target[e]
        keeps = t >= 0 and (squared_distance(units, e, t) <= pair[REACH_SQUARED, e, t] or target[t] == e)
        if keeps and not (seeks_healers and kind[HEALS, t] == 0.0):
            chosen[e] = t
            continue
        chosen[e] = closest_foe(kind, pair, rules, units, target, living, foes, foes_end, e)
        if keeps and chosen[e] < 0:
            chosen[e] = t


@device
def closest_foe(kind, pair, rules, units, target, living, foes, foes_end, e):
    """The closest of those in sight of ``e`` or attacking it that it can attack; -1 if there is none."""
    best, least, best_heals = -1, 1e18, False
    for k in range(foes, foes_end):
        a = living[k]
        squared = squared_distance(units, e, a)
        sight = rules[SCAN] + kind[RADIUS, a]
        if (squared <= sight * sight or target[a] == e) and pair[HIT, e, a] > 0.0:
            heals = rules[HEALER_FIRST] > 0.0 and kind[HEALS, a] > 0.0
            if (heals and not best_heals) or (heals == best_heals and squared < least):
                best, least, best_heals = int(a), squared, heals
    return best


@device
def patient(kind, units, living, own, own_end, e):
    """Whom the scripted Medivac ``e`` follows and heals; -1 if nobody is left on the ground."""
    best, least, best_hurt = -1, 1e18, False
    for k in range(own, own_end):
        a = living[k]
        if kind[AIR, a] == 0.0:
            squared = squared_distance(units, e, a)
            hurt = units[HP, a] < kind[HP_MAX, a]
            if (hurt and not best_hurt) or (hurt == best_hurt and squared < least):
                best, least, best_hurt = int(a), squared, hurt
    return best
