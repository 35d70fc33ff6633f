"""`bench leaderboard`: synthetic sweeps with a known truth give the known answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from coordbench.analysis import scores
from coordbench.benchmarks.cli import main
from record_factory import (
    HUNT,
    NAVIGATION,
    REFERENCES,
    evaluation_content,
    folder_of,
    run_content,
    write_run,
)

# means and standard deviations in scores; the returns of navigation are -50 + 40 score, of the hunt 200 score
TRUTH = {"best": (0.9, 0.05), "good": (0.6, 0.05), "twin": (0.6, 0.05), "wild": (0.3, 0.3)}


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["leaderboard", *map(str, arguments)])


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four agents on two tasks, seven seeds, 20 evaluations; planted holes of every kind."""
    monkeypatch.setattr(scores, "REFERENCE_SCORES_FILE", tmp_path / "references.json")
    scores.write_reference_scores(tmp_path / "references.json", REFERENCES.tasks, REFERENCES.version)
    from coordbench.leaderboard import board

    monkeypatch.setattr(
        board, "reference_scores", lambda: scores.reference_scores(tmp_path / "references.json")
    )
    rng = np.random.default_rng(0)
    folder = tmp_path / "results"
    for agent, (mean, spread) in TRUTH.items():
        for task in (NAVIGATION, HUNT):
            for seed in range(7):
                if (agent, task, seed) in {("good", HUNT, 5), ("good", HUNT, 6)}:
                    continue
                value = REFERENCES.tasks[task].random + rng.normal(mean, spread) * (
                    REFERENCES.tasks[task].reference - REFERENCES.tasks[task].random
                )
                ending = {("wild", NAVIGATION, 0): "failed", ("wild", NAVIGATION, 1): "running"}
                write(
                    folder,
                    run_content(agent, task, seed, steps=1000),
                    value,
                    ending.get((agent, task, seed), "done"),
                )
    return folder


def write(folder: Path, content: dict[str, Any], value: float, ending: str) -> None:
    """A run that rises in a straight line to ``value`` and ends there for its last two evaluations."""
    if ending != "done":
        write_run(folder, content, (value,), ending)
        return
    run = folder_of(folder, content)
    run.start(content)
    for step in range(0, 1001, 50):
        run.append(evaluation_content(step, value * min(1.0, step / 900)))
    run.finish(1000, 250, 100.0)


def test_planted_truths_come_out_of_the_command(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = bench("--results", results, "--out", out, "--repetitions", 3000, "--no-figures")
    assert done.exit_code == 0, done.output
    agents = pd.read_csv(out / "leaderboard.csv").set_index("agent")
    assert agents.index[0] == "best"
    assert agents.loc["best", "first"] > 0.999
    assert agents.loc["best", "iqm"] == pytest.approx(0.9, abs=0.05)
    assert agents.loc["best", "iqm_low"] < 0.9 < agents.loc["best", "iqm_high"]
    counted = agents[["runs_done", "runs_short", "runs_failed", "runs_missing"]]
    assert list(counted.loc["wild"]) == [12, 1, 1, 0]
    assert list(counted.loc["good"]) == [12, 0, 0, 2]
    pairs = pd.read_csv(out / "pairs.csv").set_index(["task", "agent_a", "agent_b"])
    assert pairs.loc[("(all)", "best", "good"), "verdict"] == "better"
    assert pairs.loc[("(all)", "best", "good"), "better_on"] == 2
    assert pairs.loc[(HUNT, "best", "good"), "shift"] == pytest.approx(60, abs=15)
    assert pairs.loc[("(all)", "good", "twin"), "verdict"] == "undecided"
    assert pairs.loc[("(all)", "good", "twin"), "seeds_needed"] > 7
    page = (out / "LEADERBOARD.md").read_text()
    assert "- best better than good on 2 of 2 tasks, worse on none; over all: better" in page
    assert "| hunt-v1 | good | 5, 6 | missing |" in page
    assert "--repetitions 3000 --no-figures`" in page
    curves = pd.read_csv(out / "curves.csv")
    assert len(curves[(curves["agent"] == "best") & (curves["task"] == HUNT)]) == 21


def test_figures_are_drawn_by_default(results: Path, tmp_path: Path) -> None:
    done = bench("--results", results, "--out", tmp_path / "out", "--repetitions", 100)
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "out" / "figures").iterdir())) == 10


def test_rliables_own_bootstrap_gives_nearly_the_same_and_leaves_numpy_alone(
    results: Path, tmp_path: Path
) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]  # noqa: NPY002
    frames = {}
    for method in ("stratified", "rliable"):
        out = tmp_path / method
        done = bench(
            "--results", results, "--out", out, "--repetitions", 300, "--no-figures", "--bootstrap", method
        )
        assert done.exit_code == 0, done.output
        frames[method] = pd.read_csv(out / "leaderboard.csv").set_index("agent")
    ours, theirs = (frames[method].loc["best"] for method in ("stratified", "rliable"))
    assert ours["iqm"] == theirs["iqm"]
    width = ours["iqm_high"] - ours["iqm_low"]
    assert ours["iqm_low"] == pytest.approx(theirs["iqm_low"], abs=0.2 * width)
    assert ours["iqm_low"] != theirs["iqm_low"]
    assert np.isnan(frames["rliable"].loc["good", "iqm_low"])  # rliable knows no holes
    assert "aggregates by rliable's bootstrap" in (tmp_path / "rliable" / "LEADERBOARD.md").read_text()
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002


def test_the_check_agrees_until_a_record_changes(results: Path, tmp_path: Path) -> None:
    options = ("--results", results, "--out", tmp_path / "out", "--repetitions", 100)
    assert bench(*options, "--no-figures").exit_code == 0
    agreed = bench(*options, "--check")
    assert agreed.exit_code == 0, agreed.output
    assert "agrees with the records" in agreed.output
    write(results, run_content("best", HUNT, 7, steps=1000), 0.0, "done")
    differing = bench(*options, "--check")
    assert differing.exit_code == 1
    assert "tasks.csv: line" in differing.output


def test_the_check_looks_into_the_page_too_and_tells_the_remedy(results: Path, tmp_path: Path) -> None:
    options = ("--results", results, "--out", tmp_path / "out", "--repetitions", 100)
    assert bench(*options, "--no-figures", "--html").exit_code == 0
    assert bench(*options, "--check").exit_code == 0
    page = tmp_path / "out" / "index.html"
    page.write_text(page.read_text().replace('"agent":"best"', '"agent":"mine"'))
    differing = bench(*options, "--check")
    assert differing.exit_code == 1
    assert f"{page}: data.boards[0].agents" in differing.output
    remedy = f"`bench leaderboard --results {results} --out {tmp_path / 'out'} --repetitions 100 --html`"
    assert f"{remedy} writes them anew" in differing.output
