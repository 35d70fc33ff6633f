"""SMAC and SMACv2 behind the contract, with stand-ins for the packages and the game (``smac_stub``)."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import smac_stub
from coordbench import envs
from coordbench.envs.starcraft.game import GameError
from coordbench.envs.starcraft.settings import SMACSettings
from gymnasium.error import ResetNeeded
from smac_stub import World

MEMBERS = 3
STOP, FIRST_TARGET = 1, 6
ALL = np.ones(1, np.bool_)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return smac_stub.install(monkeypatch)


def act(env: envs.TeamEnv, info: dict[str, Any], wish: int) -> Any:
    """All members of all copies wish for the same; who may not does the first thing that it may."""
    mask = info["action_mask"]
    actions = np.where(mask[..., wish], wish, mask.argmax(-1))
    return env.step(actions)


def finish(env: envs.TeamEnv, info: dict[str, Any], fights: bool) -> tuple[list[Any], int]:
    """Plays copy 0's episode to its end; the last step and the number of steps."""
    for step in range(1, env.team.horizon + 1):
        alive = info["action_mask"][0, :, FIRST_TARGET:].any(0)
        result = act(env, info, FIRST_TARGET + int(alive.argmax()) if fights else STOP)
        info = result[4]
        if result[2][0] or result[3][0]:
            return list(result), step
    raise AssertionError("the episode does not end")


@pytest.mark.parametrize("task", ["smac_3m-v1", "smac_5m_vs_6m-v1", "smacv2_terran_5_vs_5-v1"])
def test_the_contract_holds(world: World, task: str) -> None:
    envs.check_env(task)
    gc.collect()
    assert world.n_running == 0, "environments that are gone leave no game behind"


@pytest.mark.parametrize(
    ("task", "observation", "state", "actions", "horizon"),
    [("smac_3m-v1", 30, 48, 9, 60), ("smac_5m_vs_6m-v1", 55, 98, 12, 70)],
)
def test_sizes_are_smacs(
    world: World, task: str, observation: int, state: int, actions: int, horizon: int
) -> None:
    team = envs.spec(task)
    assert (team.observation_size, team.state_size, team.action_size) == (observation, state, actions)
    assert team.horizon == horizon
    assert team.win_metric == "battle_won"
    assert not world.processes, "to tell what a task is, no game is started"


@pytest.mark.parametrize("name", smac_stub.MAPS)
def test_sizes_are_those_of_the_smac_like_task(world: World, name: str) -> None:
    micro, smac = envs.spec(f"micro_{name}-v1"), envs.spec(f"smac_{name}-v1")
    for name in ("observation_sizes", "state_size", "action_size", "n_agents", "horizon"):
        assert getattr(micro, name) == getattr(smac, name)


def test_every_argument_is_smacs_default_unless_chosen(world: World) -> None:
    envs.spec("smac_3m-v1")
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(smac_stub.StarCraft2Env).parameters.items()
    }
    wanted = {**defaults, "map_name": "3m", "seed": 0, "continuing_episode": True}
    assert world.calls[-1] == wanted


def test_chosen_arguments_arrive(world: World) -> None:
    chosen = {"difficulty": "A", "step_mul": 4, "obs_last_action": True, "reward_only_positive": False}
    team = envs.spec("smac_3m-v1", {**chosen, "reward": "sparse"})
    assert {name: world.calls[-1][name] for name in chosen} == chosen
    assert world.calls[-1]["reward_sparse"] is True
    assert team.observation_size == 30 + 2 * team.action_size


def test_what_the_real_package_takes() -> None:
    smac = pytest.importorskip("smac.env", reason="SMAC is not installed")
    real, ours = (inspect.signature(cls).parameters for cls in (smac.StarCraft2Env, smac_stub.StarCraft2Env))
    assert {name: p.default for name, p in real.items()} == {name: p.default for name, p in ours.items()}
    assert SMACSettings().arguments().keys() <= real.keys()


