"""The kernels of SMAC-like battles against a slow twin that was written from the rules alone."""

import numpy as np
import pytest
from coordbench.envs.micro.battle import Battle
from coordbench.envs.micro.settings import MicroSettings
from micro_twin import Twin


def make(num_envs, **settings):
    chosen = MicroSettings(**({"dtype": "float64"} | settings))
    return Battle(Battle.describe("micro", chosen), num_envs)


@pytest.mark.parametrize(
    "settings",
    [
        {"allies": "3m", "enemies": "3m", "reward": "dense"},
        {"allies": "2s3z", "enemies": "2s3z", "start_jitter": 0.1, "reward": "dense_signed"},
        {"allies": "3s", "enemies": "3z", "terrain": "open", "clock": "smaclite"},
        {"allies": "1M3m1v", "enemies": "2M3m1v", "healer_first": True, "cooldown_jitter": True},
        {"allies": "1c2s1z", "enemies": "1c1s3z", "reward": "sparse_maser", "start_jitter": 0.05},
        {"allies": "4g2b1h", "enemies": "3m3g2b", "start_jitter": 0.1, "reward": "sparse"},
        {"allies": "9m", "enemies": "8m", "scan": 9.0, "passes": 2},
    ],
)
def test_kernels_equal_their_twin(settings):
    """Fighting at random: half of the time members attack if they can."""
    num_envs, rng = 4, np.random.default_rng(0)
    env = make(num_envs, **settings)
    _, info = env.reset(seed=3)
    start = env.snapshot()
    twins = [Twin(env._settings, *start["units"][b, :2], start["generator"][b]) for b in range(num_envs)]
    reference, ends = env.reference_policy(env.team), 0
    observation = env.observe()[0]
    for t in range(70):
        mask = info["action_mask"]
        actions = np.where(mask, rng.random(mask.shape) + (np.arange(mask.shape[-1]) >= 6), -1).argmax(-1)
        actions[t % 2 :: 2] = reference(observation)[t % 2 :: 2]
        observation, reward, terminated, _, info = env.step(actions)
        for b, twin in enumerate(twins):
            assert reward[b] == pytest.approx(twin.step(actions[b]), abs=1e-9)
            seen = [twin.observation(i) for i in range(env.team.n_agents)]
            np.testing.assert_allclose(observation[b], seen, rtol=0, atol=1e-9)
            np.testing.assert_allclose(info["state"][b], twin.state(), rtol=0, atol=1e-9)
            assert info["action_mask"][b].tolist() == [twin.allowed(i) for i in range(env.team.n_agents)]
            assert terminated[b] == (twin.result() is not None)
            assert info["battle_won"][b] == (twin.result() == "won")
            assert info["dead_allies"][b] == sum(not u.alive for u in twin.allies)
            assert info["dead_enemies"][b] == sum(not u.alive for u in twin.enemies)
        if terminated.any():
            ends += 1
            observation, info = env.reset(options={"reset_mask": terminated})
            now = env.snapshot()
            for b in np.flatnonzero(terminated):
                twins[b] = Twin(env._settings, *now["units"][b, :2], now["generator"][b])
    assert ends
