"""Multi-walker: PettingZoo's own simulation, with our seeds, time limits and snapshots."""

from importlib.util import find_spec

import numpy as np
import pytest
from coordbench import envs

TASK = "multiwalker_3-v1"


pytestmark = pytest.mark.skipif(find_spec("Box2D") is None, reason="Box2D is not installed")


def actions(steps, n=3, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).uniform(-1, 1, (steps, 1, n, 4)).astype(np.float32)


def episode_seed(env, copy=0):
    return int(env.snapshot()["episode"][copy])


@pytest.mark.parametrize("n", [3, 4])
@pytest.mark.parametrize("team_reward", ["mean", "individual"])
def test_equals_pettingzoo_bit_for_bit(n, team_reward):
    from pettingzoo.sisl import multiwalker_v9

    env = envs.make(f"multiwalker_{n}-v1", 1, seed=5, team_reward=team_reward)
    observation, info = env.reset()
    theirs = multiwalker_v9.parallel_env(n_walkers=n, shared_reward=team_reward == "mean")
    seen, _ = theirs.reset(seed=episode_seed(env))
    names = theirs.possible_agents
    assert np.array_equal(observation[0], np.stack([seen[name] for name in names]))
    ended = False
    for action in actions(300, n):
        observation, reward, terminated, _, info = env.step(action)
        seen, rewards, ends, *_ = theirs.step(dict(zip(names, action[0], strict=True)))
        assert np.array_equal(observation[0], np.stack([seen[name] for name in names]))
        assert np.allclose(info["agent_reward"][0], [rewards[name] for name in names], rtol=0, atol=1e-12)
        assert terminated[0] == all(ends.values())
        if terminated[0]:
            assert info["fallen"][0] > 0 or info["package_distance"][0] < 1
            assert reward[0] < -90
            ended = True
            break
        assert np.array_equal(info["state"][0], theirs.state())
    assert ended, "random play falls"


def test_the_time_limit_truncates_where_pettingzoo_says_terminated():
    env = envs.make(TASK, 2, seed=0, horizon=3)
    env.reset()
    for step in range(3):
        _, _, terminated, truncated, _ = env.step(np.zeros((2, 3, 4)))
        assert not terminated.any()
        assert truncated.all() == (step == 2)


def test_a_package_carried_far_enough_is_the_end_without_a_penalty():
    env = envs.make(TASK, 1, seed=0)
    env.reset()
    env._worlds[0].package.position = (env._worlds[0].terrain_length * 14 / 30, 8.0)
    _, reward, terminated, truncated, info = env.step(np.zeros((1, 3, 4)))
    assert terminated[0]
    assert not truncated[0]
    assert reward[0] > 0
    assert info["package_distance"][0] > 50


def test_fallen_walkers_may_stay_out_of_a_game_that_goes_on():
    env = envs.make(TASK, 1, seed=1, terminate_on_fall=False, terminate_reward=0.0, horizon=120)
    env.reset()
    fallen = []
    for action in actions(120, seed=3):
        *_, terminated, truncated, info = env.step(action)
        fallen.append(info["fallen"][0])
        if terminated[0] or truncated[0]:
            break
    assert max(fallen) >= 1
    assert np.isfinite(info["state"]).all()


def test_a_snapshot_replays_the_episode():
    env, other = envs.make(TASK, 2, seed=7), envs.make(TASK, 2, seed=8)
    env.reset()
    play = np.concatenate([actions(60, seed=1, scale=0.3), actions(60, seed=2, scale=0.3)], 1)
    for action in play[:30]:
        env.step(action)
    saved = env.snapshot()
    first = [env.step(action)[:2] for action in play[30:40]]
    other.restore(saved)
    for (observation, reward), action in zip(first, play[30:40], strict=True):
        again = other.step(action)
        assert np.array_equal(observation, again[0])
        assert np.array_equal(reward, again[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"horizon": 60}, {"team_reward": "individual", "dtype": "float64", "horizon": 20}], ids=str
)
def test_the_contract_holds(settings):
    envs.check_env(envs.make(TASK, 2, **settings))


def test_standing_beats_random_play_by_far():
    env = envs.make(TASK, 2, seed=0, horizon=150)
    policy = envs.reference_policy(env.team)
    observation, _ = env.reset()
    total = np.zeros(2)
    for _ in range(150):
        observation, reward, terminated, *_ = env.step(policy(observation))
        assert not terminated.any()
        total += reward
    assert (total > -20).all(), "random play is below -100 after half the time"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"terrain_length": 10}, "terrain_length must be at least 50"),
        ({"position_noise": -1.0}, "must be finite and not negative"),
        ({"horizon": 0}, "must be >= 1"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        envs.make(TASK, **settings)


def test_the_picture_holds_ground_walkers_and_package():
    env = envs.make(TASK, 1, seed=0)
    assert not env.scene().shapes
    env.reset()
    scene = env.scene()
    assert len(scene.members) == 3
    assert len(scene.shapes) >= 1 + 3 * (5 + 1) + 1
