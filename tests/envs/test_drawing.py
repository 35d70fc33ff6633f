"""Pictures: where things stand, what is legible, and the window."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.contract import chosen, random_draws
from coordbench.envs.drawing import draw, hide, show
from coordbench.envs.scene import MEMBERS, Disc, Line, Polygon, Rectangle, Scene, Shape, member_colour
from PIL import ImageColor

LOW, HIGH = (0.0, 0.0), (2.0, 1.0)


def picture(*shapes: Shape, size: int = 200, **choices: object) -> np.ndarray:
    """Without a strip of text, so that the world fills it."""
    return draw(Scene(LOW, HIGH, shapes), size, text=(), **choices)  # type: ignore[arg-type]


def at(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """The pixel of a point of the world."""
    height, width, _ = image.shape
    return image[int((1 - y / HIGH[1]) * height), int(x / HIGH[0] * width)].astype(int)


def rgb(colour: str) -> np.ndarray:
    return np.array(ImageColor.getrgb(colour))


def paint(colour: str) -> np.ndarray:
    """A filled shape lets a tenth of the paper through."""
    return rgb(colour) + (255 - rgb(colour)) * 25 / 255


def test_shapes_stand_where_the_scene_says() -> None:
    red, green, blue = "#ff0000", "#00ff00", "#0000ff"
    image = picture(
        Disc(0.5, 0.75, 0.2, red),
        Rectangle(1.5, 0.25, 0.4, 0.2, green),
        Polygon(((1.4, 0.6), (1.9, 0.6), (1.9, 0.9)), blue),
    )
    assert image.shape == (100, 200, 3)
    assert image.dtype == np.uint8
    assert at(image, 0.5, 0.75) == pytest.approx(paint(red), abs=2)
    assert at(image, 1.34, 0.25) == pytest.approx(paint(green), abs=2)
    assert at(image, 1.8, 0.7) == pytest.approx(paint(blue), abs=2)
    for x, y in ((0.5, 0.25), (1.26, 0.25), (1.5, 0.8), (0.35, 0.91)):
        assert at(image, x, y) == pytest.approx([255, 255, 255]), f"nothing is at {x}, {y}"


def test_edges_are_smooth() -> None:
    grey = picture(Line(((0.1, 0.1), (1.9, 0.8)), "#000000"))[..., 0]
    assert grey.min() < 60
    assert ((grey > 60) & (grey < 240)).sum() > 100


def test_outlines_are_seen_on_their_own_colour() -> None:
    colour = member_colour(2)
    plain = picture(Disc(1.0, 0.5, 0.4, colour))
    ringed = picture(Disc(1.0, 0.5, 0.4, colour), Disc(1.0, 0.5, 0.2, colour, filled=False))
    assert np.abs(plain.astype(int) - ringed)[..., 0].max() > 100


def test_the_height_hangs_on_the_number_of_lines_alone() -> None:
    scenes = [Scene(LOW, HIGH, [], caption=caption) for caption in ("", "catches 3", "x" * 300)]
    shapes = {draw(scene, 200).shape for scene in scenes}
    assert len(shapes) == 1
    assert draw(scenes[0], 200, text=("a", "b")).shape[0] > shapes.pop()[0] > 100
    strip = draw(scenes[2], 200)[:20].astype(int)
    assert strip[:, :100].min() < 150
    for size in (101, 123, 480):
        assert all(side % 2 == 0 for side in draw(scenes[1], size).shape[:2]), (
            "video encoders want even sides"
        )


def test_trails_fade_into_the_past_and_break_at_jumps() -> None:
    steps = np.array([[(0.1 + 0.05 * t, 0.5)] for t in range(9)] + [[(1.5, 0.5)]])
    image = picture(trails=steps)
    background = np.array([255, 255, 255])
    old, new = (np.abs(at(image, x, 0.5) - background).max() for x in (0.12, 0.47))
    assert new > 2 * old > 0
    jump = image[50, 60:145].astype(int)
    drawn = np.abs(jump - background).max(1) > 20
    assert drawn.any()
    assert (~drawn).mean() > 0.5, "dots, not a line"
    assert np.array_equal(picture(trails=steps[:1]), picture())


def test_members_in_one_place_share_their_label() -> None:
    def disc(i: int, label: str) -> Disc:
        return Disc(1.0, 0.5, 0.4, member_colour(i), label=label)

    assert np.array_equal(picture(disc(0, "0"), disc(1, "1")), picture(disc(0, ""), disc(1, "0 1")))
    assert not np.array_equal(picture(disc(0, "0"), disc(1, "1")), picture(disc(0, ""), disc(1, "1")))


def test_labels_of_small_shapes_stand_beside_them() -> None:
    bare, named = (picture(Disc(1.0, 0.5, 0.02, "#000000", label=name)) for name in ("", "17"))
    columns = np.flatnonzero((bare != named).any((0, 2)))
    assert columns.min() > 101


def test_marks_are_rings() -> None:
    image = picture(marks=[((1.0, 0.5), "#c92a2a")])
    assert at(image, 1.0, 0.5) == pytest.approx([255, 255, 255])
    assert (image[50, 80:120] < 200).any()


@pytest.mark.parametrize("trails", [np.zeros((3, 2)), np.zeros((3, 2, 3))])
def test_trails_of_another_shape_are_refused(trails: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"trails must be of shape \(T, N, 2\)"):
        picture(trails=trails)


def test_a_scene_without_extent_is_refused() -> None:
    with pytest.raises(ValueError, match="must have an extent"):
        draw(Scene((0.0, 0.0), (0.0, 1.0), []))


def test_members_can_be_told_apart_by_colour_blind_eyes() -> None:
    """Machado, Oliveira and Fernandes 2009, severity 1, on linear light."""
    protan = [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
    deutan = [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
    light = (np.array([rgb(colour) for colour in MEMBERS[:6]]) / 255) ** 2.2
    for matrix in (protan, deutan):
        seen = np.clip(light @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(6)
        assert distance.min() > 0.1


@pytest.mark.parametrize("task", envs.names())
def test_every_task_can_be_drawn(task: str) -> None:
    if task.startswith("multiwalker"):
        pytest.importorskip("Box2D")
    env = envs.make(task, num_envs=1, seed=0)
    _, info = env.reset()
    env.step(chosen(env, random_draws(env, 1)[0], info))
    scene = env.scene(0)
    image = draw(scene, 240)
    assert (image[30:] != 255).any()
    assert scene.members.shape in ((0, 2), (env.team.n_agents, 2))
    for x, y in scene.members:
        assert scene.low[0] <= x <= scene.high[0]
        assert scene.low[1] <= y <= scene.high[1]
    env.close()


def test_a_window_shows_frames_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[10, 20] = (1, 2, 3)
    try:
        assert show(frame, fps=1000)
        assert pygame.display.get_surface().get_size() == (60, 40)
        assert pygame.display.get_surface().get_at((20, 10))[:3] == (1, 2, 3)
        assert show(np.zeros((50, 60, 3), np.uint8), fps=1000), "another size is another window"
        pygame.event.post(pygame.event.Event(pygame.QUIT))
        assert not show(frame, fps=1000)
        assert not pygame.display.get_init()
    finally:
        hide()


def test_a_missing_screen_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "absent")
    with pytest.raises(ValueError, match=r"no screen for a window .*; write a file instead") as error:
        show(np.zeros((40, 60, 3), np.uint8))
    assert "\n" not in str(error.value)


def test_missing_pygame_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(ValueError, match='pip install "coordbench\\[window\\]"'):
        show(np.zeros((40, 60, 3), np.uint8))
