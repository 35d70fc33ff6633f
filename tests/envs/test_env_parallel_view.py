"""The PettingZoo view."""

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.parallel import TeamParallelEnv
from pettingzoo.test import parallel_api_test, parallel_seed_test


@pytest.mark.parametrize("task_id", envs.names())
def test_pettingzoos_own_tests_pass(task_id):
    parallel_api_test(envs.parallel_env(task_id), num_cycles=150)
    parallel_seed_test(lambda: envs.parallel_env(task_id), num_cycles=150)


def test_the_view_shows_what_the_environment_gives():
    settings = {"team_reward": "individual", "dtype": "float64"}
    view = envs.parallel_env("cooperative_navigation_3-v1", **settings)
    env = envs.make("cooperative_navigation_3-v1", 1, **settings)
    observations, _ = view.reset(seed=4)
    expected, info = env.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(25):
        for i, name in enumerate(view.possible_agents):
            assert np.array_equal(observations[name], expected[0, i])
            assert view.observation_space(name).contains(observations[name])
        assert np.array_equal(view.state(), info["state"][0])
        assert view.state_space.contains(view.state())
        action = rng.uniform(-1, 1, (1, 3, 2))
        moves = {name: action[0, i] for i, name in enumerate(view.possible_agents)}
        observations, rewards, terminations, truncations, infos = view.step(moves)
        expected, _, _, truncated, info = env.step(action)
        assert list(rewards.values()) == info["agent_reward"][0].tolist()
        assert set(truncations.values()) == {bool(truncated[0])}
        assert not any(terminations.values())
        assert infos["agent_2"]["collisions"] == info["collisions"][0]
    assert view.agents == []
    assert view.step({}) == ({}, {}, {}, {}, {})


def test_missing_members_and_batches_are_refused():
    view = envs.parallel_env("predator_prey_2-v1")
    view.reset(seed=0)
    with pytest.raises(ValueError, match="odd: agent_1"):
        view.step({"agent_0": np.zeros(2)})
    with pytest.raises(ValueError, match="num_envs=2"):
        TeamParallelEnv(envs.make("predator_prey_2-v1", 2))
