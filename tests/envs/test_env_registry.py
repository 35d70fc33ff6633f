"""Task ids, settings, messages, and what importing costs."""

import builtins
import copy
import dataclasses
import json
import pickle
import re
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from coordbench import envs
from coordbench.envs import registry

NAVIGATION = "cooperative_navigation_3-v1"


def test_listing_tasks_imports_nothing_heavy():
    code = (
        "import sys, coordbench.envs as envs; envs.names(); envs.copy_seeds(0, 2)\n"
        "print(sorted({'numba', 'gymnasium', 'pettingzoo', 'torch', 'pandas'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("task_id", envs.names())
def test_spec_describes_what_make_makes(task_id):
    team = envs.spec(task_id)
    env = envs.make(task_id, 2)
    assert env.team == team
    assert team.task_id == task_id
    assert env.single_observation_space.shape == (team.n_agents, team.observation_size)
    assert envs.make(task_id, 2, **team.settings).team == team


def test_sizes_of_the_paper_tasks():
    sizes = {
        t: (envs.spec(t).n_agents, envs.spec(t).observation_size, envs.spec(t).horizon)
        for t in envs.names()
        if t.startswith(("coop", "pred", "treas", "multi"))
    }
    assert sizes == {
        NAVIGATION: (3, 18, 25),
        "predator_prey_2-v1": (2, 52, 100),
        "predator_prey_3-v1": (3, 54, 100),
        "predator_prey_4-v1": (4, 56, 100),
        "treasure_collection_4-v1": (4, envs.spec("treasure_collection_4-v1").observation_size, 100),
        "treasure_collection_8-v1": (8, 86, 100),
        "multiwalker_3-v1": (3, 31, 500),
        "multiwalker_4-v1": (4, 31, 500),
    }
    four = envs.spec("predator_prey_4-v1").settings
    assert (four["n_coop"], four["radius"], four["scale"], four["food"]) == (2, 0.15, 0.05, 10.0)


def test_spec_is_read_only_and_travels():
    team = envs.spec(NAVIGATION, {"horizon": 7})
    assert pickle.loads(pickle.dumps(team)) == team == copy.deepcopy(team)
    assert hash(team) == hash(copy.deepcopy(team))
    assert json.loads(json.dumps(dataclasses.asdict(team)["settings"]))["horizon"] == 7
    with pytest.raises(TypeError, match="read-only"):
        team.settings["horizon"] = 8
    with pytest.raises(TypeError, match="read-only"):
        team.settings.update(horizon=8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        team.horizon = 8


@pytest.mark.parametrize(
    ("task_id", "settings", "message"),
    [
        ("cooperative_navigation_3", {}, "did you mean 'cooperative_navigation_3-v1'"),
        ("zzz", {}, f"unknown task 'zzz'; known: {envs.names()[0]}, "),
        (NAVIGATION, {"horizn": 3}, f"{NAVIGATION} has no setting 'horizn'; did you mean 'horizon'"),
        (NAVIGATION, {"zzz": 3}, "its settings: n_agents, horizon, physics, team_reward, dtype"),
        (NAVIGATION, {"horizon": 2.5}, "horizon must be an int, got 2.5"),
        (NAVIGATION, {"horizon": True}, "horizon must be an int, got True"),
        (NAVIGATION, {"horizon": 0}, "must be >= 1"),
        (NAVIGATION, {"physics": "openia"}, "did you mean 'openai'"),
        (NAVIGATION, {"n_agents": 4}, "n_agents is fixed by the task id"),
        ("predator_prey_2-v1", {"reward_type": True}, "reward_type must be one of"),
        ("predator_prey_2-v1", {"reward_type": 5}, "reward_type must be one of"),
        ("predator_prey_2-v1", {"legacy_obs": 1}, "legacy_obs must be true or false"),
        ("predator_prey_2-v1", {"radius": "big"}, "radius must be a float"),
        ("predator_prey_2-v1", {"radius": float("nan")}, "radius must be a positive number"),
        ("predator_prey_2-v1", {"n_coop": 3}, "n_coop must lie in 1..2"),
        ("predator_prey_2-v1", {"n_preys": 15}, "square number"),
        ("predator_prey_2-v1", {"start_jitter": -0.1}, "start_jitter"),
    ],
)
def test_bad_ids_and_settings_are_one_clear_line(task_id, settings, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        envs.make(task_id, **settings)
    assert "\n" not in str(caught.value)


def test_num_envs_must_be_positive():
    with pytest.raises(ValueError, match="num_envs must be >= 1"):
        envs.make(NAVIGATION, 0)


def test_numbered_reward_types_resolve_to_names():
    assert envs.spec("predator_prey_2-v1", {"reward_type": 3}).settings["reward_type"] == "double"


def outside(monkeypatch, value):
    point = EntryPoint("elsewhere_9-v1", value, registry.GROUP)
    monkeypatch.setattr(registry, "_outside", lambda: {point.name: point})
    return point.name


def test_tasks_of_other_packages_join_by_entry_point(monkeypatch):
    from coordbench.envs.particles.navigation import CooperativeNavigation

    monkeypatch.setitem(CooperativeNavigation.presets, "elsewhere_9-v1", {"n_agents": 9})
    name = outside(monkeypatch, "coordbench.envs.particles.navigation:CooperativeNavigation")
    assert name in envs.names()
    assert envs.make(name, 2).reset()[0].shape == (2, 9, 54)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_package:Env", "its entry point 'no_such_package:Env' fails"),
        ("coordbench.envs.particles.navigation:CooperativeNavigation", "among its presets"),
        ("json:dumps", "must be a TeamEnv subclass"),
    ],
)
def test_broken_entry_points_are_named(monkeypatch, value, message):
    name = outside(monkeypatch, value)
    with pytest.raises(ValueError, match=re.escape(message)):
        envs.spec(name)


def test_a_missing_extra_is_one_line_with_the_remedy(monkeypatch):
    real = builtins.__import__

    def without_box2d(name, *rest, **more):
        if name == "Box2D":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_box2d)
    with pytest.raises(ValueError, match=r"pip install 'coordbench\[multiwalker\]'"):
        envs.make("multiwalker_3-v1")
    assert envs.spec("multiwalker_3-v1").observation_size == 31, "what a task is can be said without Box2D"
