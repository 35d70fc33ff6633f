"""What multi-walker looks like."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..scene import INK, OBSTACLE, Disc, Line, Polygon, Scene, Shape, member_colour

WIDTH, HEIGHT = 24.0, 9.0
"""Of what is shown, in units of Box2D; a walker is about 2.5 high."""


def walkers_scene(world: Any, started: bool, caption: str) -> Scene:
    """Outlines of ground, walkers and package, around the package."""
    if not started:
        return Scene((0.0, 0.0), (WIDTH, HEIGHT), [], caption=caption)
    left = world.package.position.x - WIDTH / 2
    low, high = (left, 1.5), (left + WIDTH, 1.5 + HEIGHT)
    ground = [(x, y) for x, y in zip(world.terrain_x, world.terrain_y, strict=True) if low[0] <= x <= high[0]]
    shapes: list[Shape] = [Line(ground, OBSTACLE)] if ground else []
    members = []
    for i, walker in enumerate(world.walkers):
        if walker.hull is None:
            continue
        for body in (*walker.legs, walker.hull):
            shapes += outlines(body, member_colour(i))
        x, y = walker.hull.position
        shapes.append(Disc(x, y, 0.25, member_colour(i), label=str(i)))
        members.append((x, y))
    shapes += outlines(world.package, INK)
    return Scene(low, high, shapes, np.array(members).reshape(-1, 2), caption)


def outlines(body: Any, colour: str) -> list[Polygon]:
    """The outline of each shape of a Box2D body."""
    corners = [[tuple(body.transform * corner) for corner in f.shape.vertices] for f in body.fixtures]
    return [Polygon(points, colour, filled=False) for points in corners]
