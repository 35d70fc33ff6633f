"""Tasks whose episodes are won or lost: the win rate leads, the return stands beside it."""

import json
import math
from pathlib import Path

import pytest
from coordbench.analysis import RecordError, ReferenceScores, TaskReference, reference_scores
from coordbench.analysis import write_reference_scores as write_scores
from coordbench.analysis.absolute import absolute_return, absolute_value
from coordbench.analysis.coordination.summary import coordination
from coordbench.analysis.curves import COLUMNS, WIN_COLUMNS, learning_curves
from coordbench.analysis.efficiency import area, efficiency
from coordbench.analysis.exchange.marl_eval import marl_eval
from coordbench.analysis.reading import read_runs, read_tables
from coordbench.analysis.schema import check_run
from coordbench.analysis.scores import WinRate, run_return, run_value, scales
from coordbench.analysis.variants import variant_labels
from coordbench.analysis.winning import value_of, win_metric
from record_factory import HUNT, NAVIGATION, REFERENCES, write_cell
from won_records import BATTLE, EPISODES, battle_content, battle_evaluation, write_battles


def test_a_run_is_scored_by_its_win_rate_and_its_return_is_kept(tmp_path: Path) -> None:
    write_battles(tmp_path, battle_content(steps=150), (2, 5, 8), (10.0, 30.0, 70.0), best=9)
    (run,) = read_runs(tmp_path)
    assert win_metric(run) == "won"
    assert [value_of(run, one) for one in run.evaluations] == [0.2, 0.5, 0.8]
    assert run_value(run) == pytest.approx(0.65)  # the last two evaluations
    assert run_return(run) == pytest.approx(50.0)
    assert area(run) == pytest.approx(0.5)
    assert (absolute_value(run), absolute_return(run)) == (0.9, 5.0)


def test_a_record_from_before_there_were_win_rates_means_its_return(tmp_path: Path) -> None:
    write_battles(tmp_path, battle_content(is_won=False), (2, 8), (10.0, 70.0), best=9)
    (run,) = read_runs(tmp_path)
    assert win_metric(run) is None
    assert run_value(run) == run_return(run) == 40.0
    assert area(run) == 40.0
    assert absolute_value(run) == absolute_return(run) == 5.0


def test_a_win_metric_must_be_a_metric_of_the_task() -> None:
    content = {"format": 1, **battle_content()}
    check_run(content)
    for wrong in ("victories", 3, ["won"]):
        content["task"]["win_metric"] = wrong
        with pytest.raises(ValueError, match=r"'task\.win_metric' must be one of 'task\.metrics'"):
            check_run(content)


@pytest.mark.parametrize(
    "wins",
    [None, [1.0] * (EPISODES - 1) + [None], [2.0] + [0.0] * (EPISODES - 1)],
    ids=["none", "a hole", "2"],
)
def test_an_evaluation_that_does_not_say_who_won_is_refused(tmp_path: Path, wins: list[float | None]) -> None:
    folder = write_battles(tmp_path, battle_content(), (), (), ending="running")
    line = battle_evaluation(50, 0, 0.0)
    line["metrics"] = {"won": wins} if wins else {}
    folder.append(line)
    (run,) = read_runs(tmp_path)
    with pytest.raises(
        RecordError, match=r"'metrics\.won' of the evaluation at step 50 must hold a number"
    ) as said:
        run_value(run)
    assert "\n" not in str(said.value)


def test_the_score_of_a_win_rate_is_the_win_rate_with_or_without_reference_scores() -> None:
    known = {BATTLE: TaskReference(-5.0, 190.0, 9, {}, 0, 0.01, 0.93), HUNT: REFERENCES.tasks[HUNT]}
    found = scales(ReferenceScores(3, known), {BATTLE, "other-v1"})
    assert found.version == 3
    for task in (BATTLE, "other-v1"):
        scale = found.tasks[task]
        assert isinstance(scale, WinRate)
        assert [scale.score(value) for value in (0.0, 0.25, 1.0)] == [0.0, 0.25, 1.0]
        assert scale.value(0.25) == 0.25
        assert math.isnan(scale.score(math.nan))
    assert found.tasks[BATTLE].measured == known[BATTLE]  # type: ignore[union-attr]
    assert found.tasks[HUNT].score(100.0) == 0.5
    assert found.tasks[HUNT].value(0.5) == 100.0


