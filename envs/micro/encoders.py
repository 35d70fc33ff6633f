"""What SMAC shows of a battle: allowed actions, observations, state."""

from __future__ import annotations

import math

from ..kernels import device
from .facts import BIT, BITS, FOE_SHIELD, HEALS, HP_MAX, MAXCD, OWN_SHIELD, SHIELD_MAX, SIDE
from .layout import (
    COOLDOWN,
    EAST,
    ENERGY,
    FIRST_TARGET,
    HP,
    NO_OP,
    NORTH,
    SHIELD,
    SHOOT,
    SIGHT,
    SOUTH,
    STOP,
    STRIDE,
    WEST,
    X,
    Y,
)
from .targets import squared_distance

GAME_LOOPS = 16.0
"""A second."""


@device
def may_move(walkable, units, i, action):
    """SMAC's flag: whether the cell half a stride away is on the map and walkable, its index truncated."""
    ahead = 0.5 * STRIDE
    x, y = units[X, i], units[Y, i]
    if action == NORTH:
        y += ahead
    elif action == SOUTH:
        y -= ahead
    elif action == EAST:
        x += ahead
    else:
        x -= ahead
    column, row = int(x), int(y)
    return 0 <= column < SIDE and 0 <= row < SIDE and walkable[column, row]


@device
def may_heal(kind, units, n, i, j):
    """Whether the Medivac ``i`` of N may choose FIRST_TARGET + j: ally j lives within 6 and is no Medivac."""
    if j >= n or kind[HEALS, j] > 0.0:
        return False
    return units[HP, j] > 0.0 and math.sqrt(squared_distance(units, i, j)) <= SHOOT


@device
def allow(kind, walkable, units, mask, b):
    """Sets ``mask[b]`` (N, n) to the actions allowed: no-op of the dead only."""
    n = mask.shape[1]
    for i in range(n):
        is_alive = units[HP, i] > 0.0
        mask[b, i, NO_OP] = not is_alive
        mask[b, i, STOP] = is_alive
        for action in range(NORTH, WEST + 1):
            mask[b, i, action] = is_alive and may_move(walkable, units, i, action)
        x, y, heals = units[X, i], units[Y, i], kind[HEALS, i] > 0.0
        for slot in range(units.shape[1] - n):
            if heals:
                mask[b, i, FIRST_TARGET + slot] = is_alive and may_heal(kind, units, n, i, slot)
            else:
                dx, dy = units[X, n + slot] - x, units[Y, n + slot] - y
                is_near = math.sqrt(dx * dx + dy * dy) <= SHOOT
                mask[b, i, FIRST_TARGET + slot] = is_alive and is_near and units[HP, n + slot] > 0.0


@device
def measure_bodies(kind, units, parts):
    """Parts (2, U) of hit points and of shields that units have: what every view of them shows."""
    for j in range(units.shape[1]):
        most = kind[SHIELD_MAX, j]
        parts[0, j] = units[HP, j] / kind[HP_MAX, j]
        parts[1, j] = units[SHIELD, j] / most if most > 0.0 else 0.0


@device
def observe_side(kind, units, parts, i, first, end, shield, bits, is_foe, observation, b, at):
    """Blocks of units ``first`` to ``end`` but ``i`` from ``observation[b, i, at]`` on; returns their end.

    A Medivac's flags of targets are about allies while its blocks show enemies, as in SMAC.
    """
    x, y, n, heals = units[X, i], units[Y, i], observation.shape[1], kind[HEALS, i] > 0.0
    for j in range(first, end):
        if j == i:
            continue
        if units[HP, j] > 0.0:
            dx, dy = units[X, j] - x, units[Y, j] - y
            distance = math.sqrt(dx * dx + dy * dy)
            if distance < SIGHT:
                is_target = may_heal(kind, units, n, i, j - n) if is_foe and heals else distance <= SHOOT
                observation[b, i, at] = 1.0 if is_target or not is_foe else 0.0
                observation[b, i, at + 1] = distance / SIGHT
                observation[b, i, at + 2] = dx / SIGHT
                observation[b, i, at + 3] = dy / SIGHT
                observation[b, i, at + 4] = parts[0, j]
                if shield > 0:
                    observation[b, i, at + 5] = parts[1, j]
                if bits > 0:
                    observation[b, i, at + 5 + shield + int(kind[BIT, j])] = 1.0
        at += 5 + shield + bits
    return at


@device
def observe_members(kind, shown, walkable, units, parts, observation, b):
    """Observations (N, obs) of copy ``b``: moves, enemies, other allies, self; all zero of the dead."""
    n, own, foe, bits = observation.shape[1], shown[OWN_SHIELD], shown[FOE_SHIELD], shown[BITS]
    for i in range(n):
        for k in range(observation.shape[2]):
            observation[b, i, k] = 0.0
        if units[HP, i] > 0.0:
            for k in range(4):
                observation[b, i, k] = may_move(walkable, units, i, NORTH + k)
            at = observe_side(kind, units, parts, i, n, units.shape[1], foe, bits, True, observation, b, 4)
            at = observe_side(kind, units, parts, i, 0, n, own, bits, False, observation, b, at)
            observation[b, i, at] = parts[0, i]
            if own > 0:
                observation[b, i, at + 1] = parts[1, i]
            if bits > 0:
                observation[b, i, at + 1 + own + int(kind[BIT, i])] = 1.0


@device
def write_state(kind, shown, units, parts, last, n_actions, state, b):
    """State (state,) of copy ``b``: allies, enemies, last actions (N,) one-hot; the dead are zero."""
    for k in range(state.shape[1]):
        state[b, k] = 0.0
    at, middle, bits = 0, 0.5 * SIDE, shown[BITS]
    for i in range(units.shape[1]):
        is_ally = i < last.size
        shield = shown[OWN_SHIELD] if is_ally else shown[FOE_SHIELD]
        if units[HP, i] > 0.0:
            state[b, at] = parts[0, i]
            if is_ally:
                load = units[ENERGY, i] if kind[HEALS, i] > 0.0 else units[COOLDOWN, i] * GAME_LOOPS
                state[b, at + 1] = load / kind[MAXCD, i]
            place = at + 1 + is_ally
            state[b, place] = (units[X, i] - middle) / SIDE
            state[b, place + 1] = (units[Y, i] - middle) / SIDE
            if shield > 0:
                state[b, place + 2] = parts[1, i]
            if bits > 0:
                state[b, place + 2 + shield + int(kind[BIT, i])] = 1.0
        at += 3 + is_ally + shield + bits
    for i in range(last.size):
        if last[i] >= 0:
            state[b, at + last[i]] = 1.0
        at += n_actions
