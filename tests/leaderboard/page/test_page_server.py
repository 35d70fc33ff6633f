"""The served page follows the records."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from coordbench.leaderboard.page.server import PageServer, stamp
from record_factory import NAVIGATION, evaluation_content, folder_of, run_content, write_cell


def test_a_stamp_changes_with_every_evaluation(tmp_path: Path) -> None:
    write_cell(tmp_path, "alpha", {NAVIGATION: (-22.0,)})
    first = stamp(tmp_path)
    assert first == stamp(tmp_path)
    folder = folder_of(tmp_path, run_content("alpha", NAVIGATION, 1))
    folder.start(run_content("alpha", NAVIGATION, 1))
    second = stamp(tmp_path)
    folder.append(evaluation_content(50, 1.0))
    assert len({first, second, stamp(tmp_path)}) == 3


def test_it_serves_follows_and_survives_records_it_cannot_read(tmp_path: Path) -> None:
    made: list[int] = []

    def build() -> Mapping[str, str]:
        made.append(1)
        if len(made) == 3:
            raise ValueError("line 7 is torn")
        return {"index.html": f"page {len(made)}", "quick/pairs.csv": "a,b\n"}

    server = PageServer(build, tmp_path, 0)
    thread = threading.Thread(target=server.serve, args=(60.0,), daemon=True)
    thread.start()

    def get(path: str, host: str = "") -> str:
        request = urllib.request.Request(server.url + path, headers={"Host": host} if host else {})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    try:
        assert get("") == get("index.html?x=1") == "page 1"
        assert get("quick/pairs.csv") == "a,b\n"
        before = json.loads(get("version"))
        assert not server.refresh()
        write_cell(tmp_path, "alpha", {NAVIGATION: (-22.0,)})
        assert server.refresh()
        assert get("") == "page 2"
        after = json.loads(get("version"))
        assert after["version"] != before["version"]
        write_cell(tmp_path, "beta", {NAVIGATION: (-22.0,)})
        assert server.refresh()
        assert get("") == "page 2"
        assert "line 7 is torn" in json.loads(get("version"))["trouble"]
        for path, host, status in (
            ("none.csv", "", 404),
            ("../pyproject.toml", "", 404),
            ("", "evil.example", 403),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(path, host)
            assert refused.value.code == status
    finally:
        server.close()


def test_a_first_page_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    def build() -> Mapping[str, str]:
        raise ValueError("no records")

    with pytest.raises(ValueError, match="no records"):
        PageServer(build, tmp_path, 0)
