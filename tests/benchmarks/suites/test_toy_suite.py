"""The suite of games with known answers, and agents that do not learn on the discrete ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from coordbench import agents, envs
from coordbench.agents.actor_critics.maddpg import MADDPG
from coordbench.benchmarks.errors import SuiteError
from coordbench.benchmarks.suites.cell import Cell, Evaluation
from coordbench.benchmarks.suites.suite import Budget, Suite, SuiteTask
from coordbench.benchmarks.suites.suite_file import read_suite, suite_names
from coordbench.benchmarks.training.evaluate import evaluate
from coordbench.benchmarks.training.train import train
from coordbench.envs.toys import payoffs

DISCRETE = ("climbing-v1", "penalty-v1", "coordination_2-v1", "coordination_4-v1")


def test_agents_of_the_suite_have_a_cell_on_every_task_they_can_play() -> None:
    suite = read_suite("toy")
    assert "toy" in suite_names()
    assert suite.seeds == tuple(range(7))
    assert {task.id for task in suite.tasks} == {"ridge-v1", "linear_gaussian-v1", *DISCRETE}
    for budget in suite.budgets:
        cells = suite.cells(budget)
        plain = {(cell.task, cell.agent) for cell in cells if not cell.variant}
        expected = {
            (task.id, name)
            for task in suite.tasks
            for name in suite.agents
            if envs.spec(task.id).action_kind in agents.load(name).action_kinds
        }
        assert plain == expected
        assert ("climbing-v1", "vm3ac") in plain
        for cell in cells:
            assert cell.agent_settings["discount"] == 0
            assert cell.agent_settings["warm_up"] < cell.steps
            team = envs.spec(cell.task, cell.task_settings)
            assert agents.make(cell.agent, team, (0,), settings=cell.agent_settings).team == team


@pytest.mark.parametrize("task_id", DISCRETE)
def test_reference_and_random_agents_play_discrete_tasks(task_id: str) -> None:
    env = envs.make(task_id, num_envs=60)
    settings = payoffs.MatrixGameSettings(**env.team.settings)
    reference = evaluate(env, agents.make("reference", env.team, (0, 1)))
    assert reference.returns.shape == (2, 30)
    assert (reference.returns == payoffs.best_return(settings)).all()
    assert (reference.metrics["optimal"] == 1).all()
    assert (reference.metrics["equilibrium"] == 1).all()
    chance = evaluate(env, agents.make("random", env.team, (0, 1))).returns
    error = settings.horizon**0.5 * payoffs.payoff(settings).std() / chance.size**0.5
    assert abs(chance.mean() - payoffs.random_return(settings)) < 4 * error
    assert not np.array_equal(chance[0], chance[1])


def test_scripted_agents_act_in_the_types_of_the_task() -> None:
    for task_id, dtype in (("climbing-v1", torch.int64), ("ridge-v1", torch.float32)):
        team = envs.spec(task_id)
        observation, starting = torch.ones(1, 3, 2, 1), torch.ones(1, 3, dtype=torch.bool)
        for name in ("random", "reference"):
            assert agents.make(name, team, (0,)).policy().act(observation, None, starting).dtype == dtype


def cell_of(agent: str) -> Cell:
    budget = Budget(steps=200, evaluation=Evaluation(every=100, episodes=5, score_last=1))
    suite = Suite(
        "discrete", 1, "", (0,), (agent,), (SuiteTask("penalty-v1"),), 4, "short", {"short": budget}
    )
    return suite.cells()[0]


def test_a_run_on_a_discrete_task_is_recorded(tmp_path) -> None:
    train(cell_of("reference"), (0, 3), tmp_path)
    lines = [path.read_text().splitlines() for path in sorted(tmp_path.rglob("evaluations.jsonl"))]
    assert [len(found) for found in lines] == [3, 3]
    assert all('"return":[250.0,250.0,250.0,250.0,250.0]' in text.replace(" ", "") for text in lines[0])


class ContinuousOnly(MADDPG):
    action_kinds = ("continuous",)


def test_an_agent_that_cannot_play_a_task_has_no_cell_on_it() -> None:
    name = f"{__name__}:ContinuousOnly"
    cells = read_suite("toy").cells("smoke", agent_names=["maddpg", name])
    assert {cell.task for cell in cells if cell.agent == name} == {"ridge-v1", "linear_gaussian-v1"}
    assert len({cell.task for cell in cells if cell.agent == "maddpg"}) == 6
    with pytest.raises(SuiteError, match=r"penalty-v1: not for .*ContinuousOnly \(continuous actions\)"):
        read_suite("toy").cells("smoke", ["penalty-v1"], [name])
    with pytest.raises(ValueError, match="ContinuousOnly needs continuous actions; penalty-v1 has discrete"):
        agents.make(name, envs.spec("penalty-v1"), (0,))
