"""Leaderboards of tasks that are won or lost: the win rate leads, the return stands beside it."""

from io import StringIO
from pathlib import Path

import chromium
import numpy as np
import pytest
from coordbench.analysis import ReferenceScores, TaskReference
from coordbench.analysis.pairs import ALL_TASKS
from coordbench.analysis.statistics import iqm
from coordbench.leaderboard import Bootstrap, Leaderboard, leaderboards
from coordbench.leaderboard.figures import figures
from coordbench.leaderboard.leading import COLUMN, lead_words, scale_words, tasks_won
from coordbench.leaderboard.page.build import write_page
from coordbench.leaderboard.page.data import head, task_views
from coordbench.leaderboard.tables import csv_files, write_leaderboards
from coordbench.leaderboard.terminal import terminal_table
from record_factory import NAVIGATION, REFERENCES, write_cell
from rich.console import Console
from won_records import BATTLE, battle_content, write_battles

WINS = {"alpha": (8, 7, 9), "beta": (3, 2, 4), "gamma": (0, 0, 0)}
RETURNS = {"alpha": (10.0, 20.0, 30.0), "beta": (40.0, 50.0, 60.0), "gamma": (-1.0, -2.0, -3.0)}
"""Whoever wins more returns less here, so that nothing can be ranked by the wrong one unnoticed."""
KNOWN = ReferenceScores(
    3, {NAVIGATION: REFERENCES.tasks[NAVIGATION], BATTLE: TaskReference(-5.0, 190.0, 9, {}, 0, 0.01, 0.93)}
)


def write_all(results: Path, with_return_task: bool = False, task: str = BATTLE, suffix: str = "") -> None:
    for agent, wins in WINS.items():
        for seed, won in enumerate(wins):
            content = battle_content(agent + suffix, seed, task=task)
            write_battles(results, content, (won, won), (RETURNS[agent][seed],) * 2, best=min(won + 1, 10))
    if with_return_task:
        for agent, value in {"alpha": -30.0, "beta": -20.0, "gamma": -50.0}.items():
            write_cell(results, agent + suffix, {NAVIGATION: (value, value + 2, value + 4)})


def board_of(results: Path, references: ReferenceScores = KNOWN) -> Leaderboard:
    (board,) = leaderboards(results, references=references, bootstrap=Bootstrap(7, 200))
    return board


def test_scores_are_win_rates_and_returns_stand_beside_them(tmp_path: Path) -> None:
    write_all(tmp_path)
    board = board_of(tmp_path)
    assert list(board.agents["agent"]) == ["alpha", "beta", "gamma"]
    agents = board.agents.set_index("agent")
    for agent, wins in WINS.items():
        rates = np.array(wins)[:, None] / 10
        assert agents.loc[agent, "iqm"] == pytest.approx(float(iqm(rates)))
        assert agents.loc[agent, "optimality_gap"] == pytest.approx(1 - rates.mean())
        assert agents.loc[agent, "area"] == pytest.approx(float(iqm(rates)))
    tasks = board.tasks.set_index("agent")
    alpha = tasks.loc["alpha"]
    assert alpha[COLUMN] == "win rate"
    assert (alpha["win_rate"], alpha["score"], alpha["return"]) == pytest.approx((0.8, 0.8, 20.0))
    assert alpha["win_rate_low"] == pytest.approx(alpha["score_low"])
    assert 0.69 < alpha["win_rate_low"] <= 0.8 <= alpha["win_rate_high"] < 0.91
    assert 10.0 <= alpha["low"] <= 20.0 <= alpha["high"] <= 30.0
    assert (alpha["absolute_win_rate"], alpha["absolute_return"]) == pytest.approx((0.9, 5.0))
    assert tuple(alpha[["random", "reference"]]) == (-5.0, 190.0)
    assert tuple(alpha[["random_win_rate", "reference_win_rate"]]) == (0.01, 0.93)
    assert alpha["area"] == pytest.approx(0.8)
    assert alpha["status"] == "complete"
    assert list(board.standing.overall) == ["alpha", "beta", "gamma"]
    pair = board.pairs[board.pairs["task"] == BATTLE].iloc[0]
    assert (pair["agent_a"], pair["agent_b"], pair["probability"]) == ("alpha", "beta", 1.0)
    assert (pair["return_unit"], pair["shift"]) == ("win rate", pytest.approx(0.5))
    last = board.curves.groupby("agent").last()
    assert last.loc["alpha", "score"] == last.loc["alpha", "mean"] == pytest.approx(0.8)


