"""How units move in a tick: towards where they want to be, pushed apart, kept on the terrain."""

from __future__ import annotations

import math

from ..kernels import device
from .facts import AIR, PACE, RADIUS, REACH_SQUARED, SIDE
from .layout import GOAL_X, GOAL_Y, NEW_X, NEW_Y, PLACE_X, PLACE_Y, PLANE, PUSH_X, PUSH_Y, SIZE, WALKS, X, Y

TOUCHING = 1e-6
"""Centres closer than this have no direction of their own."""
EDGE = SIDE - 1e-6


@device
def walk(kind, pair, units, target, work, living, n_living):
    """New places of a tick, at full speed and not beyond the goal; a unit that reaches its target stands.

    Args:
        kind: as in Facts.
        pair: as in Facts.
        units: (rows, U), of one copy, as ``layout`` names them; not changed.
        target: (U,) int64, -1 without one.
        work: (rows, U); NEW_X and NEW_Y are filled.
        living: (U,) uint32, indices of the living units in ascending order.
        n_living: how many there are.
    """
    for k in range(n_living):
        i = living[k]
        x, y = units[X, i], units[Y, i]
        work[NEW_X, i], work[NEW_Y, i] = x, y
        t = target[i]
        if t >= 0:
            dx, dy = units[X, t] - x, units[Y, t] - y
            squared = dx * dx + dy * dy
            if squared <= pair[REACH_SQUARED, i, t]:
                continue
        elif work[WALKS, i] > 0.0:
            dx, dy = work[GOAL_X, i] - x, work[GOAL_Y, i] - y
            squared = dx * dx + dy * dy
        else:
            continue
        distance = math.sqrt(squared)
        part = min(kind[PACE, i] / distance, 1.0) if distance > 0.0 else 0.0
        work[NEW_X, i] = x + part * dx
        work[NEW_Y, i] = y + part * dy


@device
def push_apart(kind, passes, work, living, n_living):
    """Moves overlapping units of a plane apart, each by half the overlap, all at once, some times over.

    The push is that of JaxMARL's SMAX. A pass that meets no contact ends it, for the next would not either.
    Living units stand side by side in scratch rows meanwhile, where processors compare several at a time.
    """
    for k in range(n_living):
        i = living[k]
        work[PLACE_X, k], work[PLACE_Y, k] = work[NEW_X, i], work[NEW_Y, i]
        work[SIZE, k], work[PLANE, k] = kind[RADIUS, i], kind[AIR, i]
    for _ in range(passes):
        met = False
        for k in range(n_living):
            work[PUSH_X, k] = work[PUSH_Y, k] = 0.0
        for k in range(n_living):
            x, y, size = work[PLACE_X, k], work[PLACE_Y, k], work[SIZE, k]
            touches = False
            for m in range(k + 1, n_living):
                dx, dy, both = x - work[PLACE_X, m], y - work[PLACE_Y, m], size + work[SIZE, m]
                touches |= dx * dx + dy * dy < both * both
            if touches:
                met |= push_one(work, k, n_living)
        if not met:
            break
        for k in range(n_living):
            work[PLACE_X, k] += work[PUSH_X, k]
            work[PLACE_Y, k] += work[PUSH_Y, k]
    for k in range(n_living):
        work[NEW_X, living[k]], work[NEW_Y, living[k]] = work[PLACE_X, k], work[PLACE_Y, k]


@device
def push_one(work, k, n_living):
    """Adds the pushes between the ``k``-th living unit and later ones; returns whether there are any."""
    met = False
    for m in range(k + 1, n_living):
        dx, dy = work[PLACE_X, k] - work[PLACE_X, m], work[PLACE_Y, k] - work[PLACE_Y, m]
        both, squared = work[SIZE, k] + work[SIZE, m], dx * dx + dy * dy
        if squared < both * both and work[PLANE, k] == work[PLANE, m]:
            met = True
            distance = math.sqrt(squared)
            if distance < TOUCHING:
                dx, dy, part = -both, 0.0, 0.5
            else:
                part = 0.5 * (both / distance - 1.0)
            work[PUSH_X, k] += part * dx
            work[PUSH_Y, k] += part * dy
            work[PUSH_X, m] -= part * dx
            work[PUSH_Y, m] -= part * dy
    return met


@device
def settle(kind, walkable, units, work, living, n_living):
    """Puts units where they have got to as far as the terrain lets them: along x, else y, else not at all."""
    for k in range(n_living):
        i = living[k]
        x, y = min(max(work[NEW_X, i], 0.0), EDGE), min(max(work[NEW_Y, i], 0.0), EDGE)
        if kind[AIR, i] == 0.0 and not walkable[int(x), int(y)]:
            if walkable[int(x), int(units[Y, i])]:
                y = units[Y, i]
            elif walkable[int(units[X, i]), int(y)]:
                x = units[X, i]
            else:
                x, y = units[X, i], units[Y, i]
        units[X, i], units[Y, i] = x, y
