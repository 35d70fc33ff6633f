"""Pictures of scenes, as arrays of pixels.

Shapes are drawn three times as large as wanted and averaged down, which smooths their edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from .scene import INK, Disc, Line, Polygon, Rectangle, Scene, Shape, member_colour
from .window import hide, show

__all__ = ["draw", "hide", "show", "under_text"]

Point = tuple[float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FINER = 3
"""Pixels drawn for each one wanted, along each axis."""
JUMP = 0.12
"""A member that moves by more than this part of the picture's width in one step has been put there."""
PAPER = "#ffffff"


def draw(
    scene: Scene,
    size: int = 480,
    trails: np.ndarray | None = None,
    text: Sequence[str] | None = None,
    marks: Sequence[tuple[Point, str]] = (),
) -> np.ndarray:
    """A picture of a scene.

    Args:
        scene: what to draw.
        size: pixels of the longer side of the scene; the strip of text above it comes on top.
        trails: (T, N, 2) where the members have been, oldest first: lines that fade into the past, broken
            into dots where a member was put somewhere else.
        text: lines above the scene, made smaller where they are too long; the caption alone if None. Their
            number, not their content, decides the height of the picture.
        marks: rings around points, with their colours, where something has just happened.

    Returns:
        (H, W, 3) uint8, H and W even.

    Raises:
        ValueError: the scene has no extent, or trails are of another shape.
    """
    canvas = _Canvas(scene, size)
    if trails is not None:
        past = np.asarray(trails, float)
        if past.ndim != 3 or past.shape[2] != 2:
            raise ValueError(f"trails must be of shape (T, N, 2), got {past.shape}")
        canvas.trails(past)
    for shape in scene.shapes:
        canvas.shape(shape)
    for shape in _with_joint_labels(scene.shapes):
        canvas.label(shape)
    for (x, y), colour in marks:
        canvas.mark((x, y), colour)
    picture = canvas.finish()
    lines = [scene.caption] if text is None else list(text)
    return np.asarray(under_text(picture, lines)) if lines else np.asarray(picture)


