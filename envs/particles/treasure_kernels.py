"""Kernels of treasure collection; the task is described in ``treasure.py``.

Shapes: position and velocity (B, N, 2), collectors first; load (B, C) int64, the kind that a collector
carries or ``FREE``; treasure (B, J, 2), at ``GRAVE`` while taken away; kind (B, J) int64; distance
(B, N, N + J), between a member and the members, then the treasures; order (B, max(N, J)) int64, scratch;
metrics (B, 3) = pickups, deliveries, collisions. Bank d is member C + d and takes treasures of kind d.
"""

from __future__ import annotations

import math

from ..generator import uniform
from ..kernels import Kernel, device, prange
from ..rewards import share_rewards
from .physics import add_weighted_contacts, integrate_limited
from .treasure_views import (
    FREE,
    GRAVE,
    measure_copy,
    measure_treasures,
    observe_copy,
    sort_nearest,
    state_copy,
)

COLLECTOR_RADIUS, BANK_RADIUS, TREASURE_RADIUS = 0.05, 0.075, 0.025
COLLECTOR_MASS, BANK_MASS = 1.0, 2.25
MAX_SPEED = 1.0
TREASURE_RANGE = 0.95
"""Treasures appear in [-0.95, 0.95]^2."""
EVENT_REWARD, COLLISION_PENALTY, DISTANCE_WEIGHT = 5.0, 5.0, 0.1


@device
def put_treasure(generator, treasure, kind, n_kinds, j, b):
    """Puts treasure ``j`` of copy ``b`` at a uniform place and gives it a uniform kind."""
    for k in range(2):
        treasure[b, j, k] = uniform(generator, b, -TREASURE_RANGE, TREASURE_RANGE)
    kind[b, j] = min(int(uniform(generator, b, 0.0, n_kinds)), n_kinds - 1)


@device
def settle_copy(generator, load, treasure, kind, distance, n_kinds, b):
    """Events of copy ``b``: pickups and returns of treasures in their order, then deliveries.

    Returns:
        How many pickups, how many deliveries.
    """
    c, n = load.shape[1], distance.shape[1]
    pickups, deliveries = 0, 0
    for j in range(treasure.shape[1]):
        if treasure[b, j, 0] == GRAVE:
            put_treasure(generator, treasure, kind, n_kinds, j, b)
            continue
        for i in range(c):
            if load[b, i] == FREE and distance[b, i, n + j] < COLLECTOR_RADIUS + TREASURE_RADIUS:
                load[b, i] = kind[b, j]
                treasure[b, j, 0] = treasure[b, j, 1] = GRAVE
                pickups += 1
                break
    for i in range(c):
        if load[b, i] != FREE and distance[b, i, c + load[b, i]] < COLLECTOR_RADIUS + BANK_RADIUS:
            load[b, i] = FREE
            deliveries += 1
    return pickups, deliveries


@device
def contacts_in(load, distance, b):
    """Touching pairs of copy ``b``: (free collector, treasure) and (loaded collector, its bank)."""
    c, n = load.shape[1], distance.shape[1]
    pairs = 0
    for i in range(c):
        if load[b, i] == FREE:
            for j in range(n, distance.shape[2]):
                pairs += distance[b, i, j] < COLLECTOR_RADIUS + TREASURE_RADIUS
        else:
            pairs += distance[b, i, c + load[b, i]] < COLLECTOR_RADIUS + BANK_RADIUS
    return pairs


@device
def bank_gap(position, load, distance, order, n_visible, bank, b):
    """How far bank member ``bank`` is from the nearest collector with a load for it.

    Without one, its distance from the mean of its ``n_visible`` nearest collectors.
    """
    c = load.shape[1]
    nearest = math.inf
    for i in range(c):
        if load[b, i] == bank - c:
            nearest = min(nearest, distance[b, bank, i])
    if nearest < math.inf:
        return nearest
    count = sort_nearest(distance, order, bank, 0, c, b)
    count = min(count, n_visible)
    x, y = 0.0, 0.0
    for place in range(count):
        x += position[b, order[b, place], 0]
        y += position[b, order[b, place], 1]
    return math.hypot(x / count - position[b, bank, 0], y / count - position[b, bank, 1])


