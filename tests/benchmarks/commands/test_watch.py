"""`bench watch`: files and windows of episodes, and what is refused."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coordbench.benchmarks.commands import film as film_module
from coordbench.benchmarks.commands.film import Film
from coordbench.benchmarks.commands.watch import Request, play
from coordbench.envs.scene import PREY, Disc, Rectangle, Scene
from PIL import Image
from watching import TASK, refusal, watch


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predator_pray_2-v1"], "did you mean 'predator_prey_2-v1'?"),
        ([TASK, "--agent", "maddgp"], "unknown agent 'maddgp'; did you mean 'maddpg'?"),
        ([TASK, "--set", "scal=1"], "has no setting 'scal'; did you mean 'scale'?"),
        ([TASK, "--set", "scale"], "cannot read --set 'scale'; write SETTING=VALUE"),
        ([TASK, "--out", "clip.avi"], "cannot write clip.avi: its name must end in .gif, .mp4 or .png"),
        ([TASK, "--out", "clip"], "must end in"),
    ],
)
def test_bad_choices_are_one_line(arguments: list[str], message: str) -> None:
    assert message in refusal(*arguments)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("clip.avi", "must end in"),
        ("folder.gif", "it is a folder"),
        ("file/clip.gif", "file is not a folder"),
        ("file/new/clip.gif", "file is not a folder"),
        (f"new/{300 * 'a'}.gif", "name too long"),
        ("closed/clip.png", "Permission denied"),
        ("closed/new/clip.png", "Permission denied"),
        ("/proc/new/clip.png", "No such file or directory"),
    ],
)
def test_places_where_no_file_can_be_are_one_line_before_anything_is_played(
    place: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place.startswith("closed") and os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    if place.startswith("/proc") and sys.platform != "linux":
        pytest.skip("there is no /proc")
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "closed").mkdir(mode=0o500)
    monkeypatch.setattr("coordbench.benchmarks.commands.watch.play", lambda _: pytest.fail("it was played"))
    message = refusal(TASK, "--out", tmp_path / place)
    assert f"cannot write {tmp_path / place}: " in message
    assert reason in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closed", "file", "folder.gif"]


def test_an_episode_that_cannot_be_played_leaves_no_folder(tmp_path: Path) -> None:
    assert "unknown agent" in refusal(TASK, "--agent", "nobody", "--out", tmp_path / "a" / "b" / "clip.gif")
    assert not list(tmp_path.iterdir())


def test_no_screen_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "absent")
    message = refusal(TASK, "--set", "horizon=2")
    assert "no screen" in message
    assert "--out clip.gif" in message


def test_a_window_shows_the_whole_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    result = watch(TASK, "--set", "horizon=2", "--fps", "50", "--size", "100")
    assert result.exit_code == 0, result.output
    assert "episode 1: 2 steps, return" in result.output


def test_an_animation_lasts_as_long_as_its_episodes(tmp_path: Path) -> None:
    out = tmp_path / "new" / "clip.gif"
    result = watch(TASK, "--set", "horizon=6", "--episodes", "2", "--size", "160", "--fps", "5", "--out", out)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == str(out)
    assert [path.name for path in out.parent.iterdir()] == ["clip.gif"]
    with Image.open(out) as clip:
        lasted = 0
        for frame in range(clip.n_frames):  # type: ignore[attr-defined]
            clip.seek(frame)
            lasted += clip.info["duration"]
        assert clip.n_frames > 6  # type: ignore[attr-defined]
    assert lasted == 2 * (7 + 8) * 200, "seven pictures an episode, the last one longer"


def test_a_contact_sheet_holds_six_moments(tmp_path: Path) -> None:
    assert watch(TASK, "--agent", "random", "--size", "100", "--out", tmp_path / "a.png").exit_code == 0
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width > 3 * 100
        assert sheet.height > 2 * 100
    (film,) = play(Request(TASK, "random"))
    short = replace(film, scenes=film.scenes[:2], returns=film.returns[:2])
    assert short.sheet(100).width < 3 * 100, "an episode of one step has two moments"


def test_moments_of_wide_scenes_stand_one_below_the_other() -> None:
    scene = Scene((0.0, 0.0), (4.0, 1.0), [])
    sheet = Film("title", "unit", 9, [scene] * 10, [0.0] * 10).sheet(100)
    assert 200 < sheet.width < 220
    assert sheet.height > 6 * 50


def test_a_video_is_a_video(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    out = tmp_path / "clip.mp4"
    assert watch(TASK, "--set", "horizon=4", "--size", "101", "--out", out).exit_code == 0
    assert out.read_bytes()[4:8] == b"ftyp"


def test_a_missing_encoder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert 'pip install "coordbench[video]"' in refusal(TASK, "--out", tmp_path / "clip.mp4")


def test_the_reference_plays_unless_another_is_asked_for() -> None:
    scripted, named, random = (play(Request(TASK, agent))[0] for agent in (None, "reference", "random"))
    assert scripted.title == f"{TASK}, reference"
    assert scripted.returns == named.returns
    assert scripted.returns[-1] > 2 * random.returns[-1]


def test_catches_are_marked_where_they_happen() -> None:
    (film,) = play(Request(TASK))
    marked = sum(len(film.vanished(step)) for step in range(1, 31))
    caught = 16 - sum(isinstance(shape, Rectangle) for shape in film.scenes[30].shapes)
    assert marked == caught > 3
    for step in range(1, 31):
        for (x, y), colour in film.vanished(step):
            assert colour == PREY
            distance = np.linalg.norm(film.scenes[step].members - (x, y), axis=1)
            assert distance.min() < 0.2, "a predator is there"


def test_shapes_that_move_are_not_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    def scene(*centres: float) -> Scene:
        shapes = [Disc(x, 0.5, 0.05, PREY) for x in centres]
        return Scene((0.0, 0.0), (1.0, 1.0), shapes, np.array([[0.9, 0.9]]))

    film = Film(
        "title", "unit", 4, [scene(0.2, 0.6), scene(0.2, 0.6), scene(0.25, 0.6), scene(0.3)], [0.0] * 4
    )
    assert film.vanished(1) == []
    assert film.vanished(2) == [], "it has moved a little"
    assert film.vanished(3) == [((0.6, 0.5), PREY)]
    drawn: list[object] = []
    monkeypatch.setattr(film_module, "draw", lambda *arguments: drawn.append(arguments[-1]))
    film.frame(3, 100)
    assert drawn == [[((0.6, 0.5), PREY)]]
    without = replace(film, scenes=[replace(s, members=np.empty((0, 2))) for s in film.scenes])
    assert without.vanished(3) == [], "a table of a game is no place"
