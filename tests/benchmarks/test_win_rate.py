"""A suite of battles from training to tables: what is scored by its win rate, and what is not."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from coordbench import agents, envs
from coordbench.analysis.absolute import absolute_return, absolute_value, read_absolute
from coordbench.analysis.reading import read_runs
from coordbench.analysis.records import RecordError, settings_hash
from coordbench.analysis.scores import reference_scores
from coordbench.analysis.winning import value_of, win_metric
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.commands.evaluation_output import (
    Played,
    Report,
    as_csv,
    as_json,
    note_of,
    table_of,
)
from coordbench.benchmarks.commands.references import measure, update
from coordbench.benchmarks.suites.stack import Stack, folder_of
from coordbench.benchmarks.suites.suite import SuiteTask
from coordbench.benchmarks.suites.suite_file import parse_suite, read_suite
from coordbench.benchmarks.sweeps.progress import Job
from coordbench.benchmarks.training.best import Best
from coordbench.benchmarks.training.evaluate import Episodes
from coordbench.benchmarks.training.train import train
from fake_training import cells as cells_of_returns
from rich.console import Console

BATTLES = """
name = "battles"
version = 1
seeds = "0-1"
agents = ["qmix"]
num_envs = 2
default_budget = "short"

[[tasks]]
id = "micro_3m-v1"
evaluation_settings = { start_jitter = 0.05 }

