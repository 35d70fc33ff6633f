"""The numbers of a table: worked by hand, with holes, variants, budgets and rivals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from coordbench.analysis import RecordError, ReferenceScores
from coordbench.leaderboard import Bootstrap, Leaderboard, leaderboards
from coordbench.leaderboard.verdicts import comparable
from record_factory import (
    HUNT,
    NAVIGATION,
    REFERENCES,
    evaluation_content,
    run_content,
    write_cell,
    write_run,
)

FAST = Bootstrap(seed=7, repetitions=400)


def board_of(results: Path, budget: str | None = None) -> Leaderboard:
    (board,) = leaderboards(results, budget=budget, references=REFERENCES, bootstrap=FAST)
    return board


def agent_row(board: Leaderboard, agent: str) -> pd.Series:
    return board.agents.set_index("agent").loc[agent]


def task_row(board: Leaderboard, task: str, agent: str) -> pd.Series:
    return board.tasks.set_index(["task", "agent"]).loc[task, agent]


def test_a_complete_table_worked_by_hand(tmp_path: Path) -> None:
    # scores on navigation .25 .5 .75, on hunt 0 .5 1.5
    write_cell(tmp_path, "alpha", {NAVIGATION: (-40.0, -30.0, -20.0), HUNT: (0.0, 100.0, 300.0)})
    board = board_of(tmp_path)
    row = agent_row(board, "alpha")
    assert row["mean"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert row["median"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert row["iqm"] == pytest.approx((0.25 + 0.5 + 0.5 + 0.75) / 4)
    assert row["optimality_gap"] == pytest.approx(1 - (0.25 + 0.5 + 0.75 + 0 + 0.5 + 1) / 6)
    assert (row["tasks"], row["seeds"], row["runs_done"], row["runs_missing"]) == (2, 3, 6, 0)
    assert row["iqm_low"] < row["iqm"] < row["iqm_high"]
    hunt = task_row(board, HUNT, "alpha")
    assert hunt["return"] == pytest.approx(400 / 3)
    assert hunt["score"] == pytest.approx(2 / 3)
    assert hunt["score_low"] == pytest.approx(hunt["low"] / 200)
    assert hunt["score_high"] == pytest.approx(hunt["high"] / 200)
    assert (hunt["return_unit"], hunt["seeds"], hunt["steps"]) == ("team (shared reward)", 3, 100)
    assert (hunt["random"], hunt["reference"], hunt["reference_version"]) == (0.0, 200.0, 3)
    assert hunt["status"] == "complete"
    assert board.holes == ()


def test_agents_are_ordered_by_iqm(tmp_path: Path) -> None:
    write_cell(tmp_path, "worst", {NAVIGATION: (-60.0, -61.0)})
    write_cell(tmp_path, "best", {NAVIGATION: (-20.0, -21.0)})
    write_cell(tmp_path, "middle", {NAVIGATION: (-40.0, -41.0)})
    assert list(board_of(tmp_path).agents["agent"]) == ["best", "middle", "worst"]
    assert agent_row(board_of(tmp_path), "worst")["iqm"] < 0  # not clipped


def test_holes_are_counted_shown_and_kept_out_of_the_numbers(tmp_path: Path) -> None:
    write_cell(tmp_path, "whole", {NAVIGATION: (-40.0,) * 5})
    write_cell(tmp_path, "holey", {NAVIGATION: (-30.0, -20.0)})
    write_run(tmp_path, run_content("holey", seed=2), (-10.0,), "running")
    write_run(tmp_path, run_content("holey", seed=3), (-11.0, -11.0), "failed")
    board = board_of(tmp_path)
    row = task_row(board, NAVIGATION, "holey")
    assert row["return"] == pytest.approx(-25.0)
    assert row["short_return"] == pytest.approx(-10.0)
    assert row["status"] == "1 short, 1 failed, 1 missing"
    overall = agent_row(board, "holey")
    assert [overall[f"runs_{name}"] for name in ("done", "short", "failed", "missing")] == [2, 1, 1, 1]
    assert overall["seeds"] == 2
    assert overall["mean"] == pytest.approx(0.625)
    found = {hole.seed: (hole.outcome, hole.value, hole.step, hole.reason) for hole in board.holes}
    assert found[2] == ("short", -10.0, 50, "running or stopped, evaluated up to step 50 of 100")
    assert found[3] == ("failed", -11.0, 100, "not finite: critic_loss (step 100)")
    assert found[4][0] == "missing"


def test_a_run_marked_done_before_its_steps_is_short(tmp_path: Path) -> None:
    write_cell(tmp_path, "alpha", {NAVIGATION: (-30.0, -20.0)})
    content = run_content("alpha", seed=2)
    folder = write_run(tmp_path, content, (-1.0,), "running")
    folder.finish(steps=50, updates=1, seconds=1.0)
    torn = write_run(tmp_path, run_content("alpha", seed=3), (-1.0,))
    with (torn.path / "evaluations.jsonl").open("a") as file:
        file.write('{"step"')
    write_run(tmp_path, run_content("alpha", seed=4), ())
    board = board_of(tmp_path)
    assert [hole.reason for hole in board.holes] == [
        "ended at step 50 of 100",
        "its last evaluation is torn",
        "it was never evaluated",
    ]
    assert {hole.outcome for hole in board.holes} == {"short"}
    assert task_row(board, NAVIGATION, "alpha")["return"] == -25.0


def test_an_agent_without_any_run_on_a_task_still_has_a_row(tmp_path: Path) -> None:
    write_cell(tmp_path, "alpha", {NAVIGATION: (-30.0, -20.0), HUNT: (0.0, 1.0)})
    write_cell(tmp_path, "beta", {NAVIGATION: (-30.0, -20.0)})
    board = board_of(tmp_path)
    row = task_row(board, HUNT, "beta")
    assert np.isnan(row["return"])
    assert (row["runs_missing"], row["seeds"], row["settings_hash"]) == (2, 0, "")
    assert row["status"] == "2 missing"
    assert (agent_row(board, "beta")["tasks"], agent_row(board, "beta")["runs_missing"]) == (1, 2)
    assert agent_row(board, "beta")["mean"] == pytest.approx(0.625)


@pytest.mark.parametrize("seeds", [3, 6])
def test_a_rival_changes_no_number_of_another_row(tmp_path: Path, seeds: int) -> None:
    write_cell(tmp_path, "middle", {NAVIGATION: (-40.0, -30.0, -22.0), HUNT: (10.0, 100.0, 250.0)})
    alone = board_of(tmp_path)
    write_cell(tmp_path, "apex", {NAVIGATION: (-5.0,) * seeds, HUNT: (900.0,) * seeds})
    write_cell(tmp_path, "zero", {NAVIGATION: (-95.0,) * 3, "another-v1": (1.0, 2.0, 3.0)})
    together = board_of(tmp_path)
    # what is missing and who is first are facts about the table, not about the row
    missing = ["runs_missing", "status", "rank", "rank_low", "rank_high", "first"]
    before, after = (agent_row(board, "middle").drop(missing, errors="ignore") for board in (alone, together))
    pd.testing.assert_series_equal(before, after)
    for task in (NAVIGATION, HUNT):
        before, after = (
            task_row(board, task, "middle").drop(missing, errors="ignore") for board in (alone, together)
        )
        pd.testing.assert_series_equal(before, after)


def test_budgets_and_suites_and_versions_never_share_a_table(tmp_path: Path) -> None:
    write_cell(tmp_path, "alpha", {NAVIGATION: (-30.0, -30.0)}, budget="quick")
    write_cell(tmp_path, "alpha", {NAVIGATION: (-20.0, -20.0)}, budget="paper")
    write_cell(tmp_path, "alpha", {NAVIGATION: (-10.0, -10.0)}, suite="other")
    write_cell(tmp_path, "gamma", {NAVIGATION: (-10.0, -10.0)}, suite="other", suite_version="2")
    boards = leaderboards(tmp_path, references=REFERENCES, bootstrap=FAST)
    assert [(board.suite, board.suite_version, board.budget) for board in boards] == [
        ("other", "1", "quick"),
        ("other", "2", "quick"),
        ("toy", "1", "paper"),
        ("toy", "1", "quick"),
    ]
    assert [board.tasks["return"].item() for board in boards] == [-10, -10, -20, -30]
    assert board_of(tmp_path, "paper").tasks["return"].item() == -20


def test_an_unknown_budget_or_an_empty_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="holds no records; `bench run`"):
        leaderboards(tmp_path, references=REFERENCES)
    write_run(tmp_path, run_content())
    with pytest.raises(RecordError, match="no records of the budget 'papr'; it has: quick"):
        leaderboards(tmp_path, budget="papr", references=REFERENCES)


def test_two_settings_of_an_agent_are_two_rows(tmp_path: Path) -> None:
    write_cell(tmp_path, "vm3ac", {NAVIGATION: (-30.0, -30.0)}, settings={"beta": 0.1})
    write_cell(tmp_path, "vm3ac", {NAVIGATION: (-20.0, -20.0)}, settings={"beta": 0.2})
    board = board_of(tmp_path)
    assert task_row(board, NAVIGATION, "vm3ac [beta=0.1]")["return"] == -30
    assert task_row(board, NAVIGATION, "vm3ac [beta=0.2]")["return"] == -20
    assert list(board.agents["agent"]) == ["vm3ac [beta=0.2]", "vm3ac [beta=0.1]"]
    assert set(board.agents["agent_id"]) == {"vm3ac"}
    assert board.tasks["settings_hash"].nunique() == 2
    assert set(board.agents["runs_missing"]) == {0}


def test_one_seed_has_numbers_and_no_interval(tmp_path: Path) -> None:
    write_cell(tmp_path, "alpha", {NAVIGATION: (-30.0,)})
    board = board_of(tmp_path)
    row = task_row(board, NAVIGATION, "alpha")
    assert (row["return"], row["status"]) == (-30.0, "complete; one seed: no interval")
    assert np.isnan([row["low"], row["score_high"], agent_row(board, "alpha")["iqm_low"]]).all()


def test_a_task_without_reference_scores_has_returns_and_says_so(tmp_path: Path) -> None:
    write_cell(tmp_path, "alpha", {NAVIGATION: (-30.0, -20.0)})
    (board,) = leaderboards(tmp_path, references=ReferenceScores(1, {}), bootstrap=FAST)
    row = task_row(board, NAVIGATION, "alpha")
    assert row["return"] == -25.0
    assert np.isnan(row["score"])
    assert row["status"] == "complete; no reference score"
    assert agent_row(board, "alpha")["tasks"] == 0


def test_other_evaluation_settings_than_those_of_the_reference_are_said(tmp_path: Path) -> None:
    content = run_content(task=HUNT)
    content["task"]["evaluation_settings"] = {"start_jitter": 0.1}
    folder = write_run(tmp_path, content, (1.0,), "running")
    folder.append(evaluation_content(100, 1.0))
    folder.finish(100, 1, 1.0)
    status = task_row(board_of(tmp_path), HUNT, "alpha")["status"]
    assert "reference scores were measured with other start_jitter" in status


def test_nobody_is_best_where_aggregates_are_over_different_tasks(tmp_path: Path) -> None:
    """All share navigation; two of them also hunt, so their IQM is another number than that of the rest."""
    for name, shift in (("alpha", 0.0), ("beta", 5.0)):
        write_cell(tmp_path, name, {NAVIGATION: (-30.0 + shift, -31.0), HUNT: (50.0, 60.0)})
    assert {row["agent"] for row in comparable(board_of(tmp_path))} == {"alpha", "beta"}
    for name in ("gamma", "delta", "epsilon"):
        write_cell(tmp_path, name, {NAVIGATION: (-50.0, -52.0)})
    board = board_of(tmp_path)
    assert (board.standing.tasks, board.standing.unranked) == ((NAVIGATION,), {})
    assert comparable(board) == []
