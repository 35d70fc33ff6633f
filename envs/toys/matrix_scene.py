"""Pictures of matrix games."""

from __future__ import annotations

import numpy as np

from ..scene import FAINT, GOAL, INK, Disc, Rectangle, Scene, Shape, member_colour
from .payoffs import MatrixGameSettings, optimal_joint_actions, payoff

CELL = 0.92
"""Side of a cell, of the distance between cells."""


def matrix_scene(settings: MatrixGameSettings, last: np.ndarray, metrics: np.ndarray) -> Scene:
    """The last round of a matrix game.

    Args:
        settings: of the game.
        last: (N,) the last joint action, -1 before the first round.
        metrics: (2,) as the environment keeps them.

    Returns:
        Two members: the payoff table, member 0 choosing the row, member 1 the column; the best cells have a
        frame, the chosen one is filled with ink. More members: a row of actions for each.
    """
    shapes = _table(settings, last) if settings.n_agents == 2 else _rows(settings, last)
    rows = settings.n_actions if settings.n_agents == 2 else settings.n_agents
    outcome = "no round yet"
    if last[0] >= 0:
        outcome = f"payoff {payoff(settings)[tuple(last)]:g}, optimal in {metrics[0]:.0%} of the rounds"
    low, high = (-1.6, -rows + 0.3), (settings.n_actions - 0.3, 1.6)
    return Scene(low, high, shapes, caption=outcome)


def _table(settings: MatrixGameSettings, last: np.ndarray) -> list[Shape]:
    shapes: list[Shape] = []
    for (row, column), value in np.ndenumerate(payoff(settings)):
        is_chosen = row == last[0] and column == last[1]
        colour, text = (INK if is_chosen else FAINT), f"{value:g}"
        shapes.append(Rectangle(column, -row, CELL, CELL, colour, label=text))
    for row, column in optimal_joint_actions(settings):
        shapes.append(Rectangle(float(column), -float(row), CELL, CELL, GOAL, filled=False))
    shapes += [Disc(-1.0, -a, 0.3, *_choice(0, a, last)) for a in range(settings.n_actions)]
    shapes += [Disc(a, 1.0, 0.3, *_choice(1, a, last)) for a in range(settings.n_actions)]
    return shapes


def _rows(settings: MatrixGameSettings, last: np.ndarray) -> list[Shape]:
    shapes: list[Shape] = []
    for i in range(settings.n_agents):
        shapes += [Disc(a, -i, 0.3, *_choice(i, a, last)) for a in range(settings.n_actions)]
    if last[0] >= 0 and (last == last[0]).all():
        middle, height = -(settings.n_agents - 1) / 2, settings.n_agents - 0.1
        shapes.append(Rectangle(float(last[0]), middle, CELL, height, GOAL, filled=False))
    return shapes


def _choice(i: int, action: int, last: np.ndarray) -> tuple[str, bool, str]:
    """Colour, filling and label of the mark of an action of member ``i``."""
    is_chosen = action == last[i]
    return (member_colour(i) if is_chosen else FAINT), bool(is_chosen), str(action)