def test_teams_of_smacv2(world: World) -> None:
    team = envs.spec("smacv2_zerg_10_vs_11-v1", {"reflect": 0.25})
    config = world.calls[-1]["capability_config"]
    assert (team.n_agents, team.action_size) == (10, 17)
    assert world.calls[-1]["map_name"] == "10gen_zerg"
    assert (config["n_units"], config["n_enemies"]) == (10, 11)
    assert config["team_gen"]["unit_types"] == ["zergling", "baneling", "hydralisk"]
    assert config["team_gen"]["weights"] == [0.45, 0.1, 0.45]
    assert config["team_gen"]["exception_unit_types"] == ["baneling"]
    assert config["start_positions"]["p"] == 0.25
    assert not {"race", "weights", "reflect"} & world.calls[-1].keys()


def test_the_dead_see_nothing_and_do_nothing(world: World) -> None:
    env = envs.make("smac_3m-v1", seed=0)
    observation, info = env.reset()
    assert not info["action_mask"][..., 0].any()
    for _ in range(env.team.horizon):
        observation, _, _, _, info = act(env, info, STOP)
        if info["dead_allies"][0] == 1:
            break
    dead = info["action_mask"][0, :, 0]
    assert dead.sum() == 1
    assert not info["action_mask"][0, dead, 1:].any()
    assert not observation[0, dead].any()
    assert observation[0, ~dead].any(1).all()


def test_a_won_battle_terminates(world: World) -> None:
    env = envs.make("smac_3m-v1", seed=0)
    result, steps = finish(env, env.reset()[1], fights=True)
    assert steps == 3  # three members take 45 points from one enemy in each
    assert result[2].tolist() == [True]
    assert result[3].tolist() == [False]
    assert result[4]["battle_won"][0] == 1
    assert result[4]["dead_enemies"][0] == 3
    with pytest.raises(ResetNeeded):
        env.step(np.zeros((1, MEMBERS), int))
    assert env.reset()[1]["battle_won"][0] == 0


def test_a_lost_battle_terminates(world: World) -> None:
    env = envs.make("smac_3m-v1", seed=0)
    result, _ = finish(env, env.reset()[1], fights=False)
    assert result[2].tolist() == [True]
    assert result[3].tolist() == [False]
    assert result[4]["battle_won"][0] == 0
    assert result[4]["dead_allies"][0] == MEMBERS


@pytest.mark.parametrize("continuing", [True, False])
def test_the_time_limit_truncates(world: World, monkeypatch: pytest.MonkeyPatch, continuing: bool) -> None:
    monkeypatch.setattr(smac_stub, "SHOT", 0)
    env = envs.make("smac_3m-v1", seed=0, continuing_episode=continuing)
    result, steps = finish(env, env.reset()[1], fights=False)
    assert steps == env.team.horizon
    assert result[3].tolist() == [True]
    assert result[2].tolist() == [not continuing]


def test_a_win_in_the_last_step_is_no_time_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smac_stub, "SHOT", 0)
    monkeypatch.setitem(smac_stub.MAPS, "3m", {**smac_stub.MAPS["3m"], "limit": 3})
    env = envs.make("smac_3m-v1", seed=0)
    result, _ = finish(env, env.reset()[1], fights=True)
    assert result[2].tolist() == [True]
    assert result[3].tolist() == [True]  # the horizon, as everywhere in the suite
    assert result[4]["battle_won"][0] == 1


GREATEST = 3 * 10 + 200 + 3 * smac_stub.HEALTH


@pytest.mark.parametrize(
    ("settings", "first", "last"),
    [
        ({}, (45 + 10) * 20 / GREATEST, (45 + 10 + 200) * 20 / GREATEST),
        ({"reward_scale": False}, 55.0, 255.0),
        ({"reward": "sparse", "reward_scale": False}, 0.0, 1.0),
        ({"reward": "sparse"}, 0.0, 20 / GREATEST),
        ({"reward": "modified"}, 10 - 0.1, 10 - 0.1 + 200),
        ({"reward": "modified", "reward_step": 0.0, "reward_win": 5.0}, 10.0, 15.0),
    ],
)
def test_rewards_of_a_win(
    world: World, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], first: float, last: float
) -> None:
    monkeypatch.setattr(smac_stub, "SHOT", 0)
    env = envs.make("smac_3m-v1", seed=0, **settings)
    for _ in range(2):
        info = env.reset()[1]
        _, reward, _, _, info = act(env, info, FIRST_TARGET)
        assert reward[0] == pytest.approx(first)
        assert info["agent_reward"].tolist() == [[pytest.approx(first)] * MEMBERS]
        result, _ = finish(env, info, fights=True)
        assert result[1][0] == pytest.approx(last)


