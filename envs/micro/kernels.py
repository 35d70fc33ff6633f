"""The compiled hooks of SMAC-like battles: free functions over batches."""

from __future__ import annotations

import numpy as np

from ..generator import uniform
from ..kernels import Kernel, device, prange
from .combat import act_all, bury, ready_units, recover
from .encoders import allow, measure_bodies, observe_members, write_state
from .facts import ALLIES_AT, ENEMIES_AT, HEALS, HIT, HP_MAX, JITTER, PASSES, SHIELD_MAX, TEAM, TICKS
from .layout import (
    BEFORE,
    EAST,
    ENERGY,
    ENERGY_AT_START,
    FIRST_TARGET,
    GOAL_X,
    GOAL_Y,
    HP,
    N_WORK,
    NORTH,
    SHIELD,
    SOUTH,
    STRIDE,
    STRUCK,
    WALKS,
    WEST,
    X,
    Y,
)
from .motion import push_apart, settle, walk
from .results import outcome, pay
from .targets import choose_targets

CHUNK = 16
"""Copies that share scratch arrays."""


@device
def give_orders(kind, pair, units, actions, b, target, work):
    """What the members' actions (B, N) make them do until the next step; orders that cannot be are void."""
    n = actions.shape[1]
    for i in range(n):
        action = actions[b, i]
        target[i], work[WALKS, i] = -1, 0.0
        if NORTH <= action <= WEST:
            work[WALKS, i] = 1.0
            work[GOAL_X, i] = units[X, i] + STRIDE * ((action == EAST) - (action == WEST))
            work[GOAL_Y, i] = units[Y, i] + STRIDE * ((action == NORTH) - (action == SOUTH))
        elif action >= FIRST_TARGET:
            slot = action - FIRST_TARGET
            if kind[HEALS, i] > 0.0:
                target[i] = slot
            elif pair[HIT, i, n + slot] > 0.0:
                target[i] = n + slot


@device
def send(work, first, end, point):
    """Makes units walk to a point while they have no target."""
    for i in range(first, end):
        work[WALKS, i], work[GOAL_X, i], work[GOAL_Y, i] = 1.0, point[0], point[1]


@device
def play_copy(kind, pair, rules, walkable, generator, b, units, target, work, chosen, lists, near, scripted):
    """Eight ticks of copy ``b``; ``scripted`` lets the enemies' script play the allies as well."""
    living, ready = lists[0], lists[1]
    n_units, n_allies, n_living = units.shape[1], 0, 0
    for i in range(n_units):
        units[STRUCK, i] = 0.0
        if units[HP, i] > 0.0:
            living[n_living] = i
            n_living += 1
            n_allies += i < rules[TEAM]
    send(work, int(rules[TEAM]), n_units, ALLIES_AT)
    for _ in range(TICKS):
        choose_targets(kind, pair, rules, units, target, chosen, living, n_allies, n_living, 0, n_allies)
        if scripted:
            choose_targets(kind, pair, rules, units, target, chosen, living, 0, n_allies, n_allies, n_living)
        for k in range(0 if scripted else n_allies, n_living):
            target[living[k]] = chosen[living[k]]
        walk(kind, pair, units, target, work, living, n_living)
        push_apart(kind, int(rules[PASSES]), work, living, n_living, near)
        settle(kind, walkable, units, work, living, n_living)
        recover(kind, units, living, n_living)
        n_ready = ready_units(pair, units, target, living, n_living, ready)
        if n_ready > 0:
            act_all(
                kind, pair, rules, generator, b, units, target, living, n_allies, n_living, ready, n_ready
            )
            n_allies, n_living = bury(units, target, living, n_allies, n_living)


@device
def show_copy(kind, shown, walkable, units, parts, last, n_actions, observation, state, b):
    """Observation (B, N, obs) and state (B, state) of copy ``b``."""
    measure_bodies(kind, units, parts)
    observe_members(kind, shown, walkable, units, parts, observation, b)
    write_state(kind, shown, units, parts, last, n_actions, state, b)


