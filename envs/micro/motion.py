"""How units move in a tick: towards where they want to be, pushed apart, kept on the terrain."""

from __future__ import annotations

import math

import numpy as np

from ..kernels import device
from .facts import AIR, PACE, RADIUS, REACH_SQUARED, SIDE
from .layout import GOAL_X, GOAL_Y, NEW_X, NEW_Y, PLACE_X, PLACE_Y, PLANE, PUSH_X, PUSH_Y, SIZE, WALKS, X, Y

ONE = np.uint64(1)
"""Loops over unsigned indices run faster: none can be negative."""
TOUCHING = 1e-6
"""Centres closer than this have no direction of their own."""
EDGE = SIDE - 1e-6
MANY = 10
"""Living units from which on near pairs are listed; with fewer the list costs more than it saves."""
MARGIN = 0.8
"""Gap between rims up to which pairs are listed."""


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
def push_apart(kind, passes, work, living, n_living, near):
    """Moves overlapping units of a plane apart, each by half the overlap, all at once, some times over.

    The push is that of JaxMARL's SMAX. A pass that meets no contact ends it, for the next would not either.
    Living units stand side by side in scratch rows meanwhile, where processors compare several at a time.
    Of MANY units those pairs that are close are listed in ``near`` (2, pairs), and only they are looked at
    until pushes may have brought others together: the result is the same.
    """
    for k in range(n_living):
        i = living[k]
        work[PLACE_X, k], work[PLACE_Y, k] = work[NEW_X, i], work[NEW_Y, i]
        work[SIZE, k], work[PLANE, k] = kind[RADIUS, i], kind[AIR, i]
    n_near, slack = np.uint64(0), -1.0
    for _ in range(passes):
        for k in range(n_living):
            work[PUSH_X, k] = work[PUSH_Y, k] = 0.0
        if n_living < MANY:
            met = push_all(work, n_living)
        else:
            if slack < 0.0:
                n_near, slack = list_near(work, n_living, near), MARGIN
            met = push_listed(work, near, n_near)
        if not met:
            break
        farthest = 0.0
        for k in range(n_living):
            work[PLACE_X, k] += work[PUSH_X, k]
            work[PLACE_Y, k] += work[PUSH_Y, k]
            farthest = max(farthest, abs(work[PUSH_X, k]) + abs(work[PUSH_Y, k]))
        slack -= 2.0 * farthest
    for k in range(n_living):
        work[NEW_X, living[k]], work[NEW_Y, living[k]] = work[PLACE_X, k], work[PLACE_Y, k]


@device
def push_all(work, n_living):
    """Adds the pushes of one pass, of all pairs of living units; returns whether there are any."""
    met = False
    for k in range(n_living):
        x, y, size, touches = work[PLACE_X, k], work[PLACE_Y, k], work[SIZE, k], False
        for m in range(k + 1, n_living):
            dx, dy, both = x - work[PLACE_X, m], y - work[PLACE_Y, m], size + work[SIZE, m]
            touches |= dx * dx + dy * dy < both * both
        if touches:
            for m in range(k + 1, n_living):
                met |= push(work, k, m)
    return met


@device
def push_listed(work, near, n_near):
    """The same, of the first ``n_near`` pairs of ``near``."""
    met = False
    for p in range(n_near):
        met |= push(work, near[0, p], near[1, p])
    return met


@device
def list_near(work, n_living, near):
    """Fills ``near`` (2, pairs) with pairs of a plane whose gap is below MARGIN; returns their number."""
    n, found = np.uint64(n_living), np.uint64(0)
    for k in range(n):
        x, y, size, plane = work[PLACE_X, k], work[PLACE_Y, k], work[SIZE, k] + MARGIN, work[PLANE, k]
        for m in range(k + ONE, n):
            dx, dy, both = x - work[PLACE_X, m], y - work[PLACE_Y, m], size + work[SIZE, m]
            near[0, found], near[1, found] = k, m
            found += np.uint64((dx * dx + dy * dy < both * both) & (plane == work[PLANE, m]))
    return found


@device
def push(work, k, m):
    """Adds what pushes the ``k``-th and the ``m``-th living unit apart; returns whether they overlap."""
    dx, dy = work[PLACE_X, k] - work[PLACE_X, m], work[PLACE_Y, k] - work[PLACE_Y, m]
    both, squared = work[SIZE, k] + work[SIZE, m], dx * dx + dy * dy
    if squared >= both * both or work[PLANE, k] != work[PLANE, m]:
        return False
    distance = math.sqrt(squared)
    if distance < TOUCHING:
        dx, dy, part = -both, 0.0, 0.5
    else:
        part = 0.5 * (both / distance - 1.0)
    work[PUSH_X, k] += part * dx
    work[PUSH_Y, k] += part * dy
    work[PUSH_X, m] -= part * dx
    work[PUSH_Y, m] -= part * dy
    return True


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
