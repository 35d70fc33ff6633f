"""The files of a leaderboard and its form on the terminal."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from coordbench.analysis import RecordError
from coordbench.leaderboard import Bootstrap, leaderboards, terminal_table, write_leaderboard
from coordbench.leaderboard.text import best_and_tied, interval, number
from record_factory import HUNT, NAVIGATION, REFERENCES, run_content, write_cell, write_run
from rich.console import Console

FAST = Bootstrap(seed=7, repetitions=2_000)
FILES = [
    "LEADERBOARD.md",
    "leaderboard.csv",
    "tasks.csv",
    "pairs.csv",
    "curves.csv",
    "profiles.csv",
    "efficiency.csv",
    "leaderboard.tex",
    "about.json",
]

AGENT_COLUMNS = [
    "agent",
    "agent_id",
    "suite",
    "suite_version",
    "budget",
    "tasks",
    "seeds",
    "iqm",
    "iqm_low",
    "iqm_high",
    "mean",
    "mean_low",
    "mean_high",
    "median",
    "median_low",
    "median_high",
    "optimality_gap",
    "optimality_gap_low",
    "optimality_gap_high",
    "area",
    "area_low",
    "area_high",
    "runs_done",
    "runs_short",
    "runs_failed",
    "runs_missing",
    "runs_apart",
    "updates",
    "seconds",
    "reference_version",
    "bootstrap_seed",
    "bootstrap_repetitions",
    "confidence",
    "rank",
    "rank_low",
    "rank_high",
    "first",
]
TASK_COLUMNS = [
    "suite",
    "suite_version",
    "budget",
    "task",
    "agent",
    "agent_id",
    "return_unit",
    "return",
    "low",
    "high",
    "score",
    "score_low",
    "score_high",
    "seeds",
    "steps",
    "runs_done",
    "runs_short",
    "runs_failed",
    "runs_missing",
    "runs_apart",
    "short_return",
    "apart_return",
    "status",
    "settings_hash",
    "random",
    "reference",
    "reference_version",
    "area",
    "area_low",
    "area_high",
    "updates",
    "seconds",
    "first",
]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three agents on two tasks; beta lacks a run and has one short and one failed."""
    folder = tmp_path / "results"
    write_cell(folder, "alpha", {NAVIGATION: (-22.0, -21.0, -23.0), HUNT: (150.0, 160.0, 140.0)})
    write_cell(folder, "beta", {NAVIGATION: (-22.5, -21.5, -23.0), HUNT: (20.0,)})
    write_run(folder, run_content("beta", HUNT, 1), (33.0,), "running")
    write_run(folder, run_content("beta", HUNT, 2), (44.0,), "failed")
    write_cell(folder, "reference", {NAVIGATION: (-10.0, -10.0, -10.0), HUNT: (200.0, 200.0, 200.0)})
    return folder


def written(results: Path, out: Path, command: str = "bench leaderboard") -> list[Path]:
    return write_leaderboard(results, out, command=command, references=REFERENCES, bootstrap=FAST)


