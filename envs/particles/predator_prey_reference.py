"""The scripted reference of predator-prey: groups hunt the nearest prey that no other group hunts."""

from __future__ import annotations

import numpy as np

from ..team import TeamSpec

TIE_DECIMALS = 5
"""Distances that agree to this many decimals are equal; the prey that comes first is taken."""


def hunting_policy(team: TeamSpec):
    """Members form groups of ``n_coop`` in member order; each group runs at the nearest unclaimed prey.

    Groups choose in order, by the distance of the group's mean position; a group that finds every prey
    claimed takes the nearest one. Members left over (N not a multiple of ``n_coop``) join the last group.

    Args:
        team: a predator-prey task.

    Returns:
        A function from observations (B, N, obs) to actions (B, N, 2).
    """
    n, m, n_coop = team.n_agents, team.settings["n_preys"], team.settings["n_coop"]
    scale, legacy = team.settings["scale"], team.settings["legacy_obs"]
    n_groups = n // n_coop
    group = np.minimum(np.arange(n) // n_coop, n_groups - 1)

    def act(observation: np.ndarray) -> np.ndarray:
        position, prey, present = (_legacy_view if legacy else _view)(observation, n, m)
        copies = np.arange(len(observation))
        free = present.copy()
        action = np.empty((len(observation), n, 2))
        for g in range(n_groups):
            members = np.flatnonzero(group == g)
            distance = np.linalg.norm(prey - position[:, members].mean(1, keepdims=True), axis=-1)
            # On a grid many distances tie; without this the rounding of float32 would choose.
            distance = distance.round(TIE_DECIMALS)
            open_to_all = np.where(free.any(-1, keepdims=True), free, present)
            chosen = np.where(open_to_all, distance, np.inf).argmin(-1)
            free[copies, chosen] = False
            action[:, members] = (prey[copies, chosen][:, None] - position[:, members]) / scale
        return np.clip(action, -1.0, 1.0)

    return act


def _view(observation: np.ndarray, n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From the default layout: predators (B, N, 2), preys (B, M, 2), which preys are there (B, M)."""
    position = observation[:, :, 0:2]
    relative = observation[:, 0, 2 * n : 2 * (n + m)].reshape(-1, m, 2)
    return position, position[:, :1] + relative, observation[:, 0, 2 * (n + m) :] > 0.5


def _legacy_view(observation: np.ndarray, n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same from the author's layout, where a prey at exactly (0, 0) is one that has been caught."""
    position = observation[:, 0, : 2 * n].reshape(-1, n, 2)
    prey = observation[:, 0, 2 * n :].reshape(-1, m, 2)
    return position, prey, (prey != 0.0).any(-1)