def test_win_rates_in_a_file_of_reference_scores_are_optional(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    known = {BATTLE: TaskReference(-5.0, 190.0, 9, {}, 0, 0.0, 0.93), HUNT: TaskReference(0.0, 1.0, 9, {}, 0)}
    write_scores(path, known, 4)
    assert reference_scores(path) == ReferenceScores(4, known)
    entries = json.loads(path.read_text())["tasks"]
    assert (entries[BATTLE]["random_wins"], entries[BATTLE]["reference_wins"]) == (0.0, 0.93)
    assert "random_wins" not in entries[HUNT]
    with pytest.raises(ValueError, match="both win rates or neither"):
        TaskReference(0.0, 1.0, 9, {}, 0, 0.5)
    with pytest.raises(ValueError, match="from 0 to 1"):
        TaskReference(0.0, 1.0, 9, {}, 0, 0.5, 2.0)


def test_curves_are_of_win_rates_with_the_return_beside(tmp_path: Path) -> None:
    for seed in range(2):
        write_battles(tmp_path, battle_content(seed=seed), (2, 4 + 2 * seed), (10.0, 30.0 + 20 * seed))
    write_cell(tmp_path, "alpha", {NAVIGATION: (-30.0, -20.0)})
    found = learning_curves(read_runs(tmp_path), repetitions=100)
    assert list(found.columns) == [*COLUMNS, *WIN_COLUMNS]
    battle = found[found["task"] == BATTLE]
    assert list(battle["mean"]) == pytest.approx([0.2, 0.5])
    assert list(battle["return_mean"]) == pytest.approx([10.0, 40.0])
    last = battle.iloc[-1]
    assert (last["low"], last["high"]) == pytest.approx((0.4, 0.6))
    assert (last["return_low"], last["return_high"]) == pytest.approx((30.0, 50.0))
    assert set(battle["scored_by"]) == {"win rate"}
    other = found[found["task"] == NAVIGATION]
    assert set(other["scored_by"]) == {"return"}
    assert list(other["mean"]) == [-25.0, -25.0]
    assert other["return_mean"].isna().all()
    alone = learning_curves(
        [run for run in read_runs(tmp_path) if run.task_id == NAVIGATION], repetitions=100
    )
    assert list(alone.columns) == COLUMNS


def test_efficiency_follows_the_win_rate(tmp_path: Path) -> None:
    for seed in range(3):
        write_battles(tmp_path, battle_content(seed=seed), (1, 5), (10.0, 70.0))
    found = efficiency({BATTLE: read_runs(tmp_path)}, {BATTLE: WinRate()}, 0, 100, 0.95)
    steps = found[found["axis"] == "steps"].set_index("x")["iqm"]
    assert (steps[0.5], steps[0.95], steps[1.0]) == pytest.approx((0.1, 0.1, 0.5))


def test_marl_eval_gets_the_win_rate_beside_the_return(tmp_path: Path) -> None:
    write_battles(tmp_path, battle_content(), (2, 5), (10.0, 30.0), best=9)
    export = marl_eval(read_tables(tmp_path))
    steps = export.content["toy_v1_quick"][BATTLE]["alpha"]["seed_0"]
    assert steps["step_1"]["win_rate"] == [1.0] * 5 + [0.0] * 5
    assert steps["step_1"]["return"] == [29.0, 31.0] * 5
    assert set(steps["step_1"]) == {
        *("step_count", "elapsed_time", "return", "episode_length", "win_rate", "dead_enemies")
    }
    assert sum(steps["absolute_metrics"]["win_rate"]) == 9
    assert not export.notes
    write_cell(tmp_path, "alpha", {NAVIGATION: (-30.0,)})
    export = marl_eval(read_tables(tmp_path))
    assert "win_rate" not in export.content["toy_v1_quick"][BATTLE]["alpha"]["seed_0"]["step_1"]
    assert any("no win_rate, for some tasks have none" in note for note in export.notes)


def test_the_report_on_coordination_has_the_win_rate_before_the_return(tmp_path: Path) -> None:
    write_battles(tmp_path, battle_content(), (2, 5), (10.0, 30.0))
    write_cell(tmp_path, "alpha", {NAVIGATION: (-30.0,)})
    (report,) = coordination(tmp_path)
    battle = report.table[report.table["task"] == BATTLE]
    last = battle[battle["when"] == "last"].set_index("measure")["value"]
    assert (last["win_rate"], last["return"]) == (0.5, 30.0)
    assert list(last.index).index("win_rate") < list(last.index).index("return")
    assert "win_rate" not in set(battle[battle["when"] == "early"]["measure"])
    assert "win_rate" not in set(report.table[report.table["task"] == NAVIGATION]["measure"])


def test_runs_that_are_scored_differently_are_different_rows(tmp_path: Path) -> None:
    write_battles(tmp_path, battle_content(), (2, 5), (10.0, 30.0))
    write_battles(tmp_path, battle_content(is_won=False), (2, 5), (10.0, 30.0))
    labels = set(variant_labels(read_runs(tmp_path)).values())
    assert labels == {"alpha [task.win_metric=null]", "alpha [task.win_metric=won]"}