def test_files_and_columns(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert written(results, out) == [out / name for name in FILES]
    agents, tasks = pd.read_csv(out / "leaderboard.csv"), pd.read_csv(out / "tasks.csv")
    assert list(agents.columns) == AGENT_COLUMNS
    assert list(tasks.columns) == TASK_COLUMNS
    assert list(agents["agent"]) == ["reference", "alpha", "beta"]
    assert len(tasks) == 6
    assert agents["bootstrap_seed"].eq(7).all()
    assert agents["confidence"].eq(0.95).all()
    alpha = tasks[(tasks["agent"] == "alpha") & (tasks["task"] == NAVIGATION)].iloc[0]
    assert alpha["return"] == -22.0
    assert alpha["score"] == pytest.approx(0.7)
    curves = pd.read_csv(out / "curves.csv")
    assert len(curves[(curves["agent"] == "alpha") & (curves["task"] == HUNT)]) == 2


def test_the_same_records_give_the_same_files(results: Path, tmp_path: Path) -> None:
    first, second = (written(results, tmp_path / name) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_page_says_what_it_shows(results: Path, tmp_path: Path) -> None:
    page = written(results, tmp_path, "bench leaderboard --results r --out o")[0].read_text()
    lines = page.splitlines()
    navigation = lines[lines.index(f"### {NAVIGATION}") :]
    about = "Return of an episode: mean over members; random -50.0, reference -10.0."
    assert navigation[2] == about
    alpha, beta = (
        next(line for line in navigation if line.startswith(f"| {name}")) for name in ("alpha", "beta")
    )
    assert alpha.startswith("| alpha | **-22.0** [-23.0, -21.0] | 0.70 [")
    assert beta.startswith("| beta | -22.3 ≈ [")
    assert "| reference | -10.0 [-10.0, -10.0] | 1.00 [1.00, 1.00] | 3 | 100 | complete |" in navigation
    overall = lines[lines.index("## Overall") :]
    assert next(line for line in overall if line.startswith("| beta †")).endswith("| 2 | 3 | 4 of 6 |")
    assert "| hunt-v1 | beta | 1 | short | 50 | 33.0 |" in page
    assert "| hunt-v1 | beta | 2 | failed | 50 | 44.0 | not finite: critic_loss (step 50) |" in page
    assert "- Seeds: 0, 1, 2\n" in page
    assert "2,000 repetitions, level 0.95, seed 7" in page
    assert "- Tables made with: coordbench " in page
    assert "- alpha better than beta on 0 of 2 tasks" not in page  # none is said in words
    assert "- alpha better than beta on none of 2 tasks, worse on none; over all: undecided" in page
    assert "reference scores version 3" in page
    assert "mean of its last 2 evaluations" in page
    assert "2 episodes each 50 environment steps, mode greedy" in page
    assert "python 3.11; version_numpy 2.0" in page
    assert page.endswith("- Command: `bench leaderboard --results r --out o`\n")


def test_a_task_with_short_runs_only_shows_them_as_short(tmp_path: Path) -> None:
    write_run(tmp_path / "r", run_content(), (-33.0,), "running")
    page = written(tmp_path / "r", tmp_path)[0].read_text()
    assert "| alpha † | (-33.0 so far, short) | n/a [n/a] | 0 | 100 | 1 short |" in page


def test_a_pipe_in_a_reason_does_not_break_the_table(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r", run_content(), (-33.0,), "running")
    folder.fail("a | b\nc", 50)
    assert "a \\| b c (step 50) |" in written(tmp_path / "r", tmp_path)[0].read_text()


def test_several_budgets_go_into_subfolders(results: Path, tmp_path: Path) -> None:
    write_cell(results, "alpha", {NAVIGATION: (-10.0, -10.0)}, budget="paper")
    out = tmp_path / "out"
    assert written(results, out) == [out / budget / name for budget in ("paper", "quick") for name in FILES]
    assert len(pd.read_csv(out / "paper" / "leaderboard.csv")) == 1
    (only,) = {path.parent for path in write_leaderboard(results, out, budget="paper", bootstrap=FAST)}
    assert only == out


def test_an_unwritable_place_is_one_clear_error(results: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RecordError, match="choose another --out folder") as error:
        written(results, tmp_path / "out")
    assert "\n" not in str(error.value)


def test_the_terminal_shows_the_same_numbers(results: Path) -> None:
    (board,) = leaderboards(results, references=REFERENCES, bootstrap=FAST)
    console = Console(width=120, record=True, force_terminal=False, file=None, quiet=False)
    with console.capture() as capture:
        console.print(terminal_table(board))
    text = capture.get()
    for piece in (
        "toy, budget quick",
        "alpha",
        "-22.0",
        "[-23.0, -21.0]",
        "4 done",
        "1 short",
        "1 failed",
        "seed 7",
    ):
        assert piece in text
    assert text.index("reference") < text.index("alpha") < text.index("beta")


def rivals(*rows: tuple[str, float, float, float]) -> list[dict[str, object]]:
    return [
        {"agent": name, "agent_id": name, "iqm": value, "low": low, "high": high}
        for name, value, low, high in rows
    ]


def test_best_and_tied() -> None:
    rows = rivals(
        ("a", 0.801, 0.7, 0.9), ("b", 0.799, 0.78, 0.82), ("c", 0.7, 0.65, 0.71), ("d", 0.5, 0.4, 0.6)
    )
    assert best_and_tied(rows, "iqm", "low", "high", 2) == ({"a", "b"}, {"c"})
    assert best_and_tied(rows, "iqm", "low", "high", 3) == ({"a"}, {"b", "c"})
    scripted = rivals(("reference", 1.0, 1.0, 1.0), ("a", 0.3, float("nan"), float("nan")))
    assert best_and_tied(scripted, "iqm", "low", "high", 2) == ({"a"}, set())
    gaps = [row | {"optimality_gap": row["iqm"]} for row in rows]
    assert best_and_tied(gaps, "optimality_gap", "low", "high", 2) == ({"d"}, set())
    assert best_and_tied([], "iqm", "low", "high", 2) == (set(), set())


def test_numbers_as_text() -> None:
    assert [number(value, 2) for value in (-0.001, 1.005, float("nan"))] == ["0.00", "1.00", "n/a"]
    assert interval(float("nan"), float("nan"), 1) == "[n/a]"
    assert interval(-1.25, 2.0, 1) == "[-1.2, 2.0]"


def test_a_leaderboard_needs_no_torch() -> None:
    code = "import sys, coordbench.leaderboard as l; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_records_are_written_without_pandas() -> None:
    code = "import sys, coordbench.analysis.records as r; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
