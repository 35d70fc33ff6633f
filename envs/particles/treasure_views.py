"""What members and critics see of treasure collection; shapes as in ``treasure_kernels.py``."""

from __future__ import annotations

import math

from ..kernels import device
from .physics import squared_distance

FREE = -1
"""Load of a collector that carries nothing."""
GRAVE = -999.0
"""Both coordinates of a treasure that has been taken away, as in the sources."""


@device
def measure_treasures(position, treasure, hidden, distance, b):
    """Distances to the treasures of copy ``b``; infinite to those taken away if they are ``hidden``."""
    n = position.shape[1]
    for j in range(treasure.shape[1]):
        gone = hidden and treasure[b, j, 0] == GRAVE
        for i in range(n):
            square = math.inf if gone else squared_distance(position, i, treasure, j, b)
            distance[b, i, n + j] = math.sqrt(square)


@device
def measure_copy(position, treasure, hidden, distance, b):
    """All distances of copy ``b``."""
    n = position.shape[1]
    for i in range(n):
        distance[b, i, i] = 0.0
        for j in range(i + 1, n):
            apart = math.sqrt(squared_distance(position, i, position, j, b))
            distance[b, i, j] = distance[b, j, i] = apart
    measure_treasures(position, treasure, hidden, distance, b)


@device
def sort_nearest(distance, order, i, first, last, b):
    """Sorts what lies in columns ``first`` to ``last`` (excluded) of member ``i``'s distances, but itself.

    Fills the front of ``order[b]`` with columns by (distance, column) and returns how many there are.
    """
    count = 0
    for j in range(first, last):
        if j == i:
            continue
        place = count
        while place > 0 and distance[b, i, order[b, place - 1]] > distance[b, i, j]:
            order[b, place] = order[b, place - 1]
            place -= 1
        order[b, place] = j
        count += 1
    return count


@device
def observe_copy(position, velocity, load, treasure, kind, distance, order, n_visible, observation, b):
    """Observation (B, N, obs) of copy ``b``, zero beyond a member's size; see ``treasure.py`` for the layout.

    Treasures at an infinite distance show as zeros.
    """
    c, n, n_kinds = load.shape[1], position.shape[1], position.shape[1] - load.shape[1]
    for i in range(n):
        x, y = position[b, i, 0], position[b, i, 1]
        for column in range(observation.shape[2]):
            observation[b, i, column] = 0.0
        observation[b, i, 0], observation[b, i, 1] = x, y
        observation[b, i, 2], observation[b, i, 3] = velocity[b, i, 0], velocity[b, i, 1]
        column = 4
        if i < c:
            if load[b, i] != FREE:
                observation[b, i, column + load[b, i]] = 1.0
            column += n_kinds
        for place in range(min(sort_nearest(distance, order, i, 0, n, b), n_visible)):
            j = order[b, place]
            observation[b, i, column] = position[b, j, 0] - x
            observation[b, i, column + 1] = position[b, j, 1] - y
            observation[b, i, column + 2] = velocity[b, j, 0]
            observation[b, i, column + 3] = velocity[b, j, 1]
            if j >= c:
                observation[b, i, column + 4 + j - c] = 1.0
            elif load[b, j] != FREE:
                observation[b, i, column + 4 + n_kinds + load[b, j]] = 1.0
            column += 4 + 2 * n_kinds
        for place in range(min(sort_nearest(distance, order, i, n, distance.shape[2], b), n_visible)):
            if distance[b, i, order[b, place]] < math.inf:
                j = order[b, place] - n
                observation[b, i, column] = treasure[b, j, 0] - x
                observation[b, i, column + 1] = treasure[b, j, 1] - y
                observation[b, i, column + 2 + kind[b, j]] = 1.0
            column += 2 + n_kinds


@device
def state_copy(position, velocity, load, treasure, kind, state, b):
    """State (B, state) of copy ``b``; treasures that have been taken away are zeros."""
    c, n = load.shape[1], position.shape[1]
    n_kinds = n - c
    for column in range(4 * n, state.shape[1]):
        state[b, column] = 0.0
    for i in range(n):
        for k in range(2):
            state[b, 2 * i + k] = position[b, i, k]
            state[b, 2 * (n + i) + k] = velocity[b, i, k]
    column = 4 * n
    for i in range(c):
        if load[b, i] != FREE:
            state[b, column + load[b, i]] = 1.0
        column += n_kinds
    for j in range(kind.shape[1]):
        if treasure[b, j, 0] != GRAVE:
            state[b, column], state[b, column + 1] = treasure[b, j, 0], treasure[b, j, 1]
            state[b, column + 2 + kind[b, j]] = 1.0
        column += 2 + n_kinds
