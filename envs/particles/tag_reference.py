"""The scripted reference of tag: groups of predators run at where their prey is going to be."""

from __future__ import annotations

import numpy as np

from ..team import TeamSpec

LEAD = 0.3
"""Time by which a prey's motion is foreseen, at most."""
PULL, MATCH = 6.0, 1.2
"""Action for each unit of distance, and of the velocity that is lacking to the prey's; set by trial."""
FAR = 1e6


def chasing_policy(team: TeamSpec):
    """Each prey is chased by a group of predators, the nearest ones that no other prey has.

    Preys choose their groups in turn, one predator at a time, so that groups are of equal size and close by.
    If there are too few predators to give every prey ``n_captors`` of them, only as many preys as can be
    captured are chased. Each predator is pulled to where the prey is going to be, and takes on the prey's
    velocity: one that bumps into a prey only knocks it away.

    Members tell each other what they see. A prey that nobody sees is looked for at the centre.

    Args:
        team: a tag task.

    Returns:
        A function from observations (B, N, obs) to actions (B, N, 2).
    """
    n, settings = team.n_agents, team.settings
    m, first = settings["n_preys"], 4 + 2 * settings["n_obstacles"] + 2 * (n - 1)
    hunted = min(m, n // settings["n_captors"])

    def act(observation: np.ndarray) -> np.ndarray:
        observation = observation.astype(np.float64)
        position = observation[:, :, 2:4]
        prey, speed = _locate(
            position, *np.split(observation[:, :, first:].reshape(-1, n, 2 * m, 2), 2, axis=2)
        )
        apart = np.linalg.norm(position[:, :, None] - prey[:, None], axis=-1)
        mine = _assign(apart, hunted)
        target = np.take_along_axis(prey, mine[..., None], 1)
        motion = np.take_along_axis(speed, mine[..., None], 1)
        distance = np.take_along_axis(apart, mine[..., None], 2)
        way = target + np.minimum(distance, LEAD) * motion - position
        return np.clip(PULL * way + MATCH * (motion - observation[:, :, 0:2]), -1.0, 1.0)

    return act


def _locate(position: np.ndarray, relative: np.ndarray, speed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the preys are and how fast (B, M, 2) each, from what the members (B, N, M, 2) see of them."""
    seen = (relative != 0.0).any(-1, keepdims=True)
    witnesses = np.maximum(seen.sum(1), 1)
    place = np.where(seen, position[:, :, None] + relative, 0.0).sum(1) / witnesses
    return place, np.where(seen, speed, 0.0).sum(1) / witnesses


def _assign(apart: np.ndarray, hunted: int) -> np.ndarray:
    """Which prey each predator chases (B, N), from their distances (B, N, M)."""
    copies, n = np.arange(len(apart)), apart.shape[1]
    order = apart.min(1).argsort(-1)[:, :hunted]
    chosen = np.zeros(apart.shape[:2], np.int64)
    free = np.ones(apart.shape[:2], np.bool_)
    for turn in range(n):
        prey = order[:, turn % hunted]
        member = np.where(free, apart[copies, :, prey], FAR).argmin(-1)
        chosen[copies, member] = prey
        free[copies, member] = False
    return chosen
