"""What a copy looks like, as plain shapes in the task's own coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

MEMBERS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a5195", "#8c6d31")
"""Colours of members, in member order and again from the start; Okabe and Ito's, told apart by all eyes."""
GOAL, PREY, OBSTACLE, FAINT, INK = "#2f9e44", "#c92a2a", "#868e96", "#dee2e6", "#212529"
KINDS = ("#f2b705", "#2a9d8f", "#7048e8", "#e8590c")
"""Colours of kinds: treasures and the banks that take them."""


@dataclass(frozen=True)
class Disc:
    """A disc, or a ring if not ``filled``."""

    x: float
    y: float
    radius: float
    colour: str
    filled: bool = True
    label: str = ""


@dataclass(frozen=True)
class Rectangle:
    """An upright rectangle around (x, y)."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    filled: bool = True
    label: str = ""


@dataclass(frozen=True)
class Line:
    """A line through points (k, 2)."""

    points: Sequence[tuple[float, float]]
    colour: str


@dataclass(frozen=True)
class Polygon:
    """A closed shape with corners (k, 2)."""

    points: Sequence[tuple[float, float]]
    colour: str
    filled: bool = True
    label: str = ""


Shape = Disc | Rectangle | Line | Polygon


@dataclass(frozen=True)
class Scene:
    """A picture of one copy.

    Attributes:
        low: lower left corner (x, y) of what is shown.
        high: upper right corner.
        shapes: in the order in which they are drawn.
        members: (N, 2) where the members are; viewers draw trails through them. Empty: no trails.
        caption: what a viewer should know besides, e.g. ``"catches 3"``.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    shapes: Sequence[Shape]
    members: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    caption: str = ""


def member_colour(i: int) -> str:
    """The colour of member ``i``."""
    return MEMBERS[i % len(MEMBERS)]
