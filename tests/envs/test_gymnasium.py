"""Tasks at home in Gymnasium: ids, vector wrappers, autoreset."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.autoreset import NextStepAutoreset
from coordbench.envs.base import TeamEnv
from coordbench.envs.gymnasium_ids import register_tasks
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers

NAVIGATION = "cooperative_navigation_3-v1"


def printed(code):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    "imports", ["import gymnasium, coordbench.envs", "import coordbench.envs, gymnasium"]
)
def test_importing_the_tasks_registers_them_in_any_order_and_nothing_heavy(imports):
    heavy = "{'numba', 'torch', 'pettingzoo', 'pandas', 'scipy'} & set(sys.modules)"
    code = (
        f"import sys\n{imports}\nprint(len({heavy}), 'coordbench/predator_prey_4-v1' in gymnasium.registry)"
    )
    assert printed(code) == ["0", "True"]


def test_gymnasium_is_imported_only_by_those_who_need_it():
    code = (
        "import importlib.util, sys, coordbench.envs\n"
        "importlib.util.find_spec('gymnasium')\n"
        "print('gymnasium' in sys.modules)\n"
        "coordbench.envs.make('climbing-v1')\n"
        "import gymnasium\n"
        "print('coordbench/climbing-v1' in gymnasium.registry, gymnasium.__spec__.name)\n"
        "print(any('AfterGymnasium' in type(f).__name__ for f in sys.meta_path))"
    )
    assert printed(code) == ["False", "True", "gymnasium", "False"]


def test_gymnasium_finds_a_task_by_its_module_without_any_import():
    name = "coordbench.envs:coordbench/predator_prey_4-v1"
    assert printed(f"import gymnasium\nprint(gymnasium.make_vec({name!r}, num_envs=16).num_envs)") == ["16"]


def test_all_tasks_and_every_size_of_a_family_are_registered_once(recwarn):
    register_tasks()
    assert not recwarn.list
    for task_id in [*envs.names(), "cooperative_navigation_1-v1", "cooperative_navigation_99-v1"]:
        assert f"coordbench/{task_id}" in gymnasium.registry


@pytest.mark.parametrize("task_id", ["predator_prey_4-v1", "cooperative_navigation_5-v1", "climbing-v1"])
def test_make_vec_gives_the_team_env_itself(task_id):
    env = gymnasium.make_vec(f"coordbench/{task_id}", num_envs=16, horizon=7, seed=3)
    assert isinstance(env, TeamEnv)
    assert env.unwrapped is env
    assert (env.num_envs, env.team.task_id, env.team.horizon) == (16, task_id, 7)
    assert np.array_equal(env.reset()[0], envs.make(task_id, 16, seed=3, horizon=7).reset()[0])
    again = gymnasium.make_vec(env.spec)
    assert (again.num_envs, again.team) == (16, env.team)


def test_mistakes_are_told():
    with pytest.raises(gymnasium.error.NameNotFound, match="predator_prey_4"):
        gymnasium.make_vec("coordbench/predator_pray_4-v1")
    with pytest.raises(ValueError, match="has no setting 'horizn'; did you mean 'horizon'"):
        gymnasium.make_vec("coordbench/predator_prey_4-v1", horizn=3)
    with pytest.raises(gymnasium.error.Error, match="entry_point"):
        gymnasium.make("coordbench/predator_prey_4-v1")


def roll(env, steps, seed=0):
    """Steps with random actions; copies that have finished are started again by hand."""
    env.reset(seed=seed)
    env.action_space.seed(seed)
    results = []
    for _ in range(steps):
        results.append(env.step(env.action_space.sample()))
        over = results[-1][2] | results[-1][3]
        if over.any() and env.metadata["autoreset_mode"] is AutoresetMode.DISABLED:
            env.reset(options={"reset_mask": over})
    return results


def test_record_episode_statistics_counts_returns_and_lengths():
    results = roll(envs.make(NAVIGATION, 4, horizon=5), 10)
    env = wrappers.RecordEpisodeStatistics(envs.make(NAVIGATION, 4, horizon=5))
    recorded = roll(env, 10)
    returns = [sum(r[1] for r in results[start : start + 5]) for start in (0, 5)]
    assert np.allclose(recorded[4][4]["episode"]["r"], returns[0])
    assert np.allclose(recorded[9][4]["episode"]["r"], returns[1])
    assert (recorded[9][4]["episode"]["l"] == 5).all()
    assert "episode" not in recorded[3][4]
    assert len(env.return_queue) == 8


def test_stateless_wrappers_and_normalised_rewards_work():
    plain = roll(envs.make(NAVIGATION, 4, horizon=5), 10)
    halved = wrappers.TransformObservation(envs.make(NAVIGATION, 4, horizon=5), lambda x: x / 2)
    assert np.array_equal(roll(halved, 10)[9][0], plain[9][0] / 2)
    clipped = wrappers.ClipReward(envs.make(NAVIGATION, 4, horizon=5), -0.5, 0.5)
    assert np.array_equal(roll(clipped, 10)[9][1], np.clip(plain[9][1], -0.5, 0.5))
    negative = wrappers.TransformReward(envs.make(NAVIGATION, 4, horizon=5), lambda r: -r)
    assert np.array_equal(roll(negative, 10)[9][1], -plain[9][1])
    opposite = wrappers.TransformAction(envs.make(NAVIGATION, 4, horizon=5), lambda a: -a)
    assert not np.array_equal(roll(opposite, 10)[9][0], plain[9][0])
    flat = wrappers.FlattenObservation(envs.make(NAVIGATION, 4, horizon=5))
    assert np.array_equal(roll(flat, 1)[0][0], plain[0][0].reshape(4, -1))
    scaled = wrappers.NormalizeReward(envs.make(NAVIGATION, 4, horizon=5))
    ratio = roll(scaled, 10)[9][1] / plain[9][1]
    assert np.allclose(ratio, 1 / np.sqrt(scaled.return_rms.var + 1e-8))
    assert ratio[0] != 1


def test_normalised_observations_need_next_step_autoreset():
    with pytest.raises(ValueError, match="NEXT_STEP"):
        wrappers.NormalizeObservation(envs.make(NAVIGATION, 4))
    env = wrappers.NormalizeObservation(NextStepAutoreset(envs.make(NAVIGATION, 64, horizon=5)))
    seen = np.array([result[0] for result in roll(env, 60)])[30:]
    moving = seen[..., :14].reshape(-1, 14)  # the rest is silent communication
    assert np.abs(moving.mean(0)).max() < 0.3
    assert np.abs(moving.std(0) - 1).max() < 0.3


@pytest.mark.parametrize("task_id", [NAVIGATION, "climbing-v1"])
def test_next_step_autoreset_is_resetting_by_hand(task_id):
    """Copies are at different points of their episodes; each goes on as it would by itself."""
    env, by_hand = (
        NextStepAutoreset(envs.make(task_id, 2, horizon=4)),
        [envs.make(task_id, 1, horizon=4) for _ in "ab"],
    )
    seeds = envs.copy_seeds(0, 2)
    env.reset(seed=0)
    for single, seed in zip(by_hand, seeds, strict=True):
        single.reset(seed=[seed])
    env.action_space.seed(0)
    env.step(action := env.action_space.sample())
    for b, single in enumerate(by_hand):
        single.step(action[b : b + 1])
    first = np.array([True, False])
    env.reset(options={"reset_mask": first})
    by_hand[0].reset()
    over = [False, False]
    begins = 0
    for _ in range(12):
        action = env.action_space.sample()
        observation, reward, terminated, truncated, info = env.step(action)
        for b, single in enumerate(by_hand):
            if over[b]:
                expected, shown = single.reset()
                assert (reward[b], terminated[b], truncated[b]) == (0, False, False)
                assert not info["agent_reward"][b].any()
                begins += 1
            else:
                expected, earned, _, cut, shown = single.step(action[b : b + 1])
                assert (reward[b], truncated[b]) == (earned[0], cut[0])
            assert np.array_equal(observation[b], expected[0])
            assert np.array_equal(info["state"][b], shown["state"][0])
            over[b] = truncated[b]
    assert begins == 4


def test_next_step_autoreset_refuses_bad_actions_without_a_trace_and_wrapped_environments():
    env, twin = (NextStepAutoreset(envs.make(NAVIGATION, 2, horizon=3)) for _ in range(2))
    for e in (env, twin):
        e.reset(seed=0)
        e.step(np.ones((2, 3, 2)))
        e.reset(options={"reset_mask": np.array([True, False])})
        e.step(np.ones((2, 3, 2)))
        e.step(np.ones((2, 3, 2)))
    bad = np.ones((2, 3, 2))
    bad[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="copy 0, member 0"):
        env.step(bad)
    for a, b in zip(env.step(np.ones((2, 3, 2)))[:4], twin.step(np.ones((2, 3, 2)))[:4], strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="wraps a bare TeamEnv, not RecordEpisodeStatistics"):
        NextStepAutoreset(wrappers.RecordEpisodeStatistics(envs.make(NAVIGATION, 2)))
