"""What comes of a tick: attacks, healing, deaths."""

from __future__ import annotations

from ..generator import uniform
from ..kernels import device
from .facts import (
    ARMOUR,
    BURST,
    COOLDOWN_JITTER,
    COOLDOWN_TIME,
    HEALS,
    HIT,
    HITS,
    HP_MAX,
    RADIUS,
    REACH_SQUARED,
    SHIELD_MAX,
    SPLASH,
    TEAM,
    TICK,
)
from .layout import COOLDOWN, DELAY, ENERGY, ENERGY_MAX, HEALING, HP, SHIELD, STRUCK, X, Y
from .targets import squared_distance

LEAST_HIT = 0.5
SHIELD_DELAY, SHIELD_GROWTH = 160.0, 2.0 * TICK
"""Ticks without damage until shields grow, and points a tick: the maps' UnitData.xml."""
ENERGY_GROWTH, HEAL, HEAL_PRICE, ENERGY_TO_START = 0.5625 * TICK, 9.0 * TICK, 1.0 / 3.0, 5.0
"""A Medivac's: energy a tick, hit points a tick, energy a hit point, energy to begin with."""
LINE_ALONG, LINE_ACROSS, BURST_RADIUS = 0.15, 1.4, 2.2
"""Half sides of a colossus's beam across its line of fire, radius of a baneling's burst; SMAClite."""


@device
def recover(kind, units, living, n_living):
    """A tick passes: cooldowns run, shields and energy grow."""
    for k in range(n_living):
        i = living[k]
        units[COOLDOWN, i] = max(units[COOLDOWN, i] - TICK, 0.0)
        if units[DELAY, i] > 0.0:
            units[DELAY, i] -= 1.0
        elif units[SHIELD, i] < kind[SHIELD_MAX, i]:
            units[SHIELD, i] = min(units[SHIELD, i] + SHIELD_GROWTH, kind[SHIELD_MAX, i])
        if kind[HEALS, i] > 0.0:
            units[ENERGY, i] = min(units[ENERGY, i] + ENERGY_GROWTH, ENERGY_MAX)


@device
def ready_units(pair, units, target, living, n_living, ready):
    """Who can act in this tick: fills ``ready`` (U,) and returns their number."""
    n = 0
    for k in range(n_living):
        i, t = living[k], target[living[k]]
        is_close = t >= 0 and squared_distance(units, i, t) <= pair[REACH_SQUARED, i, t]
        if is_close and units[COOLDOWN, i] <= 0.0:
            ready[n] = i
            n += 1
        elif not is_close:
            units[HEALING, i] = 0.0
    return n


@device
def act_all(kind, pair, rules, generator, b, units, target, living, n_allies, n_living, ready, n_ready):
    """The ready units act in random order; one without hit points neither acts nor is attacked any more."""
    for k in range(n_ready - 1, 0, -1):
        m = int(uniform(generator, b, 0.0, k + 1.0))
        ready[k], ready[m] = ready[m], ready[k]
    for k in range(n_ready):
        i = ready[k]
        t = target[i]
        if units[HP, i] <= 0.0 or units[HP, t] <= 0.0:
            continue
        if kind[HEALS, i] > 0.0:
            heal(kind, units, i, t)
            continue
        units[STRUCK, i] = t + 1.0
        units[COOLDOWN, i] = kind[COOLDOWN_TIME, i]
        if rules[COOLDOWN_JITTER] > 0.0:
            units[COOLDOWN, i] += TICK * uniform(generator, b, -1.0, 2.0)
        if kind[SPLASH, i] == 0.0:
            attack(kind, pair, units, i, t)
        elif i < rules[TEAM]:
            attack_around(kind, pair, units, living, n_allies, n_living, i, t)
        else:
            attack_around(kind, pair, units, living, 0, n_allies, i, t)


@device
def heal(kind, units, i, t):
    """A tick of healing by Medivac ``i``; it goes on as long as there is energy, and begins with a little."""
    missing = kind[HP_MAX, t] - units[HP, t]
    least = HEAL * HEAL_PRICE if units[HEALING, i] > 0.0 else ENERGY_TO_START
    if missing <= 0.0 or units[ENERGY, i] < least:
        units[HEALING, i] = 0.0
        return
    points = min(HEAL, missing)
    units[HP, t] += points
    units[ENERGY, i] -= points * HEAL_PRICE
    units[HEALING, i] = 1.0
    units[STRUCK, i] = t + 1.0


@device
def attack(kind, pair, units, i, t):
    """All hits of one attack of ``i`` on ``t``: shields first and without armour, at least half a point."""
    for _ in range(int(kind[HITS, i])):
        damage = pair[HIT, i, t]
        absorbed = min(damage, units[SHIELD, t])
        rest = damage - absorbed
        units[SHIELD, t] -= absorbed
        units[HP, t] -= max(rest - kind[ARMOUR, t], min(rest, LEAST_HIT))
    units[DELAY, t] = SHIELD_DELAY


@device
def attack_around(kind, pair, units, living, first, end, i, t):
    """An attack on all of ``living[first:end]`` who stand in it: a beam, or a burst that kills ``i``."""
    way_x, way_y = units[X, t] - units[X, i], units[Y, t] - units[Y, i]
    length = max((way_x * way_x + way_y * way_y) ** 0.5, 1e-9)
    way_x, way_y = way_x / length, way_y / length
    is_burst = kind[SPLASH, i] == BURST
    centre = i if is_burst else t
    for k in range(first, end):
        j = living[k]
        dx, dy, radius = units[X, j] - units[X, centre], units[Y, j] - units[Y, centre], kind[RADIUS, j]
        if is_burst:
            is_hit = dx * dx + dy * dy <= (BURST_RADIUS + radius) ** 2
        else:
            along, across = abs(dx * way_x + dy * way_y), abs(dx * way_y - dy * way_x)
            beyond, beside = max(along - LINE_ALONG, 0.0), max(across - LINE_ACROSS, 0.0)
            is_hit = beyond * beyond + beside * beside <= radius * radius
        if is_hit and pair[HIT, i, j] > 0.0 and units[HP, j] > 0.0:
            attack(kind, pair, units, i, j)
    if is_burst:
        units[HP, i] = 0.0


@device
def bury(units, target, living, n_allies, n_living):
    """Takes the dead out of ``living`` and their orders with them; who aimed at one of them stands idle.

    Args:
        units: (rows, U).
        target: (U,).
        living: (U,), shortened in place.
        n_allies: living allies before.
        n_living: living units before.

    Returns:
        Living allies and living units after it.
    """
    kept, kept_allies = 0, 0
    for k in range(n_living):
        i = living[k]
        if units[HP, i] > 0.0:
            living[kept] = i
            kept += 1
            kept_allies += k < n_allies
        else:
            units[HP, i] = units[SHIELD, i] = units[COOLDOWN, i] = units[DELAY, i] = 0.0
            target[i] = -1
    if kept < n_living:
        for k in range(kept):
            t = target[living[k]]
            if t >= 0 and units[HP, t] <= 0.0:
                target[living[k]] = -1
    return kept_allies, kept