def test_modified_reward_of_a_defeat_counts_each_death_once(world: World) -> None:
    env = envs.make("smac_3m-v1", seed=0, reward="modified")
    info, total, steps, over = env.reset()[1], 0.0, 0, False
    while not over:
        _, reward, terminated, truncated, info = act(env, info, STOP)
        total, steps, over = total + reward[0], steps + 1, terminated[0] | truncated[0]
    assert total == pytest.approx(-MEMBERS - 0.1 * steps)


def test_resets_within_the_first_battle_leave_the_scale_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smac_stub, "SHOT", 0)
    env = envs.make("smac_3m-v1", seed=0)
    env.reset()
    env.reset()
    _, reward, _, _, _ = act(env, env.reset()[1], FIRST_TARGET)
    assert reward[0] == pytest.approx(55 * 20 / GREATEST)
    assert world.n_running == 1


def test_each_copy_has_its_game_and_its_seed(world: World) -> None:
    env = envs.make("smac_3m-v1", num_envs=3)
    env.reset(seed=5)
    assert world.n_running == 3
    assert len(set(world.seeds)) == 3
    assert all(0 <= seed < 2**31 for seed in world.seeds if seed is not None)
    again = envs.make("smac_3m-v1", num_envs=3, seed=5)
    again.reset()
    assert world.seeds[3:] == world.seeds[:3]


@pytest.mark.parametrize(("anew", "starts"), [(False, 1), (True, 2)])
def test_only_restart_on_seed_starts_the_game_for_a_seed(world: World, anew: bool, starts: int) -> None:
    env = envs.make("smac_3m-v1", restart_on_seed=anew)
    finish(env, env.reset(seed=1)[1], fights=True)
    finish(env, env.reset()[1], fights=True)
    assert len(world.processes) == 1
    env.reset(seed=1)
    assert len(world.processes) == starts
    assert world.n_running == 1
    assert world.seeds == [world.seeds[0]] * starts


def test_seeds_decide_the_teams_of_smacv2(world: World) -> None:
    def starts(seed: int) -> list[np.ndarray]:
        env = envs.make("smacv2_protoss_5_vs_5-v1", num_envs=2, seed=seed)
        return [env.reset()[0], env.reset(options={"reset_mask": np.array([True, False])})[0]]

    outside = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    one, two, three = starts(3), starts(3), starts(4)
    assert (random.getstate(), str(np.random.get_state())) == outside  # noqa: NPY002
    assert all(map(np.array_equal, one, two))
    assert not np.array_equal(one[0], three[0])
    assert not np.array_equal(one[0][0], one[0][1]), "copies draw for themselves"
    assert not np.array_equal(one[0][0], one[1][0]), "each episode draws anew"
    assert np.array_equal(one[0][1], one[1][1])


def test_smacv2_without_generators_cannot_be_seeded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smac_stub.np.random, "default_rng", lambda *_: random.Random(0))
    monkeypatch.setattr(smac_stub.Teams, "generate", lambda self: {})
    monkeypatch.setattr(smac_stub.Places, "generate", lambda self: {})
    with pytest.raises(GameError, match="cannot be seeded"):
        envs.make("smacv2_terran_5_vs_5-v1", seed=0).reset()


def test_a_game_that_breaks_off_is_told(world: World) -> None:
    env = envs.make("smac_3m-v1", num_envs=2, seed=0)
    info = env.reset()[1]
    observation, _, _, _, info = act(env, info, STOP)
    world.break_steps = {3}  # the first copy's second
    with pytest.warns(RuntimeWarning, match="copy 0: StarCraft II broke off in step 2 .* copy: 1"):
        after, reward, terminated, truncated, info = act(env, info, STOP)
    assert terminated.tolist() == [False, False]
    assert truncated.tolist() == [True, False]
    assert reward[0] == 0
    assert info["game_restarts"].tolist() == [1, 0]
    assert np.array_equal(after[0], observation[0])
    with pytest.raises(ResetNeeded):
        act(env, info, STOP)
    info = env.reset(options={"reset_mask": truncated})[1]
    assert info["game_restarts"].tolist() == [0, 0]
    assert world.n_running == 2
    assert env.get_stats()["restarts"] == 1
    act(env, info, STOP)


