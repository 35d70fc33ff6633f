from typing import Any

import numpy as np
import pytest
from coordbench import envs
from coordbench.envs import check_env
from coordbench_foraging import Foraging, ForagingParallel, ForagingSettings

TASKS = sorted(Foraging.presets)


@pytest.mark.parametrize("task", TASKS)
def test_it_keeps_the_contract(task):
    assert task in envs.names()
    check_env(envs.make(task, num_envs=3))


def test_it_shows_and_pays_what_lbforaging_does():
    env: Any = envs.make("foraging_5x5_2p_1f-v1", num_envs=1, seed=3)
    field = ForagingParallel(ForagingSettings(size=5, food=1)).field
    generator = np.random.default_rng(0)
    earned, is_over, seen, theirs = 0.0, True, np.empty(0), []
    for _ in range(500):
        if is_over:
            seen, _ = env.reset()
            for player in field.players:
                player.position = None
            theirs, _ = field.reset(seed=int(env._episode[0]))
        assert np.array_equal(seen[0], np.stack(theirs))
        actions = generator.integers(6, size=(1, 2))
        seen, reward, terminated, truncated, _ = env.step(actions)
        theirs, rewards, is_over, _, _ = field.step(actions[0].tolist())
        assert reward[0] == pytest.approx(sum(rewards))
        assert terminated[0] == (not field.field.any())
        assert (terminated | truncated)[0] == is_over
        earned += reward[0]
    assert earned >= 1  # some piece was loaded


def test_the_seed_alone_decides_the_field():
    env = envs.make("foraging_5x5_2p_1f-v1", num_envs=2)
    first, _ = env.reset(seed=7)
    env.reset(seed=8)
    again, _ = env.reset(seed=7)
    assert np.array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
