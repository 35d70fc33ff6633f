"""`bench leaderboard --html` and `--serve`, as typed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from coordbench.benchmarks.cli import main

RECORDS = Path(__file__).resolve().parents[3] / "leaderboard" / "published" / "records"
TASK = "cooperative_navigation_3-v1"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two agents of the published records on one task, each with all its seeds."""
    folder = tmp_path / "results" / "coordination" / TASK
    folder.mkdir(parents=True)
    for agent in ("vm3ac", "maddpg"):
        (source,) = (RECORDS / "coordination" / TASK).glob(f"{agent}-*")
        (folder / source.name).symlink_to(source)
    return tmp_path / "results"


def test_html_writes_one_file_with_a_picture_and_says_what_is_too_large(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tables"
    (out / "clips" / TASK).mkdir(parents=True)
    (out / "clips" / TASK / "vm3ac.gif").write_bytes(b"GIF89a" + b"0" * 500_000)
    options = ["--results", str(results), "--out", str(out), "--no-figures", "--repetitions", "100"]
    main(["leaderboard", *options, "--html"], standalone_mode=False)
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == str(out / "index.html")
    assert "vm3ac.gif is too large for the page" in said.err
    text = (out / "index.html").read_text(encoding="utf-8")
    data = json.loads(re.findall(r'id="data">(.*?)</script>', text)[0])
    (board,) = data["boards"]
    assert {row["agent"] for row in board["agents"]} == {"vm3ac", "maddpg"}
    assert [picture["agent"] for picture in data["pictures"][TASK]] == [""]
    assert board["about"]["Command"].endswith("--repetitions 100 --no-figures --html")


def test_out_may_be_left_out_only_to_serve(results: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "coordbench.benchmarks", "leaderboard", "--results", str(results)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "Missing option '--out'" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_shows_the_page_until_interrupted(results: Path) -> None:
    options = ["--results", str(results), "--serve", "--port", "0", "--repetitions", "50"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "coordbench.benchmarks", "leaderboard", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found is not None, line + process.stdout.read()
        for _ in range(100):
            try:
                text = urllib.request.urlopen(found[0], timeout=20).read().decode()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise AssertionError("the server does not answer")
        assert 'data-live="yes"' in text
        assert "connect-src 'self'" in text
        assert urllib.request.urlopen(found[0] + "tasks.csv", timeout=20).read().startswith(b"suite,")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stdout.read().splitlines()[-1] == "ended"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
