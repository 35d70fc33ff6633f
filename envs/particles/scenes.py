"""Pictures of the particle tasks: pure functions from one copy's arrays to a Scene, everything to scale."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..scene import FAINT, GOAL, OBSTACLE, PREY, Disc, Line, Rectangle, Scene, member_colour

Frame = tuple[tuple[float, float], tuple[float, float]]


def caption(metrics: Mapping[str, float]) -> str:
    """Metrics in words, e.g. ``"captures 3, prey distance 0.42"``."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in metrics.items())


def frame(*points: np.ndarray, least: float = 1.5) -> Frame:
    """Corners of a square around the origin that holds all points (k, 2), growing in steps of a half."""
    reach = max(float(np.abs(p).max(initial=0.0)) for p in points)
    half = max(least, math.ceil(2.0 * (reach + 0.2)) / 2.0)
    return (-half, -half), (half, half)


def discs(centres: np.ndarray, radius: float, colour: str, filled: bool = True) -> list[Disc]:
    """A disc of this radius and colour at each of the centres (k, 2)."""
    return [Disc(float(x), float(y), radius, colour, filled) for x, y in centres]


def members(centres: np.ndarray, radius: float) -> list[Disc]:
    """The members (N, 2), each in its own colour with its number."""
    return [
        Disc(float(x), float(y), radius, member_colour(i), label=str(i)) for i, (x, y) in enumerate(centres)
    ]


def start_square(low: float, high: float) -> Line:
    """The outline of the square that episodes start in."""
    return Line(((low, low), (high, low), (high, high), (low, high), (low, low)), FAINT)


def navigation_scene(
    position: np.ndarray, landmark: np.ndarray, radius: float, cover: float, metrics: Mapping[str, float]
) -> Scene:
    """Cooperative navigation: landmarks with a ring of the radius ``cover``, members (N, 2) as discs."""
    low, high = frame(position, landmark)
    marks = discs(landmark, 0.05, GOAL) + discs(landmark, cover, GOAL, filled=False)
    shapes = [start_square(-1.0, 1.0), *members(position, radius), *marks]
    return Scene(low, high, shapes, position.copy(), caption(metrics))


def predator_prey_scene(
    predator: np.ndarray, prey: np.ndarray, radius: float, metrics: Mapping[str, float]
) -> Scene:
    """Predator-prey in its unit square: predators of ``radius``, living preys (k, 2) as squares."""
    side = radius / 2.0
    preys = [Rectangle(float(x), float(y), side, side, PREY) for x, y in prey]
    margin = 1.1 * radius
    low, high = (-margin, -margin), (1.0 + margin, 1.0 + margin)
    shapes = [start_square(0.0, 1.0), *members(predator, radius), *preys]
    return Scene(low, high, shapes, predator.copy(), caption(metrics))


def tag_scene(
    predator: np.ndarray,
    prey: np.ndarray,
    obstacle: np.ndarray,
    radii: tuple[float, float, float],
    metrics: Mapping[str, float],
) -> Scene:
    """Tag: obstacles, preys and predators with their ``radii`` (predator, prey, obstacle)."""
    low, high = frame(predator, prey, obstacle)
    shapes = [
        start_square(-1.0, 1.0),
        *discs(obstacle, radii[2], OBSTACLE),
        *members(predator, radii[0]),
        *discs(prey, radii[1], PREY),
    ]
    return Scene(low, high, shapes, predator.copy(), caption(metrics))
