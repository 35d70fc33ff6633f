"""The scripted reference of treasure collection: a collector a treasure, and banks that come to meet them."""

from __future__ import annotations

import numpy as np

from ..team import TeamSpec

COAST = 0.14
"""Members steer from where they will be after coasting for this time (they would stop after 0.3)."""
ROOM = 0.2
"""Collectors closer than this push away from each other."""
EXPECTED = 0.4
"""What a collector on its way to a treasure weighs for the treasure's bank, next to one that carries it."""
NEAR = 0.05
"""Added to distances before they are inverted."""
FAR = 100.0
"""Treasures farther off than this have been taken away."""


def collecting_policy(team: TeamSpec):
    """Free collectors are matched with treasures, the nearest pair first; loaded ones run to their bank.

    A bank runs to the mean of the collectors that carry or fetch something for it, weighted by the inverse
    square of the way that is left. Everybody runs with full force; collectors keep apart. Tuned by hand on
    the tasks with 4 and 8 members: good, not optimal.

    Args:
        team: a treasure collection task, any setting.

    Returns:
        A function from observations (B, N, obs) to actions (B, N, 2).
    """
    d, values = team.settings["n_banks"], team.settings
    c = team.n_agents - d
    shown = min(values["n_visible"], values["n_treasures"])
    first = 4 + d + min(values["n_visible"], team.n_agents - 1) * (4 + 2 * d)

    def act(observation: np.ndarray) -> np.ndarray:
        observation = observation.astype(np.float64)
        position, velocity = observation[:, :, 0:2], observation[:, :, 2:4]
        load = observation[:, :c, 4 : 4 + d]
        free = load.sum(-1) < 0.5
        treasures = observation[:, :c, first : first + shown * (2 + d)].reshape(-1, c, shown, 2 + d)
        there = treasures[..., 2:].any(-1) & (np.abs(treasures[..., 0]) < FAR)
        place = position[:, :c, None] + treasures[..., :2]
        ahead = position + COAST * velocity
        way = np.linalg.norm(place - ahead[:, :c, None], axis=-1)
        chosen, way = _match(np.where(there & free[..., None], way, np.inf), place)
        busy = np.isfinite(way)

        target = ahead.copy()
        at = chosen[..., None, None]
        target[:, :c][busy] = np.take_along_axis(place, at, 2)[:, :, 0][busy]
        target[:, :c][~free] = (load[..., None] * position[:, None, c:]).sum(2)[~free]
        coming = np.take_along_axis(treasures[..., 2:], at, 2)[:, :, 0] * busy[..., None]
        extra = np.where(busy, way, 0.0)
        for k in range(d):
            gap = np.linalg.norm(ahead[:, :c] - ahead[:, c + k, None], axis=-1) + extra + NEAR
            weight = (load[..., k] + EXPECTED * coming[..., k]) / gap**2
            total = weight.sum(1)
            mean = (weight[..., None] * ahead[:, :c]).sum(1) / np.maximum(total, 1e-9)[:, None]
            target[:, c + k] = np.where(total[:, None] > 0, mean, ahead[:, :c].mean(1))
        return _forces(target - ahead, ahead[:, :c])

    return act


def _match(way: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs collectors and treasures, shortest way first, each once.

    Every collector has a list of its own, so a treasure is known again by its place.

    Args:
        way: (B, C, J), infinite where there is nothing to fetch.
        place: (B, C, J, 2), absolute.

    Returns:
        Each collector's entry of its list (B, C), and the way to it (B, C), infinite without a treasure.
    """
    n_copies, c, shown = way.shape
    chosen, length = np.zeros((n_copies, c), np.int64), np.full((n_copies, c), np.inf)
    for _ in range(c):
        best = way.reshape(n_copies, -1).argmin(-1)
        i, j = best // shown, best % shown
        copies = np.flatnonzero(np.isfinite(way[np.arange(n_copies), i, j]))
        i, j = i[copies], j[copies]
        chosen[copies, i], length[copies, i] = j, way[copies, i, j]
        spot = place[copies, i, j][:, None, None]
        way[copies, i] = np.inf
        claimed = np.linalg.norm(place[copies] - spot, axis=-1) < 1e-3
        way[copies] = np.where(claimed, np.inf, way[copies])
    return chosen, length


def _forces(wish: np.ndarray, collector: np.ndarray) -> np.ndarray:
    """Full forces along ``wish`` (B, N, 2), bent so that the collectors (B, C, 2) keep apart."""
    force = wish / np.maximum(np.abs(wish).max(-1, keepdims=True), 1e-9)
    c = collector.shape[1]
    gap = collector[:, :, None] - collector[:, None]
    distance = np.maximum(np.linalg.norm(gap, axis=-1), 1e-3)
    push = np.maximum(0.0, ROOM / distance - 1.0) / distance
    force[:, :c] += (push[..., None] * gap).sum(2)
    return force / np.maximum(np.abs(force).max(-1, keepdims=True), 1.0)
