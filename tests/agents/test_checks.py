"""check_agent passes what is shipped and names the fault in what is broken."""

from dataclasses import replace

import faulty_agents as faulty
import pytest
import torch
from coordbench import agents
from coordbench.agents import check_agent
from coordbench.agents.contract import ContractError, Trial, difference, play
from coordbench.agents.learning_checks import successors_matter
from coordbench.agents.synthetic import SEEDS, story
from coordbench.agents.vm3ac import VM3AC


@pytest.mark.parametrize("name", agents.names())
def test_every_agent_keeps_the_contract(name):
    lines = check_agent(name)
    scripted = name in ("random", "reference")
    assert len(lines) == 10
    assert any("learns a one-step game" in line for line in lines) is not scripted
    assert any("stop at true ends" in line for line in lines) is not scripted


@pytest.mark.parametrize("name", ["maddpg", "vm3ac"])
def test_the_checker_takes_settings(name):
    with pytest.raises(ValueError, match=r"learning_rat.*learning_rate"):
        check_agent(name, {"learning_rat": 1})


def test_a_class_is_checked_as_a_name_is():
    assert check_agent(agents.load("random")) == check_agent("random")


@pytest.mark.parametrize("name", ["ma_ac", "ma_sac", "maddpg", "vm3ac"])
def test_nothing_after_a_true_end_enters_an_update(name):
    trial = Trial.of(agents.load(name), {})
    assert not successors_matter(trial, "all terminated")


@pytest.mark.parametrize("name", ["ma_ac", "ma_sac", "maddpg", "vm3ac"])
def test_a_time_limit_alone_changes_no_update_of_one_step_learners(name):
    trial = Trial.of(agents.load(name), {})
    tale = story(trial.alike, ends="all truncated")
    unmarked = replace(tale, truncated=torch.zeros_like(tale.truncated))
    assert difference(play(trial.agent(trial.alike), tale), play(trial.agent(trial.alike), unmarked)) is None


@pytest.fixture
def matmul_precision():
    before = torch.get_float32_matmul_precision()
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": [64, 64], "batch_size": 64, "buffer_size": 1_000, "warm_up": 20},
        {"hidden": [7, 9], "batch_size": 13, "updates_per_step": 1.0},
    ],
    ids=["as used", "odd sizes"],
)
@pytest.mark.parametrize("precision", ["medium", "highest"])
def test_a_stack_of_three_equals_each_seed_alone_at_other_sizes(settings, precision, matmul_precision):
    if precision == "highest" and settings["batch_size"] == 13:
        pytest.skip("MKL's products of odd sizes depend on how many there are; training never uses them")
    matmul_precision(precision)
    trial = Trial.of(VM3AC, settings | {"entropy": "marginal"})
    tale = story(trial.alike, steps=34)
    together = play(trial.agent(trial.alike), tale)
    assert any("critic_loss" in name for name, _ in together)
    for row, seed in enumerate(SEEDS):
        alone = play(trial.agent(trial.alike, (seed,)), story(trial.alike, (seed,), steps=34))
        assert difference(together, alone, row) is None


FAULTS = {
    faulty.Peeks: "decentralised.*member 0's observation moves the action of member 1",
    faulty.UsesGlobalNoise: "acting or updating uses a global random generator",
    faulty.UsesNumPysGlobalNoise: "acting or updating uses a global random generator",
    faulty.BuildsFromTheGlobalGenerator: "building the agent uses or seeds a global random generator",
    faulty.SeedsTheGlobalGenerator: "building the agent uses or seeds a global random generator",
    faulty.ForgetsOptimizers: "state_dict of step 14 must go on.*missing from state_dict",
    faulty.ForgetsGenerators: "state_dict of step 3 must go on.*missing from state_dict",
    faulty.ForgetsTargets: "state_dict of step 14 must go on.*missing from state_dict",
    faulty.BootstrapsThroughEnds: "terminated must be respected",
    faulty.StopsAtTimeLimits: "truncated must be bootstrapped through",
    faulty.ReadsPadding: "padding of shorter observations must be ignored",
    faulty.LeaksRewards: "seed 5 in a stack of 3 must equal seed 5 alone.*leak",
    faulty.LeaksThroughOneGenerator: "seed 5 in a stack of 3 must equal seed 5 alone.*leak",
    faulty.SeededPoliciesDisturb: "must not disturb",
    faulty.Varies: "same seeds and inputs must agree",
    faulty.Climbs: "must learn a one-step game",
    faulty.Overshoots: r"must lie in \[-1, 1\]",
    faulty.DropsAnAxis: r"must have shape \(S, E, N, act\)",
    faulty.AveragesMetrics: r"metric 'critic_loss' must be a tensor of shape \(S,\)",
    faulty.Diverges: "metric 'critic_loss' must be finite",
    faulty.TakesAnyMode: "ValueError for an unknown mode",
}


@pytest.mark.parametrize("broken", FAULTS, ids=lambda broken: broken.__name__)
def test_a_planted_fault_is_named(broken):
    with pytest.raises(ContractError, match=FAULTS[broken]) as caught:
        check_agent(broken)
    assert "\n" not in str(caught.value)


def test_an_agent_that_does_not_learn_is_told_so():
    lines = check_agent(faulty.Still)
    assert [line for line in lines if "skipped" in line] == [
        "ends of episodes: skipped, it does not learn",
        "learning: skipped, it returned no metrics and did no update in 26 steps",
    ]


def test_what_is_not_an_agent_is_refused():
    with pytest.raises(ValueError, match="not a subclass"):
        check_agent("builtins:dict")
