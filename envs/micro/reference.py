"""The scripted references of SMAC-like battles: focus fire, and kiting where a team outruns and outranges."""

from __future__ import annotations

import numpy as np

from ..base import ReferencePolicy
from ..team import TeamSpec
from .layout import FIRST_TARGET, NO_OP, NORTH, SHOOT, SIGHT, STOP
from .settings import MicroSettings
from .units import Unit, kinds_shown
from .units import team as composition

NEAR, FAR = 1e4, 1e6
DANGER = 3.6
"""Distance of the closest enemy below which a kiting member runs."""
WAYS = np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0], [-1.0, 0.0]])
"""Of the actions NORTH, SOUTH, EAST, WEST."""
STEP_LENGTH, FOLLOWING = 1.5, 2.0


def battle_policy(team: TeamSpec) -> ReferencePolicy:
    """The team waits, then fights as one; see the module.

    Nobody moves until an enemy is within range of somebody. Then members attack the weakest enemy that they
    reach at once, else the closest that they may attack, else walk to the closest in sight, else east, where
    enemies come from. A Medivac heals whom it may and who is hurt most.

    Where every member outruns and outranges every enemy, members run from an enemy that is close instead, and
    shoot when none is. Members tell each other what they see.

    Args:
        team: a SMAC-like battle.

    Returns:
        A function from observations (B, N, obs) to actions (B, N) int64.
    """
    settings = MicroSettings(**team.settings)
    allies, enemies = composition(settings.allies), composition(settings.enemies)
    own, foe = (any(unit.is_protoss for unit in side) for side in (allies, enemies))
    bits, n, m = len(kinds_shown(allies, enemies)[0]), len(allies), len(enemies)
    heals, kites = np.array([unit.heals for unit in allies]), can_kite(allies, enemies)
    end = 4 + m * (5 + foe + bits)
    points = np.array([[unit.hp, unit.shield] for unit in enemies])
    reach = np.array([[a.reach + a.radius + b.radius for b in enemies] for a in allies])

    def act(observation: np.ndarray) -> np.ndarray:
        observation = observation.astype(np.float64)
        moves = observation[:, :, :4] > 0
        seen = observation[:, :, 4:end].reshape(-1, n, m, 5 + foe + bits)
        is_seen = seen[..., 4] > 0
        distance = np.where(is_seen, seen[..., 1] * SIGHT, FAR)
        left = seen[..., 4] * points[:, 0] + (seen[..., 5] * points[:, 1] if foe else 0.0)
        may = (seen[..., 0] > 0) & is_seen & ~heals[:, None]
        worth = np.where(distance <= reach, left + 1e-3 * distance, NEAR + distance)
        worth = np.where(may, worth, FAR)
        advance = walk(to_closest(seen[..., 2:4], distance), moves)
        advance = np.where((distance.min((1, 2)) <= SHOOT)[:, None], advance, STOP)
        action = np.where(may.any(-1), FIRST_TARGET + worth.argmin(-1), advance)
        if kites:
            runs = distance.min(-1) < DANGER
            action = np.where(runs, flee(seen[..., 2:4] * SIGHT, is_seen, moves), action)
        for i in np.flatnonzero(heals):
            others = observation[:, i, end : end + (n - 1) * (5 + own + bits)].reshape(
                -1, n - 1, 5 + own + bits
            )
            action[:, i] = nurse(np.insert(others, i, 0.0, axis=1), seen[:, i, :, 0] > 0, heals, moves[:, i])
        return np.where(observation.any(-1), action, NO_OP)

    return act


def to_closest(offsets: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The way (B, N, 2) to the closest of the seen enemies, east without any."""
    closest = np.take_along_axis(offsets, distance.argmin(-1)[..., None, None], 2)[:, :, 0]
    return np.where((distance < FAR).any(-1, keepdims=True), closest, WAYS[2])


def can_kite(allies: tuple[Unit, ...], enemies: tuple[Unit, ...]) -> bool:
    """Whether every member outruns every enemy and reaches twice as far."""
    slowest, shortest = min(unit.speed for unit in allies), min(unit.reach for unit in allies)
    return slowest > max(unit.speed for unit in enemies) and shortest > 2 * max(
        unit.reach for unit in enemies
    )


def walk(way: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """The allowed move (B, N) that goes most along ``way`` (B, N, 2); stop if none is allowed."""
    along = np.where(moves, way @ WAYS.T, -FAR)
    return np.where(moves.any(-1), NORTH + along.argmax(-1), STOP)


def flee(offsets: np.ndarray, is_seen: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """The allowed move (B, N) after which the closest enemy, at ``offsets`` (B, N, m, 2), is farthest."""
    after = offsets[:, :, None] - STEP_LENGTH * WAYS[:, None]  # (B, N, 4, m, 2)
    closest = np.where(is_seen[:, :, None], np.linalg.norm(after, axis=-1), FAR).min(-1)
    return np.where(moves.any(-1), NORTH + np.where(moves, closest, -FAR).argmax(-1), STOP)


def nurse(others: np.ndarray, flags: np.ndarray, heals: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """What a Medivac does (B,): heal the ally that is hurt most, follow the closest, else stop.

    Args:
        others: (B, N, block), its blocks of allies, its own zero.
        flags: (B, m), its flags of targets, of allies; zero in the blocks of enemies that it does not see.
        heals: (N,) who are Medivacs.
        moves: (B, 4) its allowed moves.
    """
    is_seen = (others[..., 0] > 0) & ~heals
    may = np.zeros(is_seen.shape, bool)
    k = min(len(heals), flags.shape[-1])
    may[:, :k] = flags[:, :k]
    hurt = np.where(may & is_seen & (others[..., 4] < 1), others[..., 4], FAR)
    distance = np.where(is_seen, others[..., 1] * SIGHT, FAR)
    follow = walk(to_closest(others[:, None, :, 2:4], distance[:, None]), moves[:, None])[:, 0]
    follow = np.where((distance.min(-1) > FOLLOWING) & is_seen.any(-1), follow, STOP)
    return np.where(hurt.min(-1) < FAR, FIRST_TARGET + hurt.argmin(-1), follow)
