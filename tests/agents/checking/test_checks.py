"""check_agent passes what is shipped and names the fault in what is broken."""

from dataclasses import replace
from importlib.metadata import EntryPoint

import faulty_agents as faulty
import faulty_discrete_agents as discrete
import pytest
import torch
from coordbench import agents
from coordbench.agents import check_agent, registry
from coordbench.agents.actor_critics.vm3ac import VM3AC
from coordbench.agents.checking.checks import CHECKS, inspect_agent
from coordbench.agents.checking.contract import ContractError, Trial, difference, play
from coordbench.agents.checking.learning_checks import successors_matter
from coordbench.agents.checking.synthetic import SEEDS, story
from coordbench.agents.precision import made_by_intel


@pytest.mark.parametrize("name", agents.names())
def test_every_agent_keeps_the_contract(name):
    lines = check_agent(name)
    scripted = name in ("random", "reference")
    for kind in agents.load(name).action_kinds:
        found = [line for line in lines if f"({kind})" in line]
        assert len(found) == len(CHECKS) - (kind == "continuous")
        assert any("learns a one-step game" in line for line in found) is not scripted
        assert any("stop at true ends" in line for line in found) is not scripted
        played = kind == "discrete" and name != "reference"
        assert any("every action is an allowed one" in line for line in found) is played


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
    if precision == "highest" and settings["batch_size"] == 13 and not made_by_intel():
        pytest.skip("MKL's products of odd sizes depend on their number here; training uses oneDNN's")
    matmul_precision(precision)
    trial = Trial.of(VM3AC, settings | {"entropy": "marginal"})
    tale = story(trial.alike, steps=34)
    together = play(trial.agent(trial.alike), tale)
    assert any("critic_loss" in name for name, _ in together)
    for row, seed in enumerate(SEEDS):
        alone = play(trial.agent(trial.alike, (seed,)), story(trial.alike, (seed,), steps=34))
        assert difference(together, alone, row) is None


CONTINUOUS_FAULTS = {
    faulty.Peeks: ("decentralised", "member 0's observation moves the action of member 1"),
    faulty.UsesGlobalNoise: (
        "generators",
        "acting or updating uses or seeds torch's global random generator",
    ),
    faulty.UsesNumPysGlobalNoise: ("generators", "acting or updating uses or seeds NumPy's global random"),
    faulty.BuildsFromTheGlobalGenerator: ("generators", "building the agent uses or seeds torch's global"),
    faulty.SeedsTheGlobalGenerator: ("generators", "building the agent uses or seeds torch's global"),
    faulty.ForgetsOptimizers: ("saving", "state_dict of step 14 must go on.*missing from state_dict"),
    faulty.ForgetsGenerators: ("saving", "state_dict of step 3 must go on.*missing from state_dict"),
    faulty.ForgetsTargets: ("saving", "state_dict of step 14 must go on.*missing from state_dict"),
    faulty.BootstrapsThroughEnds: ("ends", "terminated must be respected"),
    faulty.StopsAtTimeLimits: ("ends", "truncated must be bootstrapped through"),
    faulty.ReadsPadding: ("padding", "padding of shorter observations must be ignored"),
    faulty.LeaksRewards: ("stacking", "seed 5 in a stack of 3 must equal seed 5 alone.*leak"),
    faulty.LeaksThroughOneGenerator: ("stacking", "seed 5 in a stack of 3 must equal seed 5 alone.*leak"),
    faulty.SeededPoliciesDisturb: ("policies", "must not disturb"),
    faulty.Varies: ("determinism", "same seeds and inputs must agree"),
    faulty.Climbs: ("learning", "must learn a one-step game with reward -"),
    faulty.Overshoots: ("outputs", r"must lie in \[-1, 1\]"),
    faulty.DropsAnAxis: ("outputs", r"must have shape \(S, E, N, act\)"),
    faulty.AveragesMetrics: ("outputs", r"metric 'critic_loss' must be a tensor of shape \(S,\)"),
    faulty.Diverges: ("outputs", "metric 'critic_loss' must be finite"),
    faulty.TakesAnyMode: ("outputs", "ValueError for an unknown mode"),
}


@pytest.mark.parametrize("broken", CONTINUOUS_FAULTS, ids=lambda broken: broken.__name__)
def test_a_planted_fault_is_named(broken):
    name, text = CONTINUOUS_FAULTS[broken]
    (check,) = (check for check in CHECKS if check.name == name)
    with pytest.raises(ContractError, match=text) as caught:
        check.test(Trial.of(broken, {}))
    assert "\n" not in str(caught.value)


def test_the_small_learner_of_discrete_actions_keeps_the_contract():
    assert {found.status for found in inspect_agent(discrete.Softmax)} == {"passed"}