def test_without_reference_scores_there_are_scores_all_the_same(tmp_path: Path) -> None:
    write_all(tmp_path)
    board = board_of(tmp_path, ReferenceScores(1, {}))
    assert list(board.agents["agent"]) == ["alpha", "beta", "gamma"]
    row = board.tasks.set_index("agent").loc["beta"]
    assert row["score"] == pytest.approx(0.3)
    assert row[["random", "reference", "random_win_rate", "reference_win_rate"]].isna().all()
    assert row["status"] == "complete"
    page = write_leaderboards([board], tmp_path / "out", "bench")[0].read_text()
    assert "Win rate: share of episodes won; random and scripted play not measured." in page


def test_a_suite_may_have_both_kinds_of_tasks(tmp_path: Path) -> None:
    write_all(tmp_path, with_return_task=True)
    board = board_of(tmp_path)
    agents = board.agents.set_index("agent")
    for agent, value in {"alpha": -30.0, "beta": -20.0, "gamma": -50.0}.items():
        scores = np.array([[won / 10, (value + 2 * seed + 50) / 40] for seed, won in enumerate(WINS[agent])])
        assert agents.loc[agent, "iqm"] == pytest.approx(float(iqm(scores)))
        assert agents.loc[agent, "mean"] == pytest.approx(scores.mean())
    assert tasks_won(board) == [BATTLE]
    assert dict(board.tasks.groupby("task")[COLUMN].first()) == {BATTLE: "win rate", NAVIGATION: "return"}
    other = board.tasks[board.tasks["task"] == NAVIGATION]
    assert other[["win_rate", "random_win_rate", "absolute_win_rate"]].isna().all(axis=None)
    assert set(board.pairs[board.pairs["task"] == ALL_TASKS]["tasks"]) == {2}
    assert (lead_words(board), scale_words(board, "so")) == (
        "Win rate or return",
        f"so; on {BATTLE} the win rate (0 no episode won, 1 all)",
    )


def test_tables_of_returns_alone_have_no_column_and_no_word_of_win_rates(tmp_path: Path) -> None:
    write_all(tmp_path / "both", with_return_task=True)
    write_cell(tmp_path / "one", "alpha", {NAVIGATION: (-30.0, -28.0, -26.0)})
    board = board_of(tmp_path / "one")
    contents = [*csv_files(board).values(), board_of(tmp_path / "one").suite]
    contents += [path.read_text() for path in write_leaderboards([board], tmp_path / "out", "bench")]
    assert not any("win" in text.lower() or COLUMN in text for text in contents)
    columns = ["task", "agent", "return", "low", "high", "score", "score_low", "score_high", "area", "status"]
    both = board_of(tmp_path / "both").tasks
    there = both[(both["task"] == NAVIGATION) & (both["agent"] == "alpha")][columns]
    assert there.reset_index(drop=True).equals(board.tasks[columns].reset_index(drop=True))


def test_names_do_not_matter(tmp_path: Path) -> None:
    write_all(tmp_path / "one", with_return_task=True)
    write_all(tmp_path / "two", with_return_task=True, suffix="_renamed")
    write_all(tmp_path / "three", with_return_task=True, task="zz_battle-v1")
    numbers = ["iqm", "iqm_low", "iqm_high", "mean_low", "optimality_gap_high", "rank", "first"]
    one, two, three = (board_of(tmp_path / name).agents for name in ("one", "two", "three"))
    assert one[numbers].equals(two[numbers])
    assert one[numbers].equals(three[numbers])


def test_records_from_before_are_set_apart_from_those_with_win_rates(tmp_path: Path) -> None:
    write_all(tmp_path)
    for seed in range(3):
        write_battles(tmp_path, battle_content("old", seed, is_won=False), (9, 9), (99.0, 99.0))
    board = board_of(tmp_path)
    row = board.tasks.set_index("agent").loc["old"]
    assert (row["seeds"], row["runs_apart"], row["apart_return"]) == (0, 3, 99.0)
    assert np.isnan(row["apart_win_rate"])
    assert 'not comparable: scored by "return" instead of "win rate"' in row["status"]
    assert "old" not in board.standing.overall


