"""The guide to a task of one's own, followed to the letter: files, name, contract, picture, baselines."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from coordbench import envs
from coordbench.analysis.records import read_runs
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.suites.suite_file import read_suite
from coordbench.benchmarks.training.train import train

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "environments.md"
TASK = "rendezvous_2-v1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The guide's files, and what installing them leaves on the path."""
    blocks = re.findall(r"^```\w+\n(# (\S+)\n.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    for content, name in blocks:
        (tmp_path / name).write_text(content)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert [f"{name}.py" for name in project["tool"]["setuptools"]["py-modules"]] == ["rendezvous.py"]
    installed = tmp_path / "rendezvous-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: rendezvous\nVersion: 0.1\n")
    points = project["project"]["entry-points"]["coordbench.envs"]
    lines = ["[coordbench.envs]", *(f"{name} = {value}" for name, value in points.items())]
    (installed / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bench(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_guide_leads_to_baselines(folder: Path) -> None:
    assert f"  {TASK}\n" in bench("list", "tasks")
    assert "keeps the contract" in bench("check-env", TASK)
    bench("watch", TASK, "--out", "clip.gif", "--size", "100")
    assert (folder / "clip.gif").read_bytes().startswith(b"GIF89a")
    measured = bench("references", "--suite", "mine.toml", "--episodes", "50", "--out", "scores.json")
    random, reference = (float(n) for n in re.findall(r"-?\d+\.\d+", measured))
    assert reference > random / 2, "meeting in the middle is much better than chance"

    assert "3 cells, 9 runs" in bench("run", "--suite", "mine.toml", "--dry-run")
    env = envs.make(TASK, num_envs=2)
    assert env.scene(1).members.shape == (2, 2)


def test_the_guide_trains(folder: Path) -> None:
    (cell,) = read_suite(str(folder / "mine.toml")).cells(agent_names=["vm3ac"])
    train(replace(cell, steps=600), (0, 1), folder / "results")
    assert [run.status for run in read_runs(folder / "results")] == ["done", "done"]
    bench("watch", TASK, "--agent", "vm3ac", "--seed", "1", "--size", "100", "--out", "learned.png")
    assert (folder / "learned.png").exists()
