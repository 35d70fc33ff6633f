"""The PettingZoo view."""

from types import SimpleNamespace

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs import window
from coordbench.envs.parallel import TeamParallelEnv
from pettingzoo.test import (
    max_cycles_test,
    parallel_api_test,
    parallel_seed_test,
    render_test,
)
from pettingzoo.test import (
    test_save_obs as save_obs_test,
)
from pettingzoo.utils import parallel_to_aec


# Those tests know no masks in infos; test_micro_play.py runs them on a view that forgives.
@pytest.mark.parametrize("task_id", [name for name in envs.names() if not name.startswith("micro")])
def test_pettingzoos_own_tests_pass(task_id, monkeypatch, tmp_path, capsys):
    """Those for environments that take turns see the view through PettingZoo's own conversion."""
    if task_id.startswith("multiwalker"):
        pytest.importorskip("Box2D")
    parallel_api_test(envs.parallel_env(task_id), num_cycles=150)
    parallel_seed_test(lambda: envs.parallel_env(task_id), num_cycles=150)

    def shortened(max_cycles):
        return envs.parallel_env(task_id, horizon=max_cycles)

    takes_turns = SimpleNamespace(
        parallel_env=shortened, env=lambda **limit: parallel_to_aec(shortened(**limit))
    )
    max_cycles_test(takes_turns)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.chdir(tmp_path)
    render_test(lambda render_mode: parallel_to_aec(envs.parallel_env(task_id, render_mode)))
    capsys.readouterr()
    save_obs_test(parallel_to_aec(envs.parallel_env(task_id)))
    # Observations are no pictures, and the test says so instead of saving them.
    assert "did not save the observations" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


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


def test_pictures_follow_the_episode_and_windows_stay_closed(monkeypatch):
    view = envs.parallel_env("cooperative_navigation_3-v1", "rgb_array")
    view.reset(seed=0)
    first, again = view.render(), view.render()
    assert np.array_equal(first, again)
    view.step({name: np.ones(2) for name in view.agents})
    later = view.render()
    assert later.shape == first.shape
    assert not np.array_equal(first, later)

    shown = []
    monkeypatch.setattr(window, "show", lambda frame, *_: shown.append(frame) is None and len(shown) < 3)
    view = envs.parallel_env("cooperative_navigation_3-v1", "human")
    view.reset(seed=0)
    for _ in range(5):
        view.step({name: np.ones(2) for name in view.agents})
    assert len(shown) == 3
    assert np.array_equal(shown[0], first)
    assert np.array_equal(shown[1], later)
    assert view.render() is None


def test_render_modes_are_checked_and_rendering_without_one_warns():
    with pytest.raises(ValueError, match=r"one of 'human', 'rgb_array', got 'rgb_aray'; did you mean"):
        envs.parallel_env("predator_prey_2-v1", "rgb_aray")
    view = envs.parallel_env("predator_prey_2-v1")
    view.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode='rgb_array'"):
        assert view.render() is None


def test_discrete_tasks_give_masks_in_info():
    view = envs.parallel_env("climbing-v1")
    for infos in (view.reset(seed=0)[1], view.step(dict.fromkeys(view.agents, 0))[4]):
        for name in view.possible_agents:
            mask = infos[name]["action_mask"]
            assert (mask.dtype, mask.shape) == (np.int8, (view.action_space(name).n,))
            assert mask.any()


@pytest.mark.parametrize(
    ("task_id", "good", "bad", "message"),
    [
        ("climbing-v1", 0, 3, "agent_1 cannot choose action 3 now, only 0, 1, 2"),
        ("climbing-v1", 0, -1, "agent_1 cannot choose action -1 now"),
        ("climbing-v1", 0, 0.5, "agent_1: an action must be one integer, got 0.5"),
        ("climbing-v1", 0, [0, 1], r"agent_1: an action must be one integer, got \[0, 1\]"),
        ("predator_prey_2-v1", [1, -1], [0, np.nan], "agent_1: .* coordinate 1 is nan"),
        ("predator_prey_2-v1", [1, -1], [-np.inf, 0], "agent_1: .* coordinate 0 is -inf"),
        ("predator_prey_2-v1", [1, -1], [0, 1.5], r"agent_1: .* within \[-1, 1\]: coordinate 1 is 1.5"),
        ("predator_prey_2-v1", [1, -1], [0, 0, 0], r"\(act,\) for agent_1 = \(2,\), got \(3,\)"),
        ("predator_prey_2-v1", [1, -1], ["up", "up"], "agent_1: an action must be real numbers"),
    ],
)
def test_bad_actions_name_the_member_and_the_value(task_id, good, bad, message):
    """The members are in the wrong order in the dictionary; nothing moves."""
    view, other = envs.parallel_env(task_id), envs.parallel_env(task_id)
    for env in (view, other):
        env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        view.step({"agent_1": bad, "agent_0": good})
    view.step({"agent_1": good, "agent_0": good})
    other.step({"agent_0": good, "agent_1": good})
    assert np.array_equal(view.state(), other.state())


def test_an_action_that_the_mask_forbids_names_the_member():
    env = envs.make("climbing-v1")
    env._allowed = lambda mask: np.copyto(mask[:, 1], [True, False, True])
    view = TeamParallelEnv(env)
    view.reset(seed=0)
    with pytest.raises(ValueError, match="agent_1 cannot choose action 1 now, only 0, 2"):
        view.step({"agent_0": 1, "agent_1": 1})
    view.step({"agent_0": np.int64(1), "agent_1": np.int64(2)})


def test_rounding_beyond_the_bounds_is_clipped():
    view, other = (envs.parallel_env("predator_prey_2-v1", dtype="float64") for _ in range(2))
    for env, action in ((view, 1 + 1e-9), (other, 1.0)):
        env.reset(seed=0)
        env.step(dict.fromkeys(env.agents, np.full(2, action)))
    assert np.array_equal(view.state(), other.state())
