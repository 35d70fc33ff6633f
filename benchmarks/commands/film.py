"""Episodes as pictures: what is kept of each step, frames with trails and text, and files of them."""

from __future__ import annotations

import importlib
import itertools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...envs.drawing import JUMP, draw, under_text
from ...envs.scene import Disc, Rectangle, Scene
from ..errors import SuiteError

TRAIL = 25
"""Steps that a trail reaches back."""
MARKED = 3
"""Frames for which a mark stays where a shape has vanished."""
ENDINGS = (".gif", ".mp4", ".png")
SHEET = 6
"""Moments on a contact sheet."""
GAP, BETWEEN = 4, "#adb5bd"
"""Pixels between moments, and their colour."""
Mark = tuple[tuple[float, float], str]


@dataclass(frozen=True)
class Film:
    """One episode.

    Attributes:
        title: of every frame: task and agent.
        unit: of the return.
        horizon: steps of the task's episodes.
        scenes: before the first step and after each.
        returns: so far, one a scene.
    """

    title: str
    unit: str
    horizon: int
    scenes: list[Scene] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)

    def frame(self, step: int, size: int, since: int | None = None, titled: bool = True) -> np.ndarray:
        """The picture (H, W, 3) of one step.

        Args:
            step: 0 before the first.
            size: pixels of the scene's longer side.
            since: where the trails begin; `TRAIL` steps back if None.
            titled: whether the title and the return's unit are written, too.
        """
        scene = self.scenes[step]
        since = max(0, step - TRAIL) if since is None else since
        past = [s.members for s in self.scenes[since : step + 1]]
        trails = np.stack(past) if len({p.shape for p in past}) == 1 and scene.members.size else None
        marks = [m for t in range(max(1, step - MARKED + 1), step + 1) for m in self.vanished(t)]
        now = f"step {step} of {self.horizon}, return {self.returns[step]:.4g}"
        text = [self.title, f"{now}, {self.unit}", scene.caption] if titled else [now, scene.caption]
        return draw(scene, size, trails, text, marks)

    def vanished(self, step: int) -> list[Mark]:
        """Centres and colours of shapes that stood still before this step and are gone after it."""
        before, after = self.scenes[step - 1], self.scenes[step]
        left, near = set(_things(after)), JUMP * (after.high[0] - after.low[0])
        still = _things(before) & _things(self.scenes[max(0, step - 2)])
        moved = left - _things(before)
        gone = [
            old
            for old in still - left
            if not any(
                type(new) is type(old) and new.colour == old.colour and _distance(new, old) < near
                for new in moved
            )
        ]
        return sorted(((old.x, old.y), old.colour) for old in gone)

    def sheet(self, size: int, moments: int = SHEET) -> Image.Image:
        """Moments of the episode, evenly spread over it, with the trails between them.

        Args:
            size: pixels of the longer side of one moment's scene; twice as many for scenes much wider than
                high, which stand one below the other instead of three in a row.
            moments: at most.
        """
        (left, bottom), (right, top) = self.scenes[0].low, self.scenes[0].high
        is_wide = right - left > 1.8 * (top - bottom)
        steps = sorted(set(np.linspace(0, len(self.scenes) - 1, moments).round().astype(int).tolist()))
        pictures = [
            Image.fromarray(self.frame(step, size * (1 + is_wide), steps[max(0, i - 1)], titled=False))
            for i, step in enumerate(steps)
        ]
        width, height = pictures[0].size
        columns = 1 if is_wide else min(len(pictures), 3)
        rows = -(-len(pictures) // columns)
        whole = (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP)
        sheet = Image.new("RGB", whole, BETWEEN)
        for i, picture in enumerate(pictures):
            row, column = divmod(i, columns)
            sheet.paste(picture, (GAP + column * (width + GAP), GAP + row * (height + GAP)))
        return under_text(sheet, [f"{self.title}; return: {self.unit}"])


def frames(films: Sequence[Film], size: int, pause: int = 8) -> Iterator[np.ndarray]:
    """The pictures of episodes one after the other, the last of each `pause` times more."""
    for film in films:
        last = len(film.scenes) - 1
        for step in range(last):
            yield film.frame(step, size)
        yield from [film.frame(last, size)] * (pause + 1)


def check_place(out: Path) -> None:
    """Refuse a file that `write` cannot make, by trying; nothing is left behind.

    Raises:
        SuiteError: an unknown ending, a folder, a place where no file can be made, or a video without the
            package that encodes it.
    """
    ending = out.suffix.lower()
    if ending not in ENDINGS:
        raise SuiteError(
            f"cannot write {out}: its name must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        )
    missing: list[Path] = []
    try:
        if out.is_dir():
            raise SuiteError(f"cannot write {out}: it is a folder")
        missing += itertools.takewhile(lambda folder: not folder.exists(), out.parents)
        there = out.parents[len(missing)]
        if not there.is_dir():
            raise SuiteError(f"cannot write {out}: {there} is not a folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        _partial(out).touch()
        _partial(out).unlink()
    except OSError as error:
        raise SuiteError(f"cannot write {out}: {error.strerror}; choose another place") from error
    finally:
        for folder in missing:
            if folder.is_dir():
                folder.rmdir()
    if ending == ".mp4":
        _video_writer()


def write(films: Sequence[Film], out: Path, size: int, fps: float) -> None:
    """Write a clip of all episodes, or for ``.png`` a contact sheet of the first.

    Args:
        films: one or more episodes.
        out: the file; missing folders are made, an existing file is replaced when the new one is whole.
        size: pixels of the longer side of the scenes.
        fps: pictures a second.

    Raises:
        SuiteError: as `check_place`.
        OSError: the file cannot be written.
    """
    check_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    ending = out.suffix.lower()
    partial = _partial(out)
    try:
        if ending == ".png":
            films[0].sheet(size).quantize(256, dither=Image.Dither.NONE).save(partial, optimize=True)
        elif ending == ".gif":
            _write_gif(films, partial, size, fps)
        else:
            with _video_writer()(partial, fps=fps, codec="libx264", macro_block_size=2) as video:
                for picture in frames(films, size):
                    video.append_data(picture)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def _partial(out: Path) -> Path:
    """The file while it is being written."""
    return out.with_name(f".{out.stem}.{os.getpid()}{out.suffix.lower()}")


def _write_gif(films: Sequence[Film], path: Path, size: int, fps: float) -> None:
    """One palette for all frames, so that a frame holds only what has changed."""
    palette = films[0].sheet(size).quantize(256)
    images = [
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in frames(films, size)
    ]
    images[0].save(path, save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0)


def _video_writer() -> Any:
    try:
        importlib.import_module("imageio_ffmpeg")
        return importlib.import_module("imageio.v2").get_writer
    except ImportError as error:
        raise SuiteError('.mp4 needs an encoder: pip install "coordbench[video]"; .gif needs none') from error


def _things(scene: Scene) -> set[Disc | Rectangle]:
    """Discs and rectangles that neither are nor ride on members; none where members have no places."""
    members = {(float(x), float(y)) for x, y in scene.members}
    return {
        shape
        for shape in scene.shapes
        if members and isinstance(shape, Disc | Rectangle) and (shape.x, shape.y) not in members
    }


def _distance(a: Disc | Rectangle, b: Disc | Rectangle) -> float:
    return math.dist((a.x, a.y), (b.x, b.y))