[budgets.short]
steps = 240
evaluation = { every = 120, episodes = 4, score_last = 1 }
preset = "small"
"""
(CELL,) = parse_suite(BATTLES, "battles.toml").cells()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    train(CELL, (0, 1), results)
    return results


def bench(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_task_of_the_suite_is_scored_by_its_win_rate_and_no_other_suite_is() -> None:
    assert {cell.win_metric for cell in read_suite("micromanagement").cells()} == {"battle_won"}
    for name in ("coordination", "toy", "ablations"):
        assert {cell.win_metric for cell in read_suite(name).cells()} == {None}


def test_a_win_metric_is_in_the_hash_and_a_task_without_one_keeps_its_hash() -> None:
    assert CELL.settings_hash != replace(CELL, win_metric=None).settings_hash
    cell = cells_of_returns()[0]
    decisive = {
        **{name: getattr(cell, name) for name in ("suite_version", "budget", "task", "task_settings")},
        **{name: getattr(cell, name) for name in ("evaluation_settings", "agent", "agent_settings")},
        **{"steps": cell.steps, "num_envs": cell.num_envs},
        "evaluation": {"every": 120, "episodes": 2, "score_last": 1, "mode": "greedy"},
    }
    assert cell.settings_hash == settings_hash(decisive)


def test_a_win_metric_must_be_one_of_the_metrics() -> None:
    team = envs.spec("micro_3m-v1")
    with pytest.raises(ValueError, match="win_metric 'victories' is none of"):
        replace(team, win_metric="victories")


def test_records_say_what_they_are_scored_by(trained: Path) -> None:
    for run in read_runs(trained):
        assert win_metric(run) == "battle_won"
        absolute = read_absolute(run)
        assert absolute is not None
        assert absolute_value(run) == value_of(run, absolute) == np.mean(absolute.metrics["battle_won"])
        assert absolute_return(run) == pytest.approx(np.mean(absolute.returns))


def test_commands_lead_with_the_win_rate(trained: Path, tmp_path: Path) -> None:
    bench("leaderboard", "--results", trained, "--out", tmp_path, "--no-figures", "--repetitions", 100)
    assert "| Agent | Win rate | Return |" in (tmp_path / "LEADERBOARD.md").read_text()
    (row,) = csv.DictReader((tmp_path / "tasks.csv").open())
    assert (row["scored_by"], row["win_rate"], row["reference_win_rate"]) == ("win rate", "0", "0.8742")
    given = ("evaluate", "--results", trained, "--task", "micro_3m-v1", "--agent", "qmix", "--episodes", 4)
    found = json.loads(bench(*given, "--format", "json", "--start-seed", "training"))
    assert found["win_metric"] == "battle_won"
    for row, run in zip(found["runs"], read_runs(trained), strict=True):
        assert row["win_rate"] == value_of(run, run.evaluations[-1])
        assert row["returns"] == list(run.evaluations[-1].returns)
    job = Job(Stack(CELL, (0, 1)), [folder_of(CELL, seed, trained) for seed in (0, 1)], 0.0)
    job.look()
    assert job.reached.startswith("win rate 0, return -")


def test_a_run_that_goes_on_shows_its_win_rate(tmp_path: Path) -> None:
    train(CELL, (0,), tmp_path)
    (tmp_path / "battles.toml").write_text(BATTLES)
    (tmp_path / CELL.suite / CELL.place / "seed_0" / "done.json").unlink()
    text = bench("status", "--results", tmp_path, "--suite", tmp_path / "battles.toml")
    assert "win rate 0, return -" in " ".join(text.split())


def test_what_evaluate_prints() -> None:
    run = Played(0, 9, 4, 5.0, 4.0, 6.0, 20.0, {"won": 0.75, "dead": 1.0}, [5.0] * 4, 0.75, 0.5, 1.0)
    report = Report("a", "t", "greedy", "last", 4, 1, "team", 0.95, [run], replace(run, seed=None), "won")
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table_of(report))
    assert "│ 0 │ 9 │ 0.750 │ [0.5, 1] │ 5 │ 20.0 │ 1 │" in " ".join(console.export_text().split())
    assert note_of(report).startswith("Win rate: share of episodes won. Return of an episode: team.")
    first = next(csv.DictReader(io.StringIO(as_csv(report))))
    assert (first["win_rate"], first["win_rate_low"], first["return"], first["low"]) == (
        *("0.75", "0.5"),
        *("5.0", "4.0"),
    )
    plain = replace(run, win_rate=None, win_rate_low=None, win_rate_high=None)
    without = replace(report, win_metric=None, runs=[plain], overall=plain)
    assert "win" not in as_json(without).replace('"won"', "")
    assert "win" not in as_csv(without) + note_of(without)


def episodes(wins: list[float], returns: list[float]) -> Episodes:
    metrics = {"battle_won": np.array([[won] for won in wins])}
    array = np.array([[value] for value in returns])
    return Episodes(array, array.astype(int), metrics, torch.zeros(0))


def test_the_best_weights_win_most_and_of_equal_ones_return_most(tmp_path: Path) -> None:
    team = envs.spec("micro_3m-v1")
    agent = agents.make("qmix", team, (0, 1), settings=CELL.agent_settings)
    best, alive = Best(CELL, (0, 1), team), np.array([True, True])
    best.note(0, agent, episodes([0, 0], [-6, -6]), alive)
    best.note(10, agent, episodes([0, 1], [-3, 90]), alive)  # equal and better; more wins
    best.note(20, agent, episodes([0, 0], [-4, 99]), alive)  # equal and worse; fewer wins and a higher return
    assert [policy and policy.step for policy in best.policies] == [10, 10]
    again = Best(CELL, (0, 1), team)
    again.load_state_dict(best.state_dict())
    again.note(30, agent, episodes([1, 1], [-9, 90]), alive)  # more wins and a lower return; the same
    assert [policy and policy.step for policy in again.policies] == [30, 10]


def test_references_measure_win_rates_and_their_version_stands_for_returns_alone(tmp_path: Path) -> None:
    task = SuiteTask("micro_3m-v1", evaluation_settings={"start_jitter": 0.05})
    found = measure(task, episodes=50)
    assert found.random_wins == 0.0
    assert 0.7 < (found.reference_wins or 0.0) < 1.0
    path = tmp_path / "scores.json"
    update(path, [task], episodes=50)
    content = json.loads(path.read_text())
    for name in ("random_wins", "reference_wins"):
        del content["tasks"][task.id][name]  # a file from before
    path.write_text(json.dumps(content))
    update(path, [task], episodes=50)
    assert reference_scores(path).version == 1
    assert reference_scores(path).tasks[task.id] == found


def test_the_package_has_win_rates_of_the_suites_tasks() -> None:
    known = reference_scores().tasks
    for task in read_suite("micromanagement").tasks:
        found = known[task.id]
        assert found.random_wins is not None
        assert found.random_wins < 0.01
        assert 0.8 < (found.reference_wins or 0.0) <= 1.0
    assert all(one.random_wins is None for name, one in known.items() if not name.startswith("micro"))


def external(path: Path, metrics: dict[str, list[float]]) -> Path:
    steps = {
        f"step_{number}": {"step_count": step, "elapsed_time": step, "return": [1.0] * 4, **metrics}
        for number, step in enumerate((0, 120, 240))
    }
    path.write_text(json.dumps({"smax": {"micro_3m-v1": {"mappo": {"seed_0": steps}}}}))
    return path


def test_external_runs_join_with_their_win_rate_or_not_at_all(trained: Path, tmp_path: Path) -> None:
    suite = tmp_path / "battles.toml"
    suite.write_text(BATTLES)
    given = ("--results", tmp_path / "r", "--suite", suite, "--budget", "short", "--mode", "greedy")
    unit = ("--return-unit", "team (shared reward)")
    wins = {"win_rate": [1.0, 1.0, 1.0, 0.0]}
    bench("import", external(tmp_path / "a.json", wins), *given, *unit)
    (run,) = read_runs(tmp_path / "r")
    assert win_metric(run) == "win_rate"
    assert value_of(run, run.evaluations[-1]) == 0.75
    train(CELL, (0,), tmp_path / "r")
    bench("leaderboard", "--results", tmp_path / "r", "--out", tmp_path / "t", "--no-figures")
    rows = {row["agent"]: row for row in csv.DictReader((tmp_path / "t" / "tasks.csv").open())}
    assert (rows["mappo (external)"]["win_rate"], rows["mappo (external)"]["status"]) == (
        *("0.75",),
        "complete; one seed: no interval",
    )
    for number, metrics in enumerate(({}, {"win_rate": [75.0] * 4})):
        path = external(tmp_path / f"{number}.json", metrics)
        arguments = ["import", path, "--results", tmp_path / "s", *given[2:], *unit]
        result = CliRunner().invoke(main, [str(one) for one in arguments])
        assert result.exit_code == 2
        assert (
            "the metric from 0 to 1 that is the win rate is None there and 'win_rate' here" in result.stderr
        )


def test_a_record_that_lacks_its_wins_is_one_line(tmp_path: Path) -> None:
    train(CELL, (0,), tmp_path)
    (run,) = read_runs(tmp_path)
    path = run.path / "absolute.json"
    content = json.loads(path.read_text())
    del content["metrics"]["battle_won"]
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"'metrics\.battle_won' of the evaluation at step \d+ must hold"):
        absolute_value(run)