def test_old_records_alone_are_ranked_by_return(tmp_path: Path) -> None:
    for agent, wins in WINS.items():
        for seed, won in enumerate(wins):
            content = battle_content(agent, seed, is_won=False)
            write_battles(tmp_path, content, (won, won), (RETURNS[agent][seed],) * 2)
    board = board_of(tmp_path)
    assert list(board.agents["agent"]) == ["beta", "alpha", "gamma"]
    assert COLUMN not in board.tasks


def test_what_is_read_leads_with_the_win_rate(tmp_path: Path) -> None:
    write_all(tmp_path / "records", with_return_task=True)
    write_battles(tmp_path / "records", battle_content("late", 0, steps=100), (6,), (33.0,), ending="running")
    board = board_of(tmp_path / "records")
    page, *_, tex, _ = (path.read_text() for path in write_leaderboards([board], tmp_path / "out", "bench"))
    assert "Win rate: share of episodes won; random 0.01, reference 0.93. Return of an episode: team" in page
    assert "| Agent | Win rate | Return | Seeds |" in page
    assert "| Agent | Return | Score | Seeds |" in page
    assert "| alpha | **0.80** [0.7" in page
    assert "| late † | (0.60 so far, short) |" in page
    assert "Win rate or return there" in page
    assert "Win rate or return of a run: mean of its last" in page
    assert r"Agent & battle-v1 & return & navigation-v1 \\" in tex
    assert "battle-v1: win rate, return: team (shared reward); navigation-v1: mean over members" in tex
    text = StringIO()
    Console(file=text, width=100).print(terminal_table(board))
    shown = " ".join(text.getvalue().split())
    assert "Agent ┃ Win rate ┃ Return ┃ Runs" in shown
    assert "0.60 (short)" in shown
    assert "on battle-v1 the win rate (0 no episode won, 1 all)" in shown
    made = figures(board, "bench")
    assert b"Win rate or return during training" in made["learning_curves.svg"]
    assert b">win rate<" in made["learning_curves.svg"]


def test_the_data_of_the_page_leads_with_the_win_rate(tmp_path: Path) -> None:
    write_all(tmp_path, with_return_task=True)
    board = board_of(tmp_path)
    views = task_views(board)
    battle, other = views[BATTLE], views[NAVIGATION]
    assert (battle["won"], battle["random"], battle["reference"], battle["digits"]) == (True, 0.01, 0.93, 2)
    assert (other["won"], other["random"], other["reference"]) == (False, -50, -10)
    alpha = next(row for row in battle["rows"] if row["agent"] == "alpha")
    assert (alpha["win_rate"], alpha["return"], alpha["mark"]) == (0.8, 20, "best")
    curve = next(curve for curve in battle["curves"] if curve["agent"] == "alpha")
    assert curve["mean"] == [0.8, 0.8]
    assert curve["seeds"][0] == [0, [50, 100], [0.8, 0.8]]
    assert curve["returns"]["mean"] == [20, 20]
    assert curve["returns"]["seeds"][0] == [0, [50, 100], [10, 10]]
    assert all("returns" not in curve for curve in other["curves"])
    assert head(board, "bench")["lead"] == "Win rate or return"


@pytest.mark.skipif(chromium.PROGRAM is None, reason=chromium.WHY_NOT)
def test_the_page_shows_win_rates_first_and_returns_on_demand(tmp_path: Path) -> None:
    write_all(tmp_path / "records", with_return_task=True)
    board = board_of(tmp_path / "records")
    url = write_page([board], tmp_path, "bench").as_uri()
    heads = "[...document.querySelectorAll('.returns thead th')].map(one => one.textContent.trim())"
    with chromium.browser(tmp_path / "profile") as tab:
        tab.open(f"{url}#task={BATTLE}")
        assert tab.eval(heads)[1:4:2] == ["Win rate", "Return"]
        assert chromium.names(tab, ".returns") == ["alpha", "beta", "gamma"]
        charts = "[...document.querySelectorAll('#panel .chart')].map(one => one.getAttribute('aria-label'))"
        assert tab.eval(charts)[0].startswith("Win rate during training")
        select = "[...document.querySelectorAll('select')].find(one => one.value === 'win rate')"
        tab.eval(f"(s => {{ s.value = 'return'; s.dispatchEvent(new Event('change')); }})({select})")
        assert tab.eval(charts)[0].startswith("Return during training")
        tab.open(f"{url}#task={NAVIGATION}")
        assert tab.eval(heads)[1:4:2] == ["Return", "Score"]
        assert not tab.eval(select)
        assert tab.troubles == []
