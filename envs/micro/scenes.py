"""Pictures of SMAC-like battles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..scene import FAINT, GOAL, PREY, Disc, Line, Rectangle, Scene, Shape, member_colour
from .facts import BAND, HP_MAX, RADIUS, SHIELD_MAX, SIDE, Facts
from .layout import HP, SHIELD, STRUCK, X, Y
from .settings import MicroSettings
from .units import team

SHIELDS, AIM = "#4dabf7", "#ced4da"
BAR, THICK = 1.2, 0.24
"""Length and height of the bars above a unit, in cells."""
MARGIN, MOST_LABELS = 1.5, 10


def battle_scene(
    settings: MicroSettings, facts: Facts, units: np.ndarray, target: np.ndarray, metrics: np.ndarray
) -> Scene:
    """The battlefield as it is now.

    Args:
        settings: of the battle.
        facts: its constants.
        units: (rows, U) of one copy.
        target: (U,) whom each unit is after, -1 for nobody.
        metrics: (3,) as the environment keeps them.

    Returns:
        Members in their colours with their numbers, enemies red with the letters of their kinds; the dead are
        faint rings. Green bars are hit points, blue ones shields. A coloured line is an attack or healing in
        the last step, a grey one goes to a target that is not reached yet.
    """
    n = sum(1 for _ in team(settings.allies))
    letters = [unit.letter for unit in team(settings.enemies)]
    n_units = units.shape[1]
    alive = units[HP] > 0.0
    colours = [member_colour(i) if i < n else PREY for i in range(n_units)]
    labels = [str(i) for i in range(n)] + letters if n <= MOST_LABELS else [""] * n_units
    edges = (0.0, float(SIDE)) if settings.terrain == "open" else tuple(map(float, BAND))
    shapes: list[Shape] = [Line(((0.0, y), (SIDE, y)), FAINT) for y in edges]
    shapes += [Line(((x, edges[0]), (x, edges[1])), FAINT) for x in (0.0, float(SIDE))]
    for i in np.flatnonzero(~alive):
        shapes.append(Disc(*_at(units, i), 0.6 * facts.kind[RADIUS, i], FAINT, filled=False))
    for i in np.flatnonzero(alive & (target >= 0)):
        if units[STRUCK, i] == 0.0:
            shapes.append(Line((_at(units, i), _at(units, target[i])), AIM))
    for i in np.flatnonzero(units[STRUCK] > 0.0):
        shapes.append(Line((_at(units, i), _at(units, int(units[STRUCK, i]) - 1)), colours[i]))
    for i in np.flatnonzero(alive):
        shapes.append(Disc(*_at(units, i), facts.kind[RADIUS, i], colours[i], label=labels[i]))
    for i in np.flatnonzero(alive):
        shapes += _bars(facts, units, i)
    won, dead, killed = metrics
    left = f"members {n - dead:.0f} of {n}, enemies {n_units - n - killed:.0f} of {n_units - n}"
    low, high = (-MARGIN, edges[0] - MARGIN), (SIDE + MARGIN, edges[1] + MARGIN)
    return Scene(low, high, shapes, units[[X, Y], :n].T.copy(), left + ", won" * bool(won))


def _at(units: np.ndarray, i: Any) -> tuple[float, float]:
    return float(units[X, i]), float(units[Y, i])


def _bars(facts: Facts, units: np.ndarray, i: Any) -> list[Shape]:
    """What unit ``i`` has left, above it."""
    x, y = _at(units, i)
    y += facts.kind[RADIUS, i] + THICK
    parts = [(units[HP, i] / facts.kind[HP_MAX, i], GOAL)]
    if facts.kind[SHIELD_MAX, i] > 0.0:
        parts.append((units[SHIELD, i] / facts.kind[SHIELD_MAX, i], SHIELDS))
    bars: list[Shape] = []
    for row, (part, colour) in enumerate(parts):
        height = float(y + row * 1.4 * THICK)
        bars.append(Rectangle(x, height, BAR, THICK, FAINT))
        if part > 0.0:
            bars.append(Rectangle(float(x - BAR * (1 - part) / 2), height, float(BAR * part), THICK, colour))
    return bars
