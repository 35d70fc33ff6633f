"""Kernels of tag; the task is described in ``tag.py``.

Shapes: position, velocity and force (B, N + M, 2), predators, then preys; obstacle (B, L, 2); all float64.
metrics (B, 3) = captures, touches, prey distance.
"""

from __future__ import annotations

import math

from ..generator import uniform
from ..kernels import Kernel, device, prange
from ..rewards import share_rewards
from .physics import add_weighted_contacts, integrate_limited, push, squared_distance
from .tag_prey import OBSTACLE_RADIUS, PREDATOR_RADIUS, PREY_RADIUS, prey_force

PREDATOR_FORCE = 3.0
"""Force of a full action of a predator."""
PREDATOR_SPEED, PREY_SPEED = 1.0, 1.3
"""Speed limits."""
OBSTACLE_RANGE = 0.9
"""Obstacles start in [-0.9, 0.9]^2."""


@device
def move_copy(position, velocity, obstacle, force, radius, mass, max_speed, old_velocity_moves, b):
    """Adds all contact forces of copy ``b`` to ``force`` and moves its particles.

    ``radius``, ``mass`` and ``max_speed`` are (N + M,); ``old_velocity_moves`` chooses mpe2's order (position
    first) instead of OpenAI's.
    """
    add_weighted_contacts(position, radius, mass, force, b)
    for i in range(position.shape[1]):
        for j in range(obstacle.shape[1]):
            dx, dy = position[b, i, 0] - obstacle[b, j, 0], position[b, i, 1] - obstacle[b, j, 1]
            x, y = push(dx, dy, radius[i] + OBSTACLE_RADIUS)
            force[b, i, 0] += x
            force[b, i, 1] += y
    integrate_limited(position, velocity, force, mass, max_speed, old_velocity_moves, b)


@device
def score_copy(position, n_captors, value, once, shared, steps, own, metrics, b):
    """What each predator earns ``own`` (B, N) in copy ``b``, and the metrics after ``steps`` steps.

    A prey is captured when at least ``n_captors`` predators touch it. It pays ``value`` for each of them, or
    ``once`` in all; to every predator if ``shared``, else to those that touch (their share of it if once).
    """
    n, m = own.shape[1], position.shape[1] - own.shape[1]
    for i in range(n):
        own[b, i] = 0.0
    gap = 0.0
    for j in range(n, n + m):
        touching, nearest = 0, math.inf
        for i in range(n):
            distance = math.sqrt(squared_distance(position, i, position, j, b))
            touching += distance < PREDATOR_RADIUS + PREY_RADIUS
            nearest = min(nearest, distance)
        gap += nearest / m
        metrics[b, 1] += touching
        if touching < n_captors:
            continue
        metrics[b, 0] += 1.0
        for i in range(n):
            if shared:
                own[b, i] += value if once else value * touching
            elif math.sqrt(squared_distance(position, i, position, j, b)) < PREDATOR_RADIUS + PREY_RADIUS:
                own[b, i] += value / touching if once else value
    metrics[b, 2] += (gap - metrics[b, 2]) / steps


@device
def observe_copy(position, velocity, obstacle, sight, observation, state, b):
    """Observation (B, N, obs) and state (B, state) of copy ``b``; what is beyond ``sight`` shows as zeros."""
    total, n = position.shape[1], observation.shape[1]
    for i in range(n):
        for k in range(2):
            observation[b, i, k] = velocity[b, i, k]
            observation[b, i, 2 + k] = position[b, i, k]
        column = 4
        for j in range(obstacle.shape[1]):
            seen = math.sqrt(squared_distance(position, i, obstacle, j, b)) <= sight
            for k in range(2):
                observation[b, i, column + k] = obstacle[b, j, k] - position[b, i, k] if seen else 0.0
            column += 2
        speeds = column + 2 * (total - 1)
        for j in range(total):
            if j == i:
                continue
            seen = math.sqrt(squared_distance(position, i, position, j, b)) <= sight
            for k in range(2):
                observation[b, i, column + k] = position[b, j, k] - position[b, i, k] if seen else 0.0
                if j >= n:
                    observation[b, i, speeds + 2 * (j - n) + k] = velocity[b, j, k] if seen else 0.0
            column += 2
    for k in range(2):
        for i in range(total):
            state[b, 2 * i + k] = position[b, i, k]
            state[b, 2 * (total + i) + k] = velocity[b, i, k]
        for j in range(obstacle.shape[1]):
            state[b, 2 * (2 * total + j) + k] = obstacle[b, j, k]


def _start(mask, generator, position, velocity, obstacle):
    """New episodes for the copies in ``mask``: predators, preys, obstacles, all uniform."""
    for b in prange(mask.size):
        if mask[b]:
            for i in range(position.shape[1]):
                for k in range(2):
                    position[b, i, k] = uniform(generator, b, -1.0, 1.0)
                    velocity[b, i, k] = 0.0
            for j in range(obstacle.shape[1]):
                for k in range(2):
                    obstacle[b, j, k] = uniform(generator, b, -OBSTACLE_RANGE, OBSTACLE_RANGE)


def _observe(position, velocity, obstacle, sight, observation, state):
    """Observations and states of all copies."""
    for b in prange(position.shape[0]):
        observe_copy(position, velocity, obstacle, sight, observation, state, b)


def _step(
    actions,
    elapsed,
    generator,
    position,
    velocity,
    obstacle,
    force,
    radius,
    mass,
    max_speed,
    own,
    prey_rule,
    mpe2,
    sight,
    n_captors,
    value,
    once,
    shared,
    metrics,
    observation,
    state,
    agent_reward,
    reward,
):
    """One step of all copies: preys choose, forces from the present positions, motion, rewards."""
    for b in prange(position.shape[0]):
        n = actions.shape[1]
        for i in range(n):
            for k in range(2):
                force[b, i, k] = PREDATOR_FORCE * actions[b, i, k]
        prey_force(generator, position, force, n, prey_rule, b)
        move_copy(position, velocity, obstacle, force, radius, mass, max_speed, mpe2, b)
        score_copy(position, n_captors, value, once, shared, elapsed[b], own, metrics, b)
        share_rewards(own, True, b, agent_reward, reward)
        observe_copy(position, velocity, obstacle, sight, observation, state, b)


START, OBSERVE, STEP = Kernel(_start), Kernel(_observe), Kernel(_step)
