"""The check of a published page: nothing to say until something in it differs, and then one line."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from coordbench.analysis import RecordError
from coordbench.leaderboard import Bootstrap, Leaderboard, leaderboards
from coordbench.leaderboard.page.build import page, write_page
from coordbench.leaderboard.page.check import html_differences
from coordbench.leaderboard.page.pictures import Picture
from record_factory import HUNT, NAVIGATION, REFERENCES, write_cell

PICTURES = {task: [Picture(b"drawn", "image/png")] for task in (NAVIGATION, HUNT)}


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> list[Leaderboard]:
    results = tmp_path_factory.mktemp("results")
    write_cell(results, "alpha", {NAVIGATION: (-22.0, -21.0, -23.0), HUNT: (150.0, 160.0, 140.0)})
    write_cell(results, "beta", {NAVIGATION: (-12.5, -11.5, -13.0), HUNT: (20.0, 25.0, 22.0)})
    return leaderboards(results, references=REFERENCES, bootstrap=Bootstrap(7, 200))


def repacked(text: str, name: str, change: Any) -> str:
    """The page with the content of one of its packed elements changed."""
    before, rest = text.split(f'id="{name}">', 1)
    packed, after = rest.split("</script>", 1)
    content = change(gzip.decompress(base64.b64decode(packed)).decode())
    return (
        f'{before}id="{name}">{base64.b64encode(gzip.compress(content.encode(), 1)).decode()}</script>{after}'
    )


def test_a_page_agrees_with_its_records_however_it_is_packed(
    boards: list[Leaderboard], tmp_path: Path
) -> None:
    assert html_differences(boards, tmp_path) == []  # there is none
    path = write_page(boards, tmp_path, "another command", PICTURES)
    assert html_differences(boards, tmp_path, PICTURES) == []
    assert html_differences(boards, tmp_path) == []
    path.write_text(repacked(path.read_text(), "all-0", lambda text: text))
    assert html_differences(boards, tmp_path, PICTURES) == []


def test_the_order_of_pictures_means_nothing(boards: list[Leaderboard]) -> None:
    turned = dict(reversed(PICTURES.items()))
    assert page(boards, "", PICTURES) == page(boards, "", turned)


def _scaled(factor: float) -> Any:
    def change(text: str) -> str:
        data = json.loads(text)
        data["rows"][0]["return"] *= factor
        return json.dumps(data)

    return change


def test_numbers_may_differ_in_their_last_digits_only(boards: list[Leaderboard], tmp_path: Path) -> None:
    path = write_page(boards, tmp_path, "", PICTURES)
    text = path.read_text()
    path.write_text(repacked(text, "task-0-1", _scaled(1 + 1e-5)))
    assert html_differences(boards, tmp_path, PICTURES) == []
    path.write_text(repacked(text, "task-0-1", _scaled(1.01)))
    (line,) = html_differences(boards, tmp_path, PICTURES)
    assert line.startswith(f"{path}: task-0-1.rows[0].return: published -")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"agent": "alpha"', '"agent": "omega"', "published 'omega', the records give 'alpha'"),
        ('"agent":"alpha"', '"agent":"omega"', "published 'omega', the records give 'alpha'"),
        ('"use strict"', '"use sloppy"', "its program or style is not that of this version"),
        ("--paper: #ffffff", "--paper: #eeeeee", "its program or style is not that of this version"),
        (base64.b64encode(b"drawn").decode(), base64.b64encode(b"faked").decode(), "data.pictures"),
    ],
)
def test_what_differs_is_said(
    boards: list[Leaderboard], tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = write_page(boards, tmp_path, "", PICTURES)
    text = path.read_text()
    path.write_text(text.replace(old, new))
    found = html_differences(boards, tmp_path, PICTURES)
    assert (text.count(old) > 0) is bool(found)
    assert all(said in line and line.startswith(f"{path}: ") for line in found)


def test_a_csv_file_inside_the_page_is_compared_too(boards: list[Leaderboard], tmp_path: Path) -> None:
    path = write_page(boards, tmp_path, "", PICTURES)
    path.write_text(repacked(path.read_text(), "csv-0-tasks.csv", lambda text: text.replace("beta", "zeta")))
    (line,) = html_differences(boards, tmp_path, PICTURES)
    assert "csv-0-tasks.csv, line" in line
    assert "'zeta'" in line


@pytest.mark.parametrize("content", ["", "<html>", '<script type="application/json" id="data">[</script>'])
def test_another_file_is_no_page(boards: list[Leaderboard], tmp_path: Path, content: str) -> None:
    (tmp_path / "index.html").write_text(content)
    with pytest.raises(RecordError, match="cannot read the published page"):
        html_differences(boards, tmp_path)
