"""The best weights so far and the absolute metric: what is kept, and that training never notices."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from coordbench import agents, envs
from coordbench.agents import read_policy
from coordbench.analysis.absolute import absolute_return, read_absolute
from coordbench.analysis.records import RecordError, read_runs
from coordbench.benchmarks.choices import parse_set
from coordbench.benchmarks.errors import SuiteError
from coordbench.benchmarks.suites.cell import Cell
from coordbench.benchmarks.suites.suite_file import parse_suite
from coordbench.benchmarks.training.best import Best, evaluate_stored
from coordbench.benchmarks.training.evaluate import ABSOLUTE_SEED, EVALUATION_SEED, Episodes
from coordbench.benchmarks.training.train import train
from coordbench.leaderboard import leaderboards
from fake_training import TINY, cells

TASK = "predator_prey_2-v1"


def without(cell: Cell) -> Cell:
    return replace(cell, evaluation=cell.evaluation.changed({"absolute": False}))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of each agent with, and in the folder `without` the same ones without the absolute metric."""
    results = tmp_path_factory.mktemp("results")
    for cell in cells():
        train(cell, (0, 1), results)
        train(without(cell), (0, 1), results / "without")
    return results


def test_the_best_evaluation_is_kept_and_evaluated_again_elsewhere(trained: Path) -> None:
    runs = read_runs(trained, "tiny")
    assert len(runs) == 4
    for run in runs:
        means = [evaluation.mean_return for evaluation in run.evaluations]
        found = read_absolute(run)
        assert found is not None
        assert found.chosen_return == max(means)
        assert found.step == run.evaluations[means.index(max(means))].step
        assert (found.start_seed, found.mode) == (ABSOLUTE_SEED, "greedy")
        assert len(found.returns) == len(found.episode_length) == 10 * len(run.evaluations[0].returns)
        assert found.metrics.keys() == run.evaluations[0].metrics.keys()
        assert absolute_return(run) == pytest.approx(np.mean(found.returns))
    assert envs.copy_seeds(ABSOLUTE_SEED, 9) != envs.copy_seeds(EVALUATION_SEED, 9)


def test_the_stored_weights_give_the_same_returns_again(trained: Path) -> None:
    by_name = {cell.agent: cell for cell in cells()}
    for run in read_runs(trained, "tiny"):
        stored, found = read_policy(run.path / "best.safetensors"), read_absolute(run)
        assert found is not None
        assert (stored.step, stored.seed, stored.agent) == (found.step, run.seed, run.agent_id)
        again = evaluate_stored(stored, by_name[run.agent_id], 20)
        assert again.returns[0].tolist() == list(found.returns)


def test_training_does_not_notice(trained: Path) -> None:
    pairs = zip(read_runs(trained, "tiny"), read_runs(trained / "without"), strict=True)
    for run, bare in pairs:
        assert run.path.relative_to(trained) == bare.path.relative_to(trained / "without"), "one hash"
        assert [replace(one, seconds=0) for one in run.evaluations] == [
            replace(one, seconds=0) for one in bare.evaluations
        ]
        policies = [(one.path / "policy.safetensors").read_bytes() for one in (run, bare)]
        assert policies[0] == policies[1]
        assert read_absolute(bare) is None
        assert not (bare.path / "best.safetensors").exists()


def test_it_goes_into_the_table_where_it_is_recorded(trained: Path) -> None:
    (board,), (bare,) = leaderboards(trained, "tiny"), leaderboards(trained / "without")
    for _, row in board.tasks.iterrows():
        returns = [absolute_return(run) for run in board.runs if run.agent_id == row["agent"]]
        assert row["absolute_return"] == pytest.approx(np.mean(returns))
        assert row["absolute_low"] <= row["absolute_return"] <= row["absolute_high"]
        assert row["absolute_seeds"] == 2
    common = [name for name in bare.tasks.columns if name != "seconds"]  # two trainings never take as long
    pd.testing.assert_frame_equal(board.tasks[common], bare.tasks[common])