def test_a_game_that_breaks_off_at_the_start_is_started_anew(world: World) -> None:
    env = envs.make("smac_3m-v1", seed=0)
    world.break_looks = 1
    with pytest.warns(RuntimeWarning, match="at the start of an episode, and has been started anew"):
        observation, info = env.reset()
    assert info["game_restarts"].tolist() == [1]
    assert observation.any()
    assert world.n_running == 1
    assert env.get_stats()["restarts"] == 1


def test_a_game_that_breaks_off_twice_ends_all(world: World) -> None:
    env = envs.make("smac_3m-v1", num_envs=2, seed=0)
    finish(env, env.reset()[1], fights=True)
    world.break_looks = 2
    with pytest.raises(
        GameError, match=r"smac_3m-v1, copy 0: StarCraft II fails: .*start of a battle, twice"
    ):
        env.reset(options={"reset_mask": np.array([True, False])})
    assert world.n_running == 0
    with pytest.raises(GameError, match="closed"):
        env.reset()


def test_a_game_that_cannot_be_started_ends_all(world: World) -> None:
    env = envs.make("smac_3m-v1", num_envs=2, seed=0)
    info = env.reset()[1]
    world.can_launch, world.break_steps = False, {1}
    with pytest.raises(GameError, match="copy 0: StarCraft II fails: SC2LaunchError: Failed to launch"):
        act(env, info, STOP)
    assert world.n_running == 0


def test_a_mask_without_an_action_is_an_error(world: World) -> None:
    env = envs.make("smac_3m-v1", seed=0)
    world.idle_mask = True
    with pytest.raises(GameError, match="copy 0: StarCraft II fails: member 0 has no action"):
        env.reset()
    assert world.n_running == 0


def test_observations_of_another_size_are_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    env = envs.make("smac_3m-v1", seed=0)
    monkeypatch.setattr(smac_stub.StarCraft2Env, "get_obs", lambda self: [np.zeros(31)] * 3)
    with pytest.raises(GameError, match=r"observations of shape \(3, 31\), and announced \(3, 30\)"):
        env.reset()


def test_close_ends_the_games(world: World) -> None:
    env = envs.make("smac_3m-v1", num_envs=2, seed=0)
    info = env.reset()[1]
    env.close()
    assert world.n_running == 0
    with pytest.raises(ResetNeeded):
        act(env, info, STOP)
    env.close()


def test_statistics_are_smacs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    env = envs.make("smac_3m-v1", seed=0)
    assert env.get_stats()["win_rate"] == 0
    finish(env, env.reset()[1], fights=True)
    finish(env, env.reset()[1], fights=False)
    monkeypatch.setattr(smac_stub, "SHOT", 0)
    finish(env, env.reset()[1], fights=False)
    assert env.get_stats() == {
        "battles_won": 1,
        "battles_game": 3,
        "battles_draw": 1,
        "win_rate": pytest.approx(1 / 3),
        "timeouts": 1,
        "restarts": 0,
    }
    env.close()
    assert env.get_stats()["battles_game"] == 3


def test_snapshots_only_between_episodes(world: World) -> None:
    env = envs.make("smac_3m-v1", num_envs=2, seed=0)
    info = env.reset()[1]
    saved = env.snapshot()
    info = act(env, info, STOP)[4]
    with pytest.raises(ValueError, match="copy 0 is in an episode, which StarCraft II cannot restore"):
        env.snapshot()
    other = envs.make("smac_3m-v1", num_envs=2, seed=9)
    other.restore(saved)
    assert world.seeds[2:] == world.seeds[:2], "the game of the restored episode has its seed"
    assert other.snapshot()["elapsed"].tolist() == [0, 0]
    act(other, other.observe()[1], STOP)