@device
def score_copy(position, load, distance, order, n_visible, events, own, metrics, b):
    """What each member earns ``own`` (B, N), and the collisions of copy ``b``.

    ``events`` is what the team is paid for: touching pairs (MAAC) or pickups and deliveries (mpe2).
    """
    c, n = load.shape[1], position.shape[1]
    for i in range(c):
        gap = math.inf
        if load[b, i] == FREE:
            for j in range(n, distance.shape[2]):
                gap = min(gap, distance[b, i, j])
        else:
            gap = distance[b, i, c + load[b, i]]
        own[b, i] = EVENT_REWARD * events
        if gap < math.inf:
            own[b, i] -= DISTANCE_WEIGHT * gap
    for bank in range(c, n):
        gap = bank_gap(position, load, distance, order, n_visible, bank, b)
        own[b, bank] = EVENT_REWARD * events - DISTANCE_WEIGHT * gap
    for i in range(c):
        for j in range(i + 1, c):
            if distance[b, i, j] < 2 * COLLECTOR_RADIUS:
                own[b, i] -= COLLISION_PENALTY
                own[b, j] -= COLLISION_PENALTY
                metrics[b, 2] += 1.0


@device
def show_copy(load, treasure, kind, seen_load, seen_treasure, seen_kind, b):
    """What members see of loads and treasures becomes what is there in copy ``b``."""
    for i in range(load.shape[1]):
        seen_load[b, i] = load[b, i]
    for j in range(kind.shape[1]):
        seen_kind[b, j] = kind[b, j]
        for k in range(2):
            seen_treasure[b, j, k] = treasure[b, j, k]


def _start(mask, generator, position, velocity, load, treasure, kind, seen_load, seen_treasure, seen_kind):
    """New episodes for the copies in ``mask``: members, then treasures, uniform; nobody carries anything."""
    n_kinds = position.shape[1] - load.shape[1]
    for b in prange(mask.size):
        if mask[b]:
            for i in range(position.shape[1]):
                for k in range(2):
                    position[b, i, k] = uniform(generator, b, -1.0, 1.0)
                    velocity[b, i, k] = 0.0
            for i in range(load.shape[1]):
                load[b, i] = FREE
            for j in range(kind.shape[1]):
                put_treasure(generator, treasure, kind, n_kinds, j, b)
            show_copy(load, treasure, kind, seen_load, seen_treasure, seen_kind, b)


def _observe(
    position,
    velocity,
    load,
    treasure,
    kind,
    seen_load,
    seen_treasure,
    seen_kind,
    distance,
    order,
    hidden,
    n_visible,
    observation,
    state,
):
    """Observations and states of all copies."""
    for b in prange(position.shape[0]):
        measure_copy(position, seen_treasure, hidden, distance, b)
        observe_copy(
            position,
            velocity,
            seen_load,
            seen_treasure,
            seen_kind,
            distance,
            order,
            n_visible,
            observation,
            b,
        )
        state_copy(position, velocity, load, treasure, kind, state, b)


def _step(
    actions,
    generator,
    position,
    velocity,
    load,
    treasure,
    kind,
    seen_load,
    seen_treasure,
    seen_kind,
    force,
    distance,
    order,
    own,
    radius,
    mass,
    strength,
    max_speed,
    mpe2,
    hidden,
    n_visible,
    individual,
    metrics,
    observation,
    state,
    agent_reward,
    reward,
):
    """One step of all copies: motion, then events before (mpe2) or after (MAAC) rewards and observations."""
    n_kinds = position.shape[1] - load.shape[1]
    for b in prange(position.shape[0]):
        for i in range(position.shape[1]):
            for k in range(2):
                force[b, i, k] = strength[i] * actions[b, i, k]
        if not mpe2:
            add_weighted_contacts(position, radius, mass, force, b)
        integrate_limited(position, velocity, force, mass, max_speed, mpe2, b)
        measure_copy(position, treasure, hidden, distance, b)
        pickups, deliveries = 0, 0
        if mpe2:
            pickups, deliveries = settle_copy(generator, load, treasure, kind, distance, n_kinds, b)
            measure_treasures(position, treasure, hidden, distance, b)
        events = pickups + deliveries if mpe2 else contacts_in(load, distance, b)
        score_copy(position, load, distance, order, n_visible, events, own, metrics, b)
        share_rewards(own, individual, b, agent_reward, reward)
        observe_copy(position, velocity, load, treasure, kind, distance, order, n_visible, observation, b)
        show_copy(load, treasure, kind, seen_load, seen_treasure, seen_kind, b)
        if not mpe2:
            pickups, deliveries = settle_copy(generator, load, treasure, kind, distance, n_kinds, b)
        metrics[b, 0] += pickups
        metrics[b, 1] += deliveries
        state_copy(position, velocity, load, treasure, kind, state, b)


START, OBSERVE, STEP = Kernel(_start), Kernel(_observe), Kernel(_step)