def test_a_damaged_record_is_one_line(trained: Path, tmp_path: Path) -> None:
    (cell,) = cells(agent_names=["maddpg"])
    train(replace(cell, steps=8), (0,), tmp_path)
    (run,) = read_runs(tmp_path)
    path = run.path / "absolute.json"
    good = json.loads(path.read_text())
    for content, reason in (
        ("{", "remove"),
        (json.dumps(good | {"return": []}), "field 'return' holds no episode"),
        (json.dumps(good | {"episode_length": [1]}), "'episode_length' must be a list of 20 numbers"),
        (json.dumps({key: value for key, value in good.items() if key != "step"}), "'step' is missing"),
    ):
        path.write_text(content)
        with pytest.raises(RecordError, match=reason) as caught:
            leaderboards(tmp_path)
        assert str(path) in str(caught.value)
    path.write_text(json.dumps(good))
    assert absolute_return(run) == np.mean(good["return"])
    (run.path / "done.json").unlink()
    assert read_absolute(read_runs(tmp_path)[0]) is None, "not done: it may be written again"


def episodes(*means: float) -> Episodes:
    returns = np.array([[mean - 1, mean + 1] for mean in means])
    return Episodes(returns, returns.astype(int), {}, torch.zeros(0))


def test_the_first_of_equal_evaluations_stays_and_the_dead_stay_out(tmp_path: Path) -> None:
    (cell,) = cells(agent_names=["maddpg"])
    team = envs.spec(TASK)
    agent = agents.make("maddpg", team, (0, 1), settings=cell.agent_settings)
    best, alive = Best(cell, (0, 1), team), np.array([True, True])
    best.note(0, agent, episodes(3, 3), alive)
    first = [policy.to_bytes() for policy in best.policies if policy]
    with torch.no_grad():
        agent.actor.flat.mul_(2)  # type: ignore[attr-defined]
    best.note(10, agent, episodes(3, 2), alive)
    assert [policy.to_bytes() for policy in best.policies if policy] == first
    state = best.state_dict()
    best.note(20, agent, episodes(4, 5), np.array([True, False]))
    steps = [policy and policy.step for policy in best.policies]
    assert steps == [20, 0]
    assert best.returns.tolist() == [4, 3]
    resumed = Best(cell, (0, 1), team)
    resumed.load_state_dict(state)
    assert [policy.to_bytes() for policy in resumed.policies if policy] == first
    resumed.note(20, agent, episodes(4, 5), np.array([True, False]))
    assert [policy.to_bytes() for policy in resumed.policies if policy] == [
        policy.to_bytes() for policy in best.policies if policy
    ]


def test_the_protocol_is_a_choice_on_the_command_line() -> None:
    suite = parse_suite(TINY, "tiny.toml")

    def chosen(*texts: str) -> Cell:
        more = (parse_set(text, ["maddpg"], [TASK]) for text in texts)
        return suite.with_overrides(more).cells(agent_names=["maddpg"])[0]

    plain = chosen()
    protocol = chosen("evaluation.episodes=32", "evaluation.every=60")
    assert (protocol.evaluation.episodes, protocol.evaluation.every) == (32, 60)
    assert protocol.settings_hash != plain.settings_hash
    off = chosen("evaluation.absolute=false")
    assert not off.evaluation.absolute
    assert off.settings_hash == plain.settings_hash
    for text, reason in (
        ("evaluation.episode=3", "unknown setting 'episode'; did you mean 'episodes'"),
        ("evaluation.episodes=many", "setting 'episodes' must be"),
        ("evaluation.episodes=0", "evaluation.episodes must be at least 1, not 0"),
    ):
        with pytest.raises(SuiteError, match=reason):
            chosen(text)
    text = TINY.replace("score_last = 1 }", "score_last = 1, absolute = false }")
    assert not parse_suite(text, "tiny.toml").cells()[0].evaluation.absolute
    with pytest.raises(SuiteError, match="absolute must be true or false, not 1"):
        parse_suite(TINY.replace("score_last = 1 }", "score_last = 1, absolute = 1 }"), "tiny.toml")
