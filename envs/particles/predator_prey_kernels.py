"""Kernels of predator-prey; the task is described in ``predator_prey.py``.

Shapes: predator (B, N, 2) and prey (B, M, 2) float64; alive and seen (B, M) bool; metrics (B, 3) = catches,
sweeps, pair split.
"""

from __future__ import annotations

import math

from ..generator import uniform
from ..kernels import Kernel, device, prange
from .physics import squared_distance

TOUCH = 1.25
"""Reach of a predator in units of R: its own radius R and the prey's R/4."""
PAIR_REACH = 2.0
"""Team mates are together within this many R."""
PAIR_STEP = 5
"""The step after which the pair split is taken (VM3-AC paper, figure 6)."""
DRAWS = 1000
"""Guard: random starts tried before the farthest one is taken; with large radii no point is far enough."""

INCREMENT, DOUBLE, ADDITIVE = 1, 2, 3


@device
def draw_start(generator, b, i, predator, prey, clearance):
    """Puts predator ``i`` of copy ``b`` at a uniform point farther than ``clearance`` from every prey."""
    best = -1.0
    for _ in range(DRAWS):
        x, y = uniform(generator, b, 0.0, 1.0), uniform(generator, b, 0.0, 1.0)
        nearest = math.inf
        for j in range(prey.shape[1]):
            nearest = min(nearest, math.hypot(x - prey[b, j, 0], y - prey[b, j, 1]))
        if nearest > best:
            best = nearest
            predator[b, i, 0], predator[b, i, 1] = x, y
        if best > clearance:
            break


@device
def pair_split(predator, reach, b):
    """Members of copy ``b`` that have exactly one team mate within ``reach``."""
    n, paired = predator.shape[1], 0
    for i in range(n):
        mates = 0
        for j in range(n):
            mates += j != i and math.sqrt(squared_distance(predator, i, predator, j, b)) <= reach
        paired += mates == 1
    return paired


@device
def catch_copy(predator, prey, alive, n_coop, reach, b):
    """Removes the preys of copy ``b`` that enough predators touch; returns (how many, how many are left)."""
    caught, left = 0, 0
    for j in range(prey.shape[1]):
        if alive[b, j]:
            touching = 0
            for i in range(predator.shape[1]):
                touching += math.sqrt(squared_distance(predator, i, prey, j, b)) <= reach
            alive[b, j] = touching < n_coop
            caught += touching >= n_coop
            left += touching < n_coop
    return caught, left


@device
def prey_value(food, reward_type, sweeps):
    """What a prey is worth after ``sweeps`` completed sweeps."""
    if reward_type == INCREMENT:
        return food * (1.0 + sweeps)
    if reward_type == DOUBLE:
        return food * 2.0**sweeps
    if reward_type == ADDITIVE:
        return food + sweeps
    return food


@device
def observe_copy(predator, prey, alive, seen, metrics, legacy, observation, state, b):
    """Observation (B, N, obs) and state (B, state) of copy ``b``."""
    n, m = predator.shape[1], prey.shape[1]
    if legacy:
        observe_legacy(predator, prey, seen, observation, b)
    else:
        observe_relative(predator, prey, alive, observation, b)
    for k in range(2):
        for i in range(n):
            state[b, 2 * i + k] = predator[b, i, k]
        for j in range(m):
            state[b, 2 * (n + j) + k] = prey[b, j, k]
    for j in range(m):
        state[b, 2 * (n + m) + j] = alive[b, j]
    state[b, 2 * n + 3 * m] = metrics[b, 1]


@device
def observe_relative(predator, prey, alive, observation, b):
    """The default observation: self, others and preys relative to self, which preys are there."""
    n, m = predator.shape[1], prey.shape[1]
    for i in range(n):
        x, y = predator[b, i, 0], predator[b, i, 1]
        observation[b, i, 0], observation[b, i, 1] = x, y
        column = 2
        for j in range(n):
            if j != i:
                observation[b, i, column] = predator[b, j, 0] - x
                observation[b, i, column + 1] = predator[b, j, 1] - y
                column += 2
        for j in range(m):
            there = alive[b, j]
            observation[b, i, column] = prey[b, j, 0] - x if there else 0.0
            observation[b, i, column + 1] = prey[b, j, 1] - y if there else 0.0
            column += 2
        for j in range(m):
            observation[b, i, column + j] = alive[b, j]


@device
def observe_legacy(predator, prey, seen, observation, b):
    """The author's observation, the same for each member: absolute predators and preys."""
    n, m = predator.shape[1], prey.shape[1]
    for i in range(n):
        for k in range(2):
            for j in range(n):
                observation[b, i, 2 * j + k] = predator[b, j, k]
            for j in range(m):
                observation[b, i, 2 * (n + j) + k] = prey[b, j, k] if seen[b, j] else 0.0


def _start(
    mask, generator, predator, prey, alive, seen, uniform_preys, random_start, apart, clearance, jitter
):
    """New episodes for the copies in ``mask``; the preys of a grid stay where they are."""
    n = predator.shape[1]
    for b in prange(mask.size):
        if mask[b]:
            for j in range(prey.shape[1]):
                alive[b, j] = seen[b, j] = True
                if uniform_preys:
                    for k in range(2):
                        prey[b, j, k] = uniform(generator, b, 0.0, 1.0)
            for i in range(n):
                if random_start and (i == 0 or apart):
                    draw_start(generator, b, i, predator, prey, clearance)
                else:
                    for k in range(2):
                        predator[b, i, k] = predator[b, 0, k] if random_start else 0.5
            if jitter > 0.0:
                for i in range(n):
                    for k in range(2):
                        x = predator[b, i, k] + uniform(generator, b, -jitter, jitter)
                        predator[b, i, k] = min(max(x, 0.0), 1.0)


def _observe(predator, prey, alive, seen, metrics, legacy, observation, state):
    """Observations and states of all copies."""
    for b in prange(predator.shape[0]):
        observe_copy(predator, prey, alive, seen, metrics, legacy, observation, state, b)


def _step(
    actions,
    elapsed,
    predator,
    prey,
    alive,
    seen,
    n_coop,
    radius,
    scale,
    food,
    reward_type,
    legacy,
    metrics,
    observation,
    state,
    agent_reward,
    reward,
):
    """One step of all copies: move, catch, return of the preys, rewards, observations."""
    for b in prange(predator.shape[0]):
        n, m = predator.shape[1], prey.shape[1]
        for i in range(n):
            for k in range(2):
                predator[b, i, k] = min(max(predator[b, i, k] + scale * actions[b, i, k], 0.0), 1.0)
        for j in range(m):
            seen[b, j] = alive[b, j]
        caught, left = catch_copy(predator, prey, alive, n_coop, TOUCH * radius, b)
        reward[b] = caught * prey_value(food, reward_type, metrics[b, 1])
        for i in range(n):
            agent_reward[b, i] = reward[b]
        metrics[b, 0] += caught
        if left == 0:
            metrics[b, 1] += 1.0
            for j in range(m):
                alive[b, j] = True
        if elapsed[b] == PAIR_STEP:
            metrics[b, 2] = pair_split(predator, PAIR_REACH * radius, b)
        observe_copy(predator, prey, alive, seen, metrics, legacy, observation, state, b)


START, OBSERVE, STEP = Kernel(_start), Kernel(_observe), Kernel(_step)
