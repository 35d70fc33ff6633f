"""TeamEnvs made of published PettingZoo environments."""

from functools import partial

import numpy as np
import pytest
from coordbench import envs
from mpe2 import (
    simple_formation_v1,
    simple_reference_v3,
    simple_speaker_listener_v4,
    simple_spread_v3,
    simple_world_comm_v3,
)
from pettingzoo.classic import rps_v2


def published(module, **settings):
    """An environment of an optional package, or None where it is not installed."""
    pytest.importorskip(module.partition(":")[2])
    return partial(pytest.importorskip(module.partition(":")[0]).parallel_env, **settings)


@pytest.mark.parametrize(
    ("make", "sizes", "kind", "n_actions", "horizon"),
    [
        (partial(simple_spread_v3.parallel_env, max_cycles=9), (18, 18, 18), "discrete", 5, 9),
        (partial(simple_spread_v3.parallel_env, continuous_actions=True), (18,) * 3, "continuous", 5, 25),
        (simple_speaker_listener_v4.parallel_env, (3, 11), "discrete", 5, 25),
        (
            partial(simple_speaker_listener_v4.parallel_env, continuous_actions=True),
            (3, 11),
            "continuous",
            5,
            25,
        ),
        (simple_reference_v3.parallel_env, (21, 21), "discrete", 50, 25),
        (simple_formation_v1.parallel_env, (6,) * 4, "discrete", 5, 25),
        (partial(simple_world_comm_v3.parallel_env, max_cycles=5), (34,) * 4 + (28,) * 2, "discrete", 20, 5),
        (rps_v2.parallel_env, (4, 4), "discrete", 3, 15),
    ],
)
def test_published_environments_keep_the_contract(make, sizes, kind, n_actions, horizon):
    env = envs.from_parallel(make, 2)
    team = env.team
    assert (team.observation_sizes, team.action_kind) == (sizes, kind)
    assert (team.action_size, team.horizon) == (n_actions, horizon)
    envs.check_env(env)


@pytest.mark.parametrize(
    ("module", "settings", "sizes", "kind"),
    [
        (
            "pettingzoo.sisl.pursuit_v5:pygame",
            {"n_pursuers": 3, "n_evaders": 4, "max_cycles": 6},
            (147,) * 3,
            "discrete",
        ),
        (
            "pettingzoo.sisl.multiwalker_v9:Box2D",
            {"n_walkers": 2, "max_cycles": 6},
            (31, 31),
            "continuous",
        ),
    ],
)
def test_published_environments_of_extras_keep_the_contract(module, settings, sizes, kind):
    env = envs.from_parallel(published(module, **settings), 2, team_reward="sum")
    assert (env.team.observation_sizes, env.team.action_kind) == (sizes, kind)
    assert env.team.return_unit == "sum over members"
    envs.check_env(env)


def test_what_a_team_sees_and_earns_is_what_the_published_environment_gives():
    make = partial(simple_speaker_listener_v4.parallel_env, continuous_actions=True)
    env, twin = envs.from_parallel(make, 2, team_reward="individual"), make()
    observation, info = env.reset(seed=3)
    seen, _ = twin.reset(seed=int(env.snapshot()["episode"][1]))
    rng = np.random.default_rng(0)
    for _ in range(25):
        assert np.array_equal(observation[1, 0, :3], seen["speaker_0"])
        assert not observation[1, 0, 3:].any()
        assert np.array_equal(observation[1, 1], seen["listener_0"])
        assert np.array_equal(info["state"][1], twin.state())
        action = rng.uniform(-1, 1, (2, 2, 5)).astype(np.float32)
        unit = (action[1].astype(np.float64) + 1) / 2
        moves = {"speaker_0": unit[0, :3].astype(np.float32), "listener_0": unit[1].astype(np.float32)}
        seen, rewards, _, truncations, _ = twin.step(moves)
        observation, reward, terminated, truncated, info = env.step(action)
        assert info["agent_reward"][1].tolist() == list(rewards.values())
        assert reward[1] == np.mean(list(rewards.values()))
        assert truncated[1] == truncations["speaker_0"]
        assert not terminated.any()
    assert truncated.all()


def test_agents_meet_a_state_made_of_observations_where_there_is_none_or_it_is_not_wanted():
    own = envs.from_parallel(simple_world_comm_v3.parallel_env)
    joined = envs.from_parallel(simple_world_comm_v3.parallel_env, use_state=False, task_id="mine-v1")
    assert own.team.state_size == joined.team.state_size == 4 * 34 + 2 * 28
    assert joined.team.task_id == "mine-v1"
    assert envs.from_parallel(rps_v2.parallel_env).team.state_size == 8


def test_a_published_team_whose_members_die_one_after_the_other():
    make = published("pettingzoo.butterfly.knights_archers_zombies_v11:pygame", max_zombies=30, spawn_delay=5)
    env = envs.from_parallel(make, 1, seed=0, team_reward="sum")
    info = env.reset()[1]
    rng = np.random.default_rng(0)
    over, left = False, []
    while not over:
        draws = rng.random(info["action_mask"].shape)
        observation, _, terminated, truncated, info = env.step(
            np.where(info["action_mask"], draws, -1).argmax(-1)
        )
        over = bool(terminated[0] | truncated[0])
        left.append(len(env.envs[0].agents))
        free = info["action_mask"][0].sum(-1)
        assert sorted(set(free.tolist()) | {1, 6}) == [1, 6]
        assert (free > 1).sum() == left[-1]
        if len(left) > 1 and left[-2] == left[-1]:
            assert not observation[0][free == 1].any()
    assert left[-1] == 0
    assert 4 in left
    assert {1, 2, 3} & set(left)
    assert terminated[0]
    assert len(left) < env.team.horizon == 900
