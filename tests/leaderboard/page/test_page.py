"""What is in the page: complete, the same each time, and harmless whatever names it is given."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from coordbench.analysis import RecordError
from coordbench.leaderboard import Bootstrap, Leaderboard, leaderboards
from coordbench.leaderboard.page.build import page, write_page
from coordbench.leaderboard.page.curves import thinned
from coordbench.leaderboard.page.data import head, overall, row_commands, task_views
from coordbench.leaderboard.page.pictures import Picture, clips
from coordbench.leaderboard.tables import csv_files
from record_factory import HUNT, NAVIGATION, REFERENCES, run_content, write_cell, write_run

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    write_cell(folder, "alpha", {NAVIGATION: (-22.0, -21.0, -23.0), HUNT: (150.0, 160.0, 140.0)})
    write_cell(folder, "beta", {NAVIGATION: (-22.5, -21.5, -23.0), HUNT: (20.0,)})
    write_run(folder, run_content("beta", HUNT, 1), (33.0,), "running").fail(HOSTILE, 50)
    for note in (HOSTILE, "$(touch x); `touch x`"):
        write_cell(folder, "odd", {NAVIGATION: (-30.0, -31.0, -32.0)}, settings={"note": note})
    return folder


@pytest.fixture
def board(results: Path) -> Leaderboard:
    (found,) = leaderboards(results, references=REFERENCES, bootstrap=Bootstrap(7, 200))
    return found


class Elements(HTMLParser):
    """Tags, and what script elements hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and self.scripts:
            attributes, before = self.scripts[-1]
            self.scripts[-1] = (attributes, before + data)


def test_the_page_needs_nothing_else_and_runs_one_script(board: Leaderboard) -> None:
    text = page([board], "bench leaderboard")
    found = Elements(text)
    running = [content for attributes, content in found.scripts if "type" not in attributes]
    assert len(running) == 1
    assert not re.search(r"<(?:link|script|img|iframe)[^>]+(?:src|href)=.?(?:https?:)?//", text)
    digest = base64.b64encode(hashlib.sha256(running[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "connect-src" not in text
    assert text == page([board], "bench leaderboard")
    assert "uPlot" in running[0]
    assert "innerHTML" not in running[0].split("uPlot", 1)[1].split("One tooltip", 1)[1]


def test_hostile_names_stay_data(board: Leaderboard) -> None:
    text = page([board], f"bench leaderboard --results '{HOSTILE}'")
    assert "owned" not in re.sub(r"<script.*?</script>", "", text, flags=re.S)
    found = Elements(text)
    assert "img" not in found.tags
    held = {attributes.get("id"): content for attributes, content in found.scripts}
    data = json.loads(held["data"] or "")
    assert any(HOSTILE in row["agent"] for row in data["boards"][0]["agents"])
    assert "<" not in (held["data"] or "")
    packed = json.loads(gzip.decompress(base64.b64decode(held["all-0"] or "")))
    assert any(HOSTILE in hole[6] for hole in packed["holes"])


def test_the_numbers_are_those_of_the_board(board: Leaderboard) -> None:
    shown = {row["agent"]: row for row in head(board, "bench")["agents"]}
    for _, row in board.agents.iterrows():
        for name in ("iqm", "iqm_low", "iqm_high", "area"):
            assert shown[row["agent"]][name] == (
                None if math.isnan(row[name]) else pytest.approx(row[name], rel=1e-5)
            )
    assert shown["beta"]["runs"] == {"done": 4, "short": 0, "failed": 1, "missing": 1, "apart": 0}
    assert not shown["beta"]["whole"]
    views = task_views(board)
    alpha = next(row for row in views[HUNT]["rows"] if row["agent"] == "alpha")
    assert alpha["return"] == pytest.approx(150.0)
    assert alpha["mark"] == "best"
    rest = overall(board)
    assert rest["scores"]["alpha"][board.tasks["task"].unique().tolist().index(HUNT)][0] == pytest.approx(
        0.75
    )
    (pair,) = [one for one in rest["pairs"] if {one["a"], one["b"]} == {"alpha", "beta"}]
    assert pair["said"].startswith(f"{pair['a']} better than {pair['b']} on ")


def test_curves_hold_every_seed(board: Leaderboard) -> None:
    curves = {curve["agent"]: curve for curve in task_views(board)[HUNT]["curves"]}
    assert curves["alpha"]["x"]["steps"] == [50, 100]
    assert curves["alpha"]["seeds"] == [
        [0, [50, 100], [150, 150]],
        [1, [50, 100], [160, 160]],
        [2, [50, 100], [140, 140]],
    ]
    assert [seed for seed, *_ in curves["beta"]["seeds"]] == [0, 1]
    assert curves["beta"]["n"] == [2, 1]


@pytest.mark.parametrize(("count", "most"), [(1, 8), (8, 8), (9, 8), (1000, 12)])
def test_thinned_curves_keep_both_ends(count: int, most: int) -> None:
    places = thinned(count, most)
    assert places[0] == 0
    assert places[-1] == count - 1
    assert len(places) == min(count, most)
    assert places == sorted(set(places))


def test_a_row_has_the_command_that_trains_it_again(board: Leaderboard) -> None:
    commands = row_commands(board)
    expected = "bench run --suite toy --budget quick --agents alpha --tasks hunt-v1 --seeds 0-2"
    assert commands[HUNT, "alpha"] == expected
    assert commands["", "beta"] == "bench run --suite toy --budget quick --agents beta --seeds 0-2"
    (variant,) = [text for (task, name), text in commands.items() if task == NAVIGATION and "touch" in name]
    assert variant.endswith("--set 'odd.note=$(touch x); `touch x`'")


def test_csv_files_are_packed_into_the_page(board: Leaderboard) -> None:
    found = Elements(page([board], "bench"))
    held = {attributes.get("id"): content for attributes, content in found.scripts}
    for name, text in csv_files(board).items():
        assert gzip.decompress(base64.b64decode(held[f"csv-0-{name}"] or "")).decode() == text


def test_clips_are_found_bounded_and_never_svg(tmp_path: Path) -> None:
    folder = tmp_path / "clips" / HUNT
    folder.mkdir(parents=True)
    (folder / "alpha.gif").write_bytes(b"GIF89a")
    (folder / "beta.svg").write_text("<svg/>")
    (folder / "gamma.png").write_bytes(b"x" * 500_000)
    (folder / "delta.png").symlink_to(tmp_path / "elsewhere")
    found, left_out = clips(tmp_path, [HUNT, "../up"])
    assert found == {HUNT: [Picture(b"GIF89a", "image/gif", "alpha")]}
    assert left_out == [folder / "gamma.png"]


def test_it_is_written_or_says_why_not(board: Leaderboard, tmp_path: Path) -> None:
    path = write_page([board], tmp_path / "out", "bench")
    assert path == tmp_path / "out" / "index.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="choose another --out folder"):
        write_page([board], tmp_path / "file", "bench")
