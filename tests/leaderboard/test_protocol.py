"""What does not share a table: other protocols, variants where they are not planned, runs from elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coordbench.leaderboard import Bootstrap, Leaderboard, leaderboards, write_leaderboards
from record_factory import HUNT, NAVIGATION, REFERENCES, run_content, write_cell, write_run


def board_of(results: Path) -> Leaderboard:
    (board,) = leaderboards(results, references=REFERENCES, bootstrap=Bootstrap(repetitions=200))
    return board


def row(board: Leaderboard, agent: str, task: str = NAVIGATION) -> Any:
    return board.tasks.set_index(["task", "agent"]).loc[(task, agent)]


def write_other(results: Path, change: str, value: Any, agent: str = "odd") -> None:
    """Three very good runs of an agent whose protocol differs in one point."""
    for seed in range(3):
        content = run_content(agent, seed=seed)
        place: Any = content
        *path, last = change.split(".")
        for name in path:
            place = place[name]
        place[last] = value
        write_run(results, content, (-1.0, -1.0))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    write_cell(folder, "alpha", {NAVIGATION: (-22.0, -21.0, -23.0)})
    write_cell(folder, "beta", {NAVIGATION: (-32.0, -31.0, -33.0)})
    return folder


@pytest.mark.parametrize(
    ("change", "value", "said"),
    [
        ("steps", 50, "steps 50 instead of 100"),
        (
            "task.return_unit",
            "sum over members",
            'return unit "sum over members" instead of "mean over members"',
        ),
        ("evaluation.episodes", 7, "evaluation.episodes 7 instead of 2"),
        ("evaluation.mode", "sampled", 'evaluation.mode "sampled" instead of "greedy"'),
        ("task.settings", {"start_jitter": 0.5}, "task.start_jitter 0.5 instead of 0.0"),
    ],
)
def test_runs_under_another_protocol_are_shown_apart_and_compared_with_nobody(
    results: Path, change: str, value: Any, said: str
) -> None:
    before = board_of(results)
    write_other(results, change, value)
    board = board_of(results)
    odd = row(board, "odd")
    assert (odd["seeds"], odd["runs_apart"], odd["apart_return"]) == (0, 3, -1.0)
    assert np.isnan(odd["return"])
    assert np.isnan(odd["score"])
    assert f"not comparable: {said}" in odd["status"]
    assert {hole.outcome for hole in board.holes} == {"apart"}
    assert "odd" not in {*board.pairs["agent_a"], *board.pairs["agent_b"], *board.standing.overall}
    assert board.pairs.equals(before.pairs)
    page = write_leaderboards([board], results.parent / "out", "bench")[0].read_text()
    assert said in page
    assert "**-1.0**" not in page


def test_our_own_protocol_decides_even_against_many_runs_from_elsewhere(results: Path) -> None:
    for name in ("ext_a", "ext_b", "ext_c"):
        for seed in range(10):
            content = run_content(name, seed=seed, steps=50)
            content["provenance"] = {"source": "marl-eval JSON"}
            write_run(results, content, (-1.0,))
    board = board_of(results)
    assert row(board, "alpha")["status"] == "complete"  # ten seeds elsewhere make none missing here
    assert row(board, "ext_a (external)")["runs_apart"] == 10
    assert row(board, "ext_a (external)")["runs_missing"] == 0
    assert list(board.standing.overall) == ["alpha", "beta"]
    assert "ext_a (external) is not ranked" not in " ".join(board.standing.overall)
    assert set(board.standing.unranked) == {f"ext_{letter} (external)" for letter in "abc"}


def test_variants_are_expected_only_where_they_have_runs(results: Path) -> None:
    write_cell(results, "vm3ac", {NAVIGATION: (-20.0,) * 3, HUNT: (50.0,) * 3}, settings={"beta": 0.1})
    write_cell(results, "vm3ac", {HUNT: (60.0,) * 2}, settings={"beta": 0.2})
    board = board_of(results)
    absent = row(board, "vm3ac [beta=0.2]")
    assert (absent["runs_missing"], absent["seeds"]) == (0, 0)
    assert absent["status"].startswith("no run of this variant here: not planned, or not begun")
    assert row(board, "vm3ac [beta=0.2]", HUNT)["runs_missing"] == 1
    assert row(board, "alpha", HUNT)["runs_missing"] == 3  # no variant: it should be there


def test_agents_that_lack_tasks_are_listed_last_and_never_the_best(results: Path) -> None:
    write_cell(results, "alpha", {HUNT: (100.0, 101.0, 102.0)})
    write_cell(results, "beta", {HUNT: (90.0, 91.0, 92.0)})
    write_cell(results, "easy", {NAVIGATION: (-10.0,) * 3})
    board = board_of(results)
    agents = board.agents.set_index("agent")
    assert list(agents.index) == ["alpha", "beta", "easy"]
    assert agents.loc["easy", "iqm"] > agents.loc["alpha", "iqm"]
    assert np.isnan(agents.loc["easy", "rank"])
    assert board.standing.unranked == {"easy": f"no complete run on {HUNT}"}
    page = write_leaderboards([board], results.parent / "out", "bench")[0].read_text()
    overall = page[page.index("## Overall") : page.index("## Pairs")]
    assert "| alpha | 1 [1, 1] | 100% | **" in overall
    assert f"easy is not ranked: no complete run on {HUNT}." in overall
