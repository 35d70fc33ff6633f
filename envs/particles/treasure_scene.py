"""The picture of treasure collection: a pure function from one copy's arrays to a Scene, to scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..scene import FAINT, INK, KINDS, Disc, Line, Scene
from .scenes import caption, discs, frame, start_square
from .treasure_kernels import BANK_RADIUS, COLLECTOR_RADIUS, TREASURE_RADIUS
from .treasure_views import FREE


def kind_colour(kind: int) -> str:
    """The colour of a kind of treasures and of its bank."""
    return KINDS[kind % len(KINDS)]


def treasure_scene(
    position: np.ndarray,
    load: np.ndarray,
    treasure: np.ndarray,
    kind: np.ndarray,
    metrics: Mapping[str, float],
) -> Scene:
    """Banks in the colour of their kind with a dark rim, collectors grey, with a disc for what they carry.

    Args:
        position: (N, 2), collectors first.
        load: (C,), the kind that a collector carries, or ``FREE``.
        treasure: (k, 2), those that are there.
        kind: (k,).
        metrics: for the caption.
    """
    low, high = frame(position)
    shapes: list[Disc | Line] = [start_square(-1.0, 1.0)]
    for i, (x, y) in enumerate(position):
        is_bank = i >= len(load)
        radius = BANK_RADIUS if is_bank else COLLECTOR_RADIUS
        colour = kind_colour(i - len(load)) if is_bank else FAINT
        shapes.append(Disc(float(x), float(y), radius, colour))
        shapes.append(Disc(float(x), float(y), radius, INK, filled=False))
        if not is_bank and load[i] != FREE:
            shapes += discs(position[i : i + 1], 0.7 * radius, kind_colour(int(load[i])))
    for spot, which in zip(treasure, kind, strict=True):
        shapes += discs(spot[None], TREASURE_RADIUS, kind_colour(int(which)))
    return Scene(low, high, shapes, position.copy(), caption(metrics))