DISCRETE_FAULTS = {
    discrete.IgnoresMasks: {"masks": "mode 'explore' member 0 plays 0 at step 0, where its mask allows"},
    discrete.IgnoresMasksInWarmUp: {"masks": "mode 'explore' member 0 plays 0 at step 0"},
    discrete.IgnoresMasksWhenGreedy: {"masks": "mode 'greedy' member"},
    discrete.PeeksAtObservations: {
        "decentralised": "member 0's observation moves the action of member 1",
        "padding": "greedy actions afterwards differ",
    },
    discrete.PeeksAtMasks: {"decentralised": "member 0's mask moves the action of member 1"},
    discrete.ForgetsItsCritic: {"saving": "loads the state_dict of step 3 must go on bit for bit"},
    discrete.SamplesFromTheGlobalGenerator: {
        "generators": "acting or updating uses or seeds torch's global",
        "determinism": "metric 'error' of step 0 differ",
    },
    discrete.BootstrapsThroughTrueEnds: {"ends": "terminated must be respected"},
    discrete.EndsAtTimeLimits: {"ends": "truncated must be bootstrapped through"},
    discrete.TrainsOnPadding: {"padding": "with other numbers in it metric 'error'"},
    discrete.ClimbsDown: {"learning": "reward 1 for each member's best action"},
    discrete.PlaysFloats: {"outputs": "must be int64, not float32"},
    discrete.CountsFromOne: {"outputs": "must lie in 0 to 3, not 1 to 4"},
    discrete.Stumbles: {"outputs": "it raised IndexError: "},
}


@pytest.mark.parametrize("broken", DISCRETE_FAULTS, ids=lambda broken: broken.__name__)
def test_a_planted_fault_is_found_by_the_checks_that_concern_it_and_no_other(broken):
    findings = list(inspect_agent(broken))
    failed = {found.check: found for found in findings if found.status == "failed"}
    assert failed.keys() == DISCRETE_FAULTS[broken].keys()
    for name, text in DISCRETE_FAULTS[broken].items():
        assert text in failed[name].text
        assert failed[name].remedy
        assert failed[name].kind == "discrete"
        assert failed[name].error is not None
    assert [found.check for found in findings] == [check.name for check in CHECKS], "a line a check"


def test_check_agent_raises_the_first_fault_with_what_mends_it():
    with pytest.raises(ContractError, match=r"^masks \(discrete\): actions must be .*; give what the mask"):
        check_agent(discrete.IgnoresMasks)


def test_what_says_nothing_after_a_failure_is_skipped():
    skipped = {
        found.check: found.text
        for found in inspect_agent(discrete.SamplesFromTheGlobalGenerator)
        if found.status == "skipped"
    }
    assert skipped["saving"] == "it says nothing while determinism fails"
    assert "masks" not in skipped


def test_an_error_of_the_agent_names_its_place():
    (failed,) = (found for found in inspect_agent(discrete.Stumbles) if found.status == "failed")
    assert "faulty_discrete_agents.py:" in failed.text
    with pytest.raises(ContractError, match="it raised IndexError") as caught:
        check_agent(discrete.Stumbles)
    assert isinstance(caught.value.__cause__, IndexError)


def test_an_agent_that_does_not_learn_is_told_so():
    lines = check_agent(faulty.Still)
    assert [line for line in lines if "skipped" in line] == [
        "ends (continuous): skipped, it does not learn",
        "learning (continuous): skipped, it returned no metrics and did no update in 26 steps",
    ]


@pytest.mark.parametrize(
    ("agent", "complaint"),
    [
        ("builtins:dict", "not a subclass"),
        (discrete.HasNoDataclass, r"^_Bare lacks @dataclass\(frozen=True\)"),
        (discrete.PlaysWhat, r"PlaysWhat.action_kinds must be a tuple of some of .*not \('discreet',\)"),
        (
            discrete.CannotBeBuilt,
            r"check 'build': CannotBeBuilt cannot be built .*: no room \(faulty_discrete_agents.py:\d+\)$",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused_in_a_line(agent, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        inspect_agent(agent)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    (tmp_path / "slipped.py").write_text("import torch\nnope\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"cannot load agent 'slipped:Cool': NameError: .*\(slipped.py:2\)"):
        inspect_agent("slipped:Cool")


def test_a_package_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    (tmp_path / "slid.py").write_text("nope\n")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("slid", "slid:Cool", "coordbench.agents")
    monkeypatch.setattr(registry, "_foreign", lambda: {"slid": point})
    with pytest.raises(ValueError, match=r"cannot load agent 'slid': NameError: .*\(slid.py:1\)"):
        registry.load("slid")


def test_the_report_of_the_command_line(capsys):
    from coordbench.benchmarks.commands.agent_report import report

    assert not report("faulty_discrete_agents:IgnoresMasks", {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "discrete actions"
    (row,) = (number for number, line in enumerate(lines) if line.split()[0] == "failed")
    assert lines[row].split()[:2] == ["failed", "masks"]
    assert lines[row + 1].strip().startswith("mend: give what the mask forbids a very low logit")
    assert lines[-1] == "faulty_discrete_agents:IgnoresMasks breaks the contract: 10 passed, 1 failed"
    assert report("faulty_discrete_agents:Softmax", {"rate": 0.2})
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "faulty_discrete_agents:Softmax keeps the contract: 11 passed"
    )
