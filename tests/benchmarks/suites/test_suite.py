"""Suites: what a file says, what is refused, and which settings a cell ends up with."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import pytest
from coordbench import agents, envs
from coordbench.benchmarks.choices import parse_names, parse_seeds, parse_set
from coordbench.benchmarks.errors import SuiteError
from coordbench.benchmarks.suites.cell import Cell, Evaluation
from coordbench.benchmarks.suites.suite import Override
from coordbench.benchmarks.suites.suite_file import parse_suite, read_suite, suite_names
from fake_training import TINY, cells


def cell_of(found: list[Cell], task: str, agent: str) -> Cell:
    return next(cell for cell in found if (cell.task, cell.agent) == (task, agent))


def test_coordination_is_what_it_promises() -> None:
    suite = read_suite("coordination")
    assert "coordination" in suite_names()
    assert suite.seeds == tuple(range(7))
    assert suite.agents == ("maddpg", "ma_ac", "ma_sac", "maven_ac", "si_moa", "vm3ac")
    assert set(suite.budgets) == {"smoke", "quick", "paper"}
    assert suite.default_budget == "quick"
    assert {budget.evaluation.episodes for budget in suite.budgets.values()} == {20}
    tasks = {task.id: task for task in suite.tasks}
    assert set(tasks) <= set(envs.names())
    assert not tasks["cooperative_navigation_3-v1"].evaluation_settings
    for n_agents in (2, 3, 4):
        assert tasks[f"predator_prey_{n_agents}-v1"].evaluation_settings == {"start_jitter": 0.02}


@pytest.mark.parametrize(
    ("budget", "steps", "steps_4", "hidden", "warm_up"),
    [
        ("smoke", 2_000, 2_000, (64, 64), 500),
        ("quick", 100_000, 300_000, (64, 64), 2_000),
        ("paper", 1_000_000, 1_000_000, (128, 128), 10_000),
    ],
)
def test_budgets_resolve(
    budget: str, steps: int, steps_4: int, hidden: tuple[int, ...], warm_up: int
) -> None:
    found = read_suite("coordination").cells(budget)
    assert len(found) == 48
    assert cell_of(found, "cooperative_navigation_3-v1", "maddpg").steps == steps
    assert cell_of(found, "predator_prey_4-v1", "maddpg").steps == steps_4
    for cell in found:
        assert cell.agent_settings["hidden"] == hidden
        assert cell.agent_settings["warm_up"] == warm_up
        assert cell.num_envs == 4
        assert set(cell.agent_settings) == set(asdict(agents.load(cell.agent).config_class()))
    assert cell_of(found, "predator_prey_2-v1", "vm3ac").agent_settings["latent_size"] == 4
    assert cell_of(found, "multiwalker_3-v1", "vm3ac").agent_settings["latent_size"] == 8


def test_later_settings_win() -> None:
    text = TINY + '[[overrides]]\nbudget = "short"\nsettings = { batch_size = 32 }\n'
    suite = parse_suite(text, "tiny.toml")
    assert {cell.agent_settings["learning_rate"] for cell in suite.cells()} == {1e-3}  # preset
    assert {cell.agent_settings["batch_size"] for cell in suite.cells()} == {32}  # override over budget
    more = [
        parse_set("vm3ac.batch_size=64", suite.agents, []),
        parse_set("maddpg.hidden=[4]", suite.agents, []),
    ]
    maddpg, vm3ac = suite.with_overrides(more).cells()
    assert (maddpg.agent_settings["batch_size"], vm3ac.agent_settings["batch_size"]) == (32, 64)
    assert (maddpg.agent_settings["hidden"], vm3ac.agent_settings["hidden"]) == ((4,), (8, 8))


def test_overrides_select_by_task_and_agent() -> None:
    suite = parse_suite(
        TINY
        + "[[overrides]]\n"
        + 'agent = ["vm3ac"]\ntask = "predator_prey_2-v1"\nsteps = 480\nevaluation = { episodes = 5 }\n'
        + "task_settings = { scale = 0.1 }\n",
        "tiny.toml",
    )
    maddpg, vm3ac = suite.cells()
    assert (maddpg.steps, vm3ac.steps) == (240, 480)
    assert maddpg.evaluation == Evaluation(every=120, episodes=2, score_last=1)
    assert vm3ac.evaluation == Evaluation(every=120, episodes=5, score_last=1)
    assert (maddpg.task_settings["scale"], vm3ac.task_settings["scale"]) == (0.05, 0.1)


def test_unnamed_settings_go_to_the_agents_that_have_them() -> None:
    suite = parse_suite(TINY, "tiny.toml").with_overrides([Override(settings={"beta": 0.3})])
    maddpg, vm3ac = suite.cells()
    assert "beta" not in maddpg.agent_settings
    assert vm3ac.agent_settings["beta"] == 0.3
    assert cells(agent_names=["random"])[0].agent_settings == asdict(agents.load("random").config_class())


def test_hash_is_of_all_that_decides_a_run() -> None:
    maddpg, vm3ac = cells()
    assert maddpg.settings_hash == cells()[0].settings_hash
    assert maddpg.settings_hash == replace(maddpg, suite="renamed").settings_hash
    evaluation = replace(maddpg.evaluation, episodes=3)
    changed = [
        vm3ac,
        replace(maddpg, steps=241),
        replace(maddpg, num_envs=5),
        replace(maddpg, budget="long"),
        replace(maddpg, suite_version=2),
        replace(maddpg, evaluation=evaluation),
        replace(maddpg, evaluation_settings={}),
        replace(maddpg, task_settings={**maddpg.task_settings, "scale": 0.1}),
        replace(maddpg, agent_settings={**maddpg.agent_settings, "discount": 0.9}),
    ]
    assert len({cell.settings_hash for cell in [maddpg, *changed]}) == len(changed) + 1
    shuffled = dict(reversed(maddpg.agent_settings.items()))
    assert replace(maddpg, agent_settings=shuffled).settings_hash == maddpg.settings_hash


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_envs", "n_envs", "tiny.toml: unknown key 'n_envs'; did you mean 'num_envs'?"),
        ("every = 120", "evry = 120", "budgets.short.evaluation.evry'; did you mean"),
        ("steps = 240", 'steps = "240"', "tiny.toml: budgets.short.steps must be an integer, not '240'"),
        ("steps = 240", "steps = 0", "budgets.short.steps must be at least 1"),
        ("num_envs = 4", "num_envs = true", "num_envs must be an integer, not True"),
        ("num_envs = 4", "", "tiny.toml: num_envs is missing"),
        ('seeds = "0-1"', 'seeds = "1-0"', "tiny.toml: seeds: the seeds '1-0' run backwards"),
        ('"maddpg", ', "3, ", "agents must hold strings"),
        ('agents = ["maddpg", "vm3ac"]', "agents = []", "agents is empty"),
        (
            'default_budget = "short"',
            'default_budget = "shrt"',
            "unknown budget 'shrt'; did you mean 'short'?",
        ),
        ("evaluation_settings = {", "evaluation_setting = {", "unknown key 'tasks[0].evaluation_setting'"),
        ("[budgets.short]", "[budgets.short", "tiny.toml: "),
        (
            "[budgets.short]",
            '[[overrides]]\nbudget = "x"\n[budgets.short]',
            "overrides[0].budget: unknown",
        ),
    ],
)
def test_mistakes_in_a_file_are_one_line(old: str, new: str, message: str) -> None:
    assert old in TINY
    with pytest.raises(SuiteError) as caught:
        parse_suite(TINY.replace(old, new, 1), "tiny.toml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"agent": ("maddpg",), "settings": {"beta": 0.1}}, "agent maddpg: unknown setting 'beta'"),
        ({"settings": {"bta": 0.1}}, "unknown agent setting in suite 'tiny': 'bta'; did you mean 'beta'?"),
        ({"agent": ("vm3ac",), "settings": {"beta": "much"}}, "agent vm3ac: setting 'beta' must be a float"),
        ({"task_settings": {"scal": 0.1}}, "no setting 'scal'; did you mean 'scale'?"),
        ({"evaluation": {"mode": "gredy"}}, "unknown mode 'gredy'; did you mean 'greedy'?"),
    ],
)
def test_settings_that_do_not_fit_are_refused(override: dict, message: str) -> None:
    suite = parse_suite(TINY, "tiny.toml").with_overrides([Override(**override)])
    with pytest.raises(ValueError, match=re.escape(message)):
        suite.cells()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"budget": "shot"}, "unknown budget of suite 'tiny': 'shot'; did you mean 'short'?"),
        ({"tasks": ["predator_prey_3-v1"]}, "did you mean 'predator_prey_2-v1'?"),
        ({"agent_names": ["vm3a"]}, "unknown agent 'vm3a'; did you mean 'vm3ac'?"),
        ({"agent_names": ["no_such_module:Agent"]}, "cannot load agent 'no_such_module:Agent'"),
    ],
)
def test_choices_that_do_not_exist_are_refused(choice: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        cells(**choice)


def test_suites_by_name_and_by_path(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TINY)
    assert read_suite(path).name == "tiny"
    with pytest.raises(SuiteError, match="did you mean 'coordination'"):
        read_suite("cordination")
    with pytest.raises(SuiteError, match=r"cannot read the suite .*absent.toml: No such file"):
        read_suite(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-6", (0, 1, 2, 3, 4, 5, 6)),
        ("0,2,5", (0, 2, 5)),
        ("3", (3,)),
        ("5, 1-2,2", (1, 2, 5)),
        ([2, 0], (0, 2)),
    ],
)
def test_seeds(text, seeds) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["3-1", "a", "", "1,", "-1", "1--2", "1.5", [], [1.5], [True], [-1]])
def test_bad_seeds_are_refused(text) -> None:
    with pytest.raises(SuiteError, match="seeds"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vm3ac.beta=0.1", Override(agent=("vm3ac",), settings={"beta": 0.1})),
        ("vm3ac.hidden=[64, 32]", Override(agent=("vm3ac",), settings={"hidden": [64, 32]})),
        ("vm3ac.entropy=marginal", Override(agent=("vm3ac",), settings={"entropy": "marginal"})),
        ("vm3ac.latent_size=none", Override(agent=("vm3ac",), settings={"latent_size": None})),
        ("my.own:Agent.fast=true", Override(agent=("my.own:Agent",), settings={"fast": True})),
        ("task.pp_4-v1.scale=0.03", Override(task=("pp_4-v1",), task_settings={"scale": 0.03})),
    ],
)
def test_set(text, expected) -> None:
    assert parse_set(text, ["vm3ac", "my.own:Agent"], ["pp_4-v1"]) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vm3ac.beta", "cannot read --set"),
        ("beta=1", "cannot read --set"),
        ("vm3ac.beta=", "cannot read --set"),
        ("vm3c.beta=1", "did you mean 'vm3ac'"),
        ("task.pp_3-v1.scale=1", "did you mean 'pp_4-v1'"),
    ],
)
def test_bad_set_is_refused(text, message) -> None:
    with pytest.raises(SuiteError, match=message):
        parse_set(text, ["vm3ac"], ["pp_4-v1"])


def test_lists_of_names() -> None:
    assert parse_names(None) == []
    assert parse_names("a, b,") == ["a", "b"]


def test_variants_are_further_cells_with_other_settings():
    suite = read_suite("ablations")
    cells = [cell for cell in suite.cells("smoke") if cell.task == "multiwalker_3-v1"]
    titles = [cell.title for cell in cells]
    assert titles[:3] == ["ma_sac", "vm3ac", "vm3ac [latent_size=0]"]
    assert [cell.agent_settings["beta"] for cell in cells] == [0.1, 0.1, 0.1, 0.0, 0.05, 0.15]
    assert len({cell.settings_hash for cell in cells}) == 6
    plain, same = cells[1], replace(cells[1], variant={"beta": 0.1})
    assert plain.settings_hash == same.settings_hash, "what is shown decides nothing"
    assert [cell.title for cell in suite.cells("smoke", ["predator_prey_3-v1"])] == ["ma_sac", "vm3ac"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('agent = "vm3ca"\nsettings = {}', "variants[0].agent: unknown agent 'vm3ca'"),
        ('agent = "vm3ac"', "variants[0].settings is missing"),
        ('agent = "vm3ac"\nsettings = {}\ntask = "x"', "variants[0].task: unknown task 'x'"),
    ],
)
def test_mistakes_in_variants(table, message):
    with pytest.raises(SuiteError, match=re.escape(message)):
        parse_suite(f"{TINY}\n[[variants]]\n{table}\n", "tiny.toml")