def _start(mask, facts, generator, units, target, last):
    """New episodes for the copies in ``mask``."""
    kind, start, jitter = facts.kind, facts.start, facts.rules[JITTER]
    for b in prange(mask.size):
        if mask[b]:
            for i in range(units.shape[2]):
                for row in range(units.shape[1]):
                    units[b, row, i] = 0.0
                for row in (X, Y):
                    units[b, row, i] = start[row, i]
                    if jitter > 0.0:
                        units[b, row, i] += uniform(generator, b, -jitter, jitter)
                units[b, HP, i] = kind[HP_MAX, i]
                units[b, SHIELD, i] = kind[SHIELD_MAX, i]
                units[b, ENERGY, i] = ENERGY_AT_START * kind[HEALS, i]
                target[b, i] = -1
            for i in range(last.shape[1]):
                last[b, i] = -1


def _allow(facts, units, mask):
    """The allowed actions of all copies (B, N, n)."""
    kind, walkable = facts.kind, facts.walkable
    for b in prange(units.shape[0]):
        allow(kind, walkable, units[b], mask, b)


def _observe(facts, units, last, n_actions, observation, state):
    """Observations and states of all copies."""
    kind, shown, walkable = facts.kind, facts.shown, facts.walkable
    for b in prange(units.shape[0]):
        parts = np.empty((2, units.shape[2]))
        show_copy(kind, shown, walkable, units[b], parts, last[b], n_actions, observation, state, b)


def _step(
    actions,
    elapsed,
    horizon,
    n_actions,
    scripted,
    facts,
    generator,
    units,
    target,
    last,
    battles,
    metrics,
    observation,
    state,
    agent_reward,
    reward,
    terminated,
):
    """One step of all copies: orders, eight ticks, result, reward, observations.

    Args:
        actions: (B, N) int64.
        elapsed: (B,) int64, steps of the episode with this one.
        horizon: steps of an episode.
        n_actions: n.
        scripted: whether the allies follow the enemies' script instead of their actions.
        facts: Facts.
        generator: (B,) uint64.
        units: (B, rows, U) float64, brought up to date.
        target: (B, U) int64, likewise.
        last: (B, N) int64, receives the actions.
        battles: (B, 3) int64, battles won, fought and timed out, counted on.
        metrics: (B, 3), won, dead allies, dead enemies.
        observation: (B, N, obs), filled.
        state: (B, state), filled.
        agent_reward: (B, N), filled.
        reward: (B,), filled.
        terminated: (B,) bool, filled.
    """
    # Taken out once: each access to a field of the tuple counts references.
    kind, pair, rules, walkable = facts.kind, facts.pair, facts.rules, facts.walkable
    rates, shown, n = facts.reward, facts.shown, actions.shape[1]
    n_envs, n_units = units.shape[0], units.shape[2]
    for chunk in prange((n_envs + CHUNK - 1) // CHUNK):
        work, chosen = np.zeros((N_WORK, n_units)), np.zeros(n_units, np.int64)
        lists = np.zeros((2, n_units), np.uint32)
        near = np.empty((2, n_units * (n_units - 1) // 2 + 1), np.uint32)
        for b in range(chunk * CHUNK, min((chunk + 1) * CHUNK, n_envs)):
            own, aims, chose = units[b], target[b], last[b]  # a slice a step, not one an access
            for i in range(n_units):
                work[BEFORE, i] = own[HP, i] + own[SHIELD, i]
            if scripted:
                send(work, 0, n, ENEMIES_AT)
            else:
                give_orders(kind, pair, own, actions, b, aims, work)
            play_copy(
                kind, pair, rules, walkable, generator, b, own, aims, work, chosen, lists, near, scripted
            )
            result = outcome(kind, own, n)
            reward[b] = pay(rates, own, n, work, result, metrics, b)
            terminated[b] = result != 2
            late = result == 2 and elapsed[b] >= horizon
            battles[b, 0] += result == 1
            battles[b, 1] += result != 2 or late
            battles[b, 2] += late
            for i in range(n):
                agent_reward[b, i] = reward[b]
                chose[i] = actions[b, i]
            show_copy(kind, shown, walkable, own, work, chose, n_actions, observation, state, b)


START, ALLOW, OBSERVE, STEP = Kernel(_start), Kernel(_allow), Kernel(_observe), Kernel(_step)