def test_versions(world: World) -> None:
    env = envs.make("smac_3m-v1")
    assert env.versions()["game_version"] == "75689 (4.10.0)"
    assert envs.make("smac_3m-v1", game_version="4.6.2").versions()["game_version"] == "69232 (4.6.2)"
    world.versions = {"5.0.14": 93333}
    assert envs.make("smac_3m-v1").versions()["game_version"] == "93333 (not known to pysc2)"
    assert env.versions().keys() == {"version_smac", "version_pysc2", "game_version"}
    assert envs.make("micro_3m-v1").versions() == {}


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("smac_5m_vs_7m-v1", {}, "SMAC has no map '5m_vs_7m'; did you mean '5m_vs_6m'"),
        ("smac_zzz-v1", {}, "SMAC has no map 'zzz'; its maps: 3m, 8m, 5m_vs_6m"),
        ("smac_3m-v2", {}, "such ids are smac_<map>-v1"),
        ("smacv2_terran_5-v1", {}, "such ids are smacv2_<race>_<n>_vs_<m>-v1"),
        ("smac_3m-v1", {"map_name": "5m_vs_6m"}, "map_name is fixed by the task id"),
        ("smacv2_terran_5_vs_5-v1", {"n_units": 4}, "n_units is fixed by the task id"),
        ("smacv2_terran_5_vs_5-v1", {"weights": [0.5, 0.5]}, "3 probabilities, of marine, marauder, medivac"),
        ("smac_3m-v1", {"reward": "paper"}, "must be one of 'dense', 'sparse', 'modified'"),
        ("smac_3m-v1", {"difficulty": 7}, "difficulty must be one of"),
        ("smac_3m-v1", {"step_mul": 0}, "must be >= 1"),
        ("smac_3m-v1", {"reward_win": float("nan")}, "reward_win must be finite"),
    ],
)
def test_mistakes_are_one_line(world: World, task: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        envs.spec(task, settings)
    assert "\n" not in str(caught.value)


def test_missing_games_are_one_line(world: World) -> None:
    world.both_imported = True
    with pytest.raises(ValueError, match="SMAC and SMACv2 cannot be used in one process"):
        envs.make("smac_3m-v1")
    world.both_imported, world.has_map = False, False
    with pytest.raises(ValueError, match=r"SMAC_Maps/3m\.SC2Map is missing: put the folder SMAC_Maps into"):
        envs.make("smac_3m-v1")
    with pytest.raises(ValueError, match=r"StarCraft II 4\.7 is not found: Unknown game version"):
        envs.make("smac_3m-v1", game_version="4.7")
    world.versions = None
    with pytest.raises(ValueError, match=r"StarCraft II is not found: .*SC2PATH") as caught:
        envs.require("smac_3m-v1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "task"), [("smac", "smac_3m-v1"), ("smacv2", "smacv2_zerg_5_vs_5-v1")])
def test_missing_packages_are_one_line(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, task: str
) -> None:
    remedy = rf"pip install git\+https://github\.com/oxwhirl/{name}\.git"
    monkeypatch.delitem(sys.modules, f"{name}.env")
    with pytest.raises(ValueError, match=f"another package named '{name}', which is SMAC3.*{remedy}"):
        envs.require(task)
    monkeypatch.setitem(sys.modules, name, None)  # type: ignore[misc]
    for ask in (envs.spec, envs.require, envs.make):
        with pytest.raises(ValueError, match=f"is not installed: {remedy}") as caught:
            ask(task)
    assert "\n" not in str(caught.value)


def test_a_package_that_cannot_be_imported_says_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def find_spec(name: str, *_: Any) -> None:
            if name == "smac.env":
                raise TypeError("Descriptors cannot be created directly.\nIf this call came from ...")

    monkeypatch.delitem(sys.modules, "smac.env")
    monkeypatch.setattr(sys, "meta_path", [Broken, *sys.meta_path])
    with pytest.raises(ValueError, match=r"cannot be imported: Descriptors .* directly\.; install") as caught:
        envs.spec("smac_3m-v1")
    assert "\n" not in str(caught.value)


def test_the_commit_of_a_package_from_git_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "smac-1.0.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: SMAC\nVersion: 1.0.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    env = envs.make("smac_3m-v1")
    assert env.versions()["version_smac"] == "1.0.0"
    told = {"vcs_info": {"vcs": "git", "commit_id": "d6aab33f76abc3849c50463a8592a84f59a5ef84"}, "url": "x"}
    (place / "direct_url.json").write_text(json.dumps(told))
    assert env.versions()["version_smac"] == "1.0.0 d6aab33f76ab"


def test_the_tasks_are_not_listed() -> None:
    assert not any(name.startswith("smac") for name in envs.names())


def test_settings_say_what_they_are() -> None:
    told = SMACSettings.__doc__ or ""
    assert all(f"{field.name}:" in told for field in dataclasses.fields(SMACSettings))