class _Canvas:
    """A scene's coordinates on pixels."""

    def __init__(self, scene: Scene, size: int) -> None:
        (left, bottom), (right, top) = scene.low, scene.high
        width, height = right - left, top - bottom
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise ValueError(f"a scene must have an extent, got low={scene.low} and high={scene.high}")
        self.scale = FINER * size / max(width, height)
        self.left, self.top, self.world_width = left, top, width
        even = [max(2, 2 * round(length * self.scale / FINER / 2)) for length in (width, height)]
        self.image = Image.new("RGB", (FINER * even[0], FINER * even[1]), PAPER)
        self.pen = ImageDraw.Draw(self.image, "RGBA")
        self.stroke = max(FINER, round(FINER * size / 200))

    def at(self, point: Sequence[float]) -> Point:
        return (point[0] - self.left) * self.scale, (self.top - point[1]) * self.scale

    def shape(self, shape: Shape) -> None:
        """A filled shape with a darker edge, or an outline between white ones, to be seen on any colour."""
        if isinstance(shape, Line):
            self.pen.line([self.at(p) for p in shape.points], shape.colour, self.stroke, joint="curve")
        elif shape.filled:
            edge = _darker(shape.colour)
            self._outline(
                shape, self.stroke / 3, _with_alpha(shape.colour, 230), (edge, self.stroke * 2 // 3)
            )
        else:
            self._outline(shape, 2 * self.stroke / 3, None, (PAPER, 2 * self.stroke))
            self._outline(shape, 0, None, (shape.colour, self.stroke))

    def _outline(
        self, shape: Disc | Rectangle | Polygon, grow: float, fill: Any, edge: tuple[Any, int]
    ) -> None:
        if isinstance(shape, Polygon):
            self.pen.polygon([self.at(p) for p in shape.points], fill, *edge)
            return
        left, top, right, bottom = self._box(shape)
        box = (left - grow, top - grow, right + grow, bottom + grow)
        (self.pen.ellipse if isinstance(shape, Disc) else self.pen.rectangle)(box, fill, *edge)

    def _box(self, shape: Disc | Rectangle | Polygon) -> tuple[float, float, float, float]:
        """Left, top, right, bottom; never too small to be seen."""
        if isinstance(shape, Polygon):
            xs, ys = zip(*map(self.at, shape.points), strict=True)
            return min(xs), min(ys), max(xs), max(ys)
        is_disc = isinstance(shape, Disc)
        width, height = (shape.radius * 2,) * 2 if is_disc else (shape.width, shape.height)
        half_x, half_y = (max(length * self.scale / 2, self.stroke) for length in (width, height))
        x, y = self.at((shape.x, shape.y))
        return x - half_x, y - half_y, x + half_x, y + half_y

    def label(self, shape: Shape) -> None:
        """Its label in its middle, or to its right where it is too small, readable on whatever is there."""
        if isinstance(shape, Line) or not shape.label:
            return
        left, top, right, bottom = self._box(shape)
        room = min(right - left, bottom - top)
        font = _font(round(min(max(0.5 * room, 10 * FINER), 17 * FINER)))
        fits = room > 12 * FINER and font.getlength(shape.label) < right - left
        inks = _inks(shape.colour) if fits and shape.filled else (INK, PAPER)
        x = (left + right) / 2 if fits else right + self.stroke
        y, anchor = (top + bottom) / 2, "mm" if fits else "lm"
        halo = max(FINER, self.stroke * 2 // 3)
        self.pen.text((x, y), shape.label, inks[0], font, anchor, stroke_width=halo, stroke_fill=inks[1])

    def trails(self, past: np.ndarray) -> None:
        """Newest segments strongest."""
        for t in range(1, len(past)):
            alpha = round(30 + 190 * t / (len(past) - 1))
            for i, (before, after) in enumerate(zip(past[t - 1], past[t], strict=True)):
                if not (np.isfinite(before).all() and np.isfinite(after).all()):
                    continue
                colour = _with_alpha(member_colour(i), alpha)
                if math.dist(before, after) > JUMP * self.world_width:
                    self._dots(self.at(before), self.at(after), colour)
                else:
                    self.pen.line([self.at(before), self.at(after)], colour, self.stroke * 3 // 2)

    def _dots(self, start: Point, end: Point, colour: tuple[int, ...]) -> None:
        for part in np.arange(0, 1, 6 * self.stroke / math.dist(start, end)):
            x, y = (s + part * (e - s) for s, e in zip(start, end, strict=True))
            self.pen.circle((x, y), self.stroke / 2, colour)

    def mark(self, point: Point, colour: str) -> None:
        x, y = self.at(point)
        for radius, alpha in ((7, 255), (10, 130)):
            self.pen.circle((x, y), radius * self.stroke, None, _with_alpha(colour, alpha), self.stroke)

    def finish(self) -> Image.Image:
        return self.image.reduce(FINER)


def _with_joint_labels(shapes: Sequence[Shape]) -> list[Shape]:
    """Where labelled discs coincide only the last is seen: it gets all their labels, the others none."""
    labels: dict[Point, str] = {}
    joint: list[Shape] = []
    for shape in shapes:
        if isinstance(shape, Disc) and shape.label:
            labels[shape.x, shape.y] = f"{labels.get((shape.x, shape.y), '')} {shape.label}".strip()
    for shape in reversed(shapes):
        if isinstance(shape, Disc) and shape.label:
            joint.append(replace(shape, label=labels.pop((shape.x, shape.y), "")))
        else:
            joint.append(shape)
    return joint[::-1]


def under_text(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """The picture with a strip of text above it."""
    width, height = picture.size
    size = max(11, min(17, width // 30))
    step = round(1.35 * size)
    strip = 2 * ((step * len(lines) + size // 2 + 1) // 2)
    sheet = Image.new("RGB", (width, height + strip), PAPER)
    sheet.paste(picture, (0, strip))
    pen = ImageDraw.Draw(sheet)
    pen.line([(0, strip - 1), (width, strip - 1)], "#ced4da")
    for row, line in enumerate(lines):
        font = _font(size)
        while font.getlength(line) > width - 12 and font.size > 8:  # type: ignore[union-attr]
            font = _font(int(font.size) - 1)  # type: ignore[union-attr]
        pen.text((6, size // 4 + row * step), line, INK, font)
    return sheet


@cache
def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _with_alpha(colour: str, alpha: int) -> tuple[int, ...]:
    return (*ImageColor.getrgb(colour)[:3], alpha)


def _darker(colour: str) -> tuple[int, ...]:
    return tuple(round(0.65 * part) for part in ImageColor.getrgb(colour)[:3])


def _inks(colour: str) -> tuple[Any, Any]:
    """Colours of letters and their rims on a colour: white on dark ones (luminance of ITU-R BT.601)."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return (INK, PAPER) if 0.299 * red + 0.587 * green + 0.114 * blue > 150 else (PAPER, _darker(colour))
