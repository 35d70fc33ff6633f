"""A battle's constants as arrays, which kernels take as arguments: one machine code for all maps."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .settings import NUMBERS, MicroSettings
from .units import Unit, kinds_shown, team

SIDE = 32
"""Of the map, in cells; also the width and height that SMAC's state is scaled by."""
ALLIES_AT, ENEMIES_AT = (9.0, 16.0), (23.0, 16.0)
"""Where the maps' scripts create both sides; enemies are sent to the former."""
GAP = 0.05
"""Between neighbours at the start; uoe-agents/smaclite."""
BAND = (8, 25)
FASTER = 1.4
"""Of the clock "smaclite"."""
TICKS = 8
"""Of a sixteenth of a second each, in a step: SMAC's ``step_mul``."""
TICK = 1.0 / 16.0

(HP_MAX, SHIELD_MAX, ARMOUR, COOLDOWN_TIME, PACE, RADIUS, MAXCD, HITS, HEALS, AIR, SPLASH, REACH, BIT) = (
    range(13)
)
"""Rows of ``Facts.kind``. PACE: distance a tick. BIT: of the one-hot type, -1 without."""
NO_SPLASH, LINE, BURST = 0.0, 1.0, 2.0
REACH_SQUARED, HIT = range(2)
"""Rows of ``Facts.pair``: squared distance of centres at which i reaches j; damage of a hit, 0 where void."""
KILL, LOSS, STEP, WIN, DEFEAT, DAMAGE, HURT, DIVISOR, BY_SIZE = range(9)
"""Entries of ``Facts.reward``."""


class Facts(NamedTuple):
    """What a map, its units and the settings fix; U units, allies before enemies.

    Attributes:
        kind: (rows, U) float64, constants of each unit.
        pair: (2, U, U) float64, of a unit i and its target j.
        walkable: (32, 32) bool, ground cells by x and y.
        reward: (9,) float64.
        start: (2, U) float64, x and y without jitter.
        shown: (3,) int64: shield slots of allies and of enemies (0 or 1), bits of the one-hot types.
        rules: (6,) float64, numbers of ticks.
    """

    kind: np.ndarray
    pair: np.ndarray
    walkable: np.ndarray
    reward: np.ndarray
    start: np.ndarray
    shown: np.ndarray
    rules: np.ndarray


SCAN, HEALER_FIRST, PASSES, JITTER, COOLDOWN_JITTER, TEAM = range(6)
"""Entries of ``Facts.rules``; TEAM: N."""
OWN_SHIELD, FOE_SHIELD, BITS = range(3)
"""Entries of ``Facts.shown``."""


def facts(settings: MicroSettings) -> Facts:
    """The constants of a battle.

    Raises:
        ValueError: a side is too large for the terrain.
    """
    allies, enemies = team(settings.allies), team(settings.enemies)
    units = (*allies, *enemies)
    bits = kinds_shown(allies, enemies)
    kind = np.array([_row(one, settings.clock) for one in units]).T.copy()
    for side, (first, kinds) in enumerate(((0, allies), (len(allies), enemies))):
        for i, one in enumerate(kinds):
            kind[BIT, first + i] = bits[side].index(one) if bits[side] else -1
    walkable = np.ones((SIDE, SIDE), np.bool_)
    if settings.terrain == "band":
        walkable[:, : BAND[0]] = walkable[:, BAND[1] :] = False
    start = np.concatenate(
        [grid(allies) + np.array(ALLIES_AT), grid(enemies) * [-1, 1] + np.array(ENEMIES_AT)]
    ).T.copy()
    margin = settings.start_jitter
    rules = (
        settings.scan,
        settings.healer_first,
        settings.passes,
        margin,
        settings.cooldown_jitter,
        len(allies),
    )
    low, high = BAND if settings.terrain == "band" else (0, SIDE)
    if not (low + margin <= start[1].min() and start[1].max() < high - margin and margin <= start[0].min()):
        raise ValueError(
            f"{settings.allies!r} against {settings.enemies!r} has no room on terrain={settings.terrain!r}"
        )
    return Facts(
        kind,
        np.stack([_reaches(units), _hits(units)]),
        walkable,
        _rewards(settings, enemies),
        start,
        np.array(
            [*(any(one.is_protoss for one in side) for side in (allies, enemies)), len(bits[0])], np.int64
        ),
        np.array(rules, np.float64),
    )


def grid(units: tuple[Unit, ...]) -> np.ndarray:
    """Where the units of a side stand around its point (n, 2): a square grid, filled column by column.

    The columns go from the map's edge to its middle, so that with SMAC's order of kinds, by which units are
    sorted, zealots stand in front of stalkers.
    """
    n = len(units)
    columns = math.ceil(math.sqrt(n))
    sizes = [len(part) for part in np.array_split(np.arange(n), math.ceil(n / columns))]
    apart = 2.0 * max(unit.radius for unit in units) + GAP
    places = [
        (column - (len(sizes) - 1) / 2, row - (size - 1) / 2)
        for column, size in enumerate(sizes)
        for row in range(size)
    ]
    return apart * np.array(places)


def _row(kind: Unit, clock: str) -> list[float]:
    cooldown, speed = kind.cooldown, kind.speed
    if clock == "smaclite":
        cooldown, speed = round(cooldown / FASTER, 2), round(speed * FASTER, 2)
    splash = {"": NO_SPLASH, "line": LINE, "burst": BURST}[kind.splash]
    row = [kind.hp, kind.shield, kind.armour, cooldown, speed * TICK, kind.radius, kind.maxcd, kind.hits]
    return [*row, kind.heals, kind.is_air, splash, kind.reach, -1.0]


def _reaches(units: tuple[Unit, ...]) -> np.ndarray:
    return np.array([[(a.reach + a.radius + b.radius) ** 2 for b in units] for a in units])


def _hits(units: tuple[Unit, ...]) -> np.ndarray:
    def hit(a: Unit, b: Unit) -> float:
        if a.heals or (b.is_air and not a.hits_air):
            return 0.0
        return a.damage + (a.bonus if a.bonus_to and a.bonus_to == b.attribute else 0.0)

    return np.array([[hit(a, b) for b in units] for a in units], np.float64)


def _rewards(settings: MicroSettings, enemies: tuple[Unit, ...]) -> np.ndarray:
    """The numbers in the order of ``KILL`` to ``BY_SIZE``."""
    found = {name: float(getattr(settings, f"reward_{name}")) for name in NUMBERS}
    # SMAC's greatest return, with its own values where the sparse reward does not use them.
    kill, win = (10.0, 200.0) if settings.reward == "sparse" else (abs(found["kill"]), found["win"])
    greatest = kill * len(enemies) + win + sum(unit.hp + unit.shield for unit in enemies)
    scale = found.pop("scale")
    by_size = found["damage"] > 0 and found["hurt"] == 0
    return np.array([*found.values(), greatest / scale if scale else 1.0, by_size], np.float64)
