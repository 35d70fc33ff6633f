"""SMAC-like battles as they are played: motion, fairness, policies, threads, PettingZoo."""

import numba
import numpy as np
import pytest
from coordbench import envs
from coordbench.envs.kernels import PARALLEL_FROM
from coordbench.envs.micro.battle import Battle
from coordbench.envs.micro.facts import PACE, RADIUS
from coordbench.envs.micro.layout import HP, X, Y
from coordbench.envs.micro.settings import MicroSettings
from pettingzoo.test import parallel_api_test, parallel_seed_test


def make(num_envs=1, **settings):
    return Battle(Battle.describe("micro", MicroSettings(**settings)), num_envs)


def random_actions(rng, mask):
    return np.where(mask, rng.random(mask.shape), -1).argmax(-1)


def play(env, policy, seed=0):
    """Share of won battles and mean return; every copy plays one episode."""
    observation, info = env.reset(seed=seed)
    total, won = np.zeros(env.num_envs), np.zeros(env.num_envs)
    playing = np.ones(env.num_envs, bool)
    while playing.any():
        observation, reward, terminated, truncated, info = env.step(policy(observation, info["action_mask"]))
        total += reward * playing
        won[playing] = info["battle_won"][playing]
        over = terminated | truncated
        playing &= ~over
        if over.any():
            observation, info = env.reset(options={"reset_mask": over})
    return won.mean(), total.mean()


def test_a_free_unit_walks_half_its_speed_a_step():
    for letter, length in (("m", 1.125), ("s", 2.9531 / 2), ("z", 1.125), ("v", 1.375)):
        env = make(allies="1m1s1z1v", enemies="4m", scan=0.0)
        i = ["s", "z", "m", "v"].index(letter)
        env.reset(seed=0)
        now = env.snapshot()
        now["units"][0, X, :4], now["units"][0, Y, :4] = [4, 8, 12, 16], [12, 15, 18, 21]
        env.restore(now)
        for action, way in ((2, (0, 1)), (3, (0, -1)), (4, (1, 0)), (5, (-1, 0))):
            before = env.snapshot()["units"][0]
            actions = np.ones((1, 4), int)
            actions[0, i] = action
            env.step(actions)
            moved = env.snapshot()["units"][0] - before
            assert moved[[X, Y], i] == pytest.approx(np.array(way) * length)
            env.restore(now)


def test_an_ordered_move_ends_after_two():
    env = make(allies="1s", enemies="1m", clock="smaclite", scan=0.0)
    env.reset(seed=0)
    before = env.snapshot()["units"][0, X, 0]
    assert env._facts.kind[PACE, 0] * 8 > 2
    env.step(np.array([[4]]))
    assert env.snapshot()["units"][0, X, 0] - before == pytest.approx(2.0)


@pytest.mark.parametrize("allies", ["8m", "3s5z", "2M7m1v"])
def test_units_hardly_overlap_and_stay_on_the_terrain(allies):
    env, rng = make(16, allies=allies, enemies=allies, start_jitter=0.1), np.random.default_rng(0)
    _, info = env.reset(seed=0)
    radius, air = env._facts.kind[RADIUS], np.array(["v" in allies]) & (env._facts.kind[9] > 0)
    both, over, units = radius[:, None] + radius, [], 0
    for _ in range(40):
        _, _, terminated, truncated, info = env.step(random_actions(rng, info["action_mask"]))
        now = env.snapshot()["units"]
        x, y, alive = now[:, X], now[:, Y], now[:, HP] > 0
        assert (x >= 0).all()
        assert (x < 32).all()
        ground = alive & ~air
        assert (y[ground] >= 8).all()
        assert (y[ground] < 25).all()
        distance = np.hypot(x[:, :, None] - x[:, None], y[:, :, None] - y[:, None])
        together = (
            alive[:, :, None] & alive[:, None] & (air[:, None] == air) & ~np.eye(len(radius), dtype=bool)
        )
        overlap = np.where(together, 1 - distance / both, 0.0).max(-1)
        over.append((overlap > 0.05).sum())
        units += alive.sum()
        assert overlap.max() < 0.2
        info = env.reset(options={"reset_mask": terminated | truncated})[1]
    assert sum(over) / units < 0.05


@pytest.mark.parametrize("side", ["3m", "3s5z", "2M7m1v"])
def test_mirrored_teams_under_one_script_win_equally_often(side):
    env = make(500, allies=side, enemies=side, start_jitter=0.1, horizon=200)
    env._scripted = True
    won, fought = 0.0, 0.0
    _, info = env.reset(seed=1)
    for _ in range(120):
        _, _, terminated, truncated, info = env.step(info["action_mask"].argmax(-1))
        over = terminated | truncated
        fought += over.sum()
        won += info["battle_won"][over].sum()
        info = env.reset(options={"reset_mask": over})[1]
    draws = env.get_stats()["battles_draw"]
    assert fought > 500
    assert draws < 0.05 * fought
    assert won / fought == pytest.approx(0.5, abs=0.08)


def test_random_play_almost_never_wins():
    rng = np.random.default_rng(0)
    won, total = play(envs.make("micro_3m-v1", 400), lambda _, mask: random_actions(rng, mask))
    assert won < 0.01
    assert total == pytest.approx(-5.8, abs=0.5)


def stand_and_shoot(observation, mask):
    """The lowest enemy that may be attacked, else stop."""
    targets = np.where(mask[..., 6:].any(-1), 6 + mask[..., 6:].argmax(-1), 1)
    return np.where(mask[..., 0], 0, targets)


def test_kiting_beats_standing_and_shooting():
    env = envs.make("micro_3s_vs_3z-v1", 64, start_jitter=0.1)
    reference = envs.reference_policy(env.team)
    kiting, score = play(env, lambda observation, _: reference(observation))
    assert kiting > 0.9
    assert score > 200
    assert play(env, stand_and_shoot)[0] < 0.05


@pytest.mark.parametrize("name", ["3m", "8m", "2s3z", "3s5z"])
def test_the_reference_wins_even_battles(name):
    env = envs.make(f"micro_{name}-v1", 64)
    reference = envs.reference_policy(env.team)
    assert play(env, lambda observation, _: reference(observation))[0] > 0.95


@pytest.mark.parametrize("name", ["MMM2", "5m_vs_6m", "27m_vs_30m"])
def test_the_reference_is_worth_more_than_random_play(name):
    env, rng = envs.make(f"micro_{name}-v1", 32), np.random.default_rng(0)
    reference = envs.reference_policy(env.team)
    score = play(env, lambda observation, _: reference(observation))[1]
    assert score > play(env, lambda _, mask: random_actions(rng, mask))[1] + 15


def steps(env, seeds, n):
    """All outputs of some steps, every copy choosing by its own seed."""
    outputs, (_, info) = [], env.reset(seed=seeds)
    for t in range(n):
        mask = info["action_mask"]
        draws = np.stack([np.random.default_rng((seed, t)).random(mask.shape[1:]) for seed in seeds])
        observation, reward, terminated, truncated, info = env.step(
            np.where(mask, draws + (np.arange(mask.shape[-1]) > 3), -1).argmax(-1)
        )
        outputs += [observation, reward, terminated, *(info[name] for name in sorted(info))]
        info = env.reset(options={"reset_mask": terminated | truncated})[1]
    return outputs


@pytest.mark.parametrize("task", ["micro_2s3z-v1", "micro_MMM2-v1"])
def test_copies_are_independent_of_batch_and_threads(task):
    n = PARALLEL_FROM + 5
    large, seeds, before = (
        envs.make(task, n, start_jitter=0.1),
        envs.copy_seeds(3, n),
        numba.get_num_threads(),
    )
    together = steps(large, seeds, 20)
    try:
        numba.set_num_threads(1)
        assert all(np.array_equal(a, b) for a, b in zip(together, steps(large, seeds, 20), strict=True))
    finally:
        numba.set_num_threads(before)
    for part in (slice(0, 1), slice(15, 18), slice(n - 1, n)):
        alone = steps(envs.make(task, part.stop - part.start, start_jitter=0.1), seeds[part], 20)
        assert all(np.array_equal(a[part], b) for a, b in zip(together, alone, strict=True))


def tolerant(task):
    """The view for PettingZoo's test, which ignores masks: forbidden actions become the first allowed one."""
    view = envs.parallel_env(task)
    step, masks = view.step, {}

    def remember(observations_and_infos):
        masks.update({name: info["action_mask"] for name, info in observations_and_infos[-1].items()})
        return observations_and_infos

    reset = view.reset
    view.reset = lambda seed=None, options=None: remember(reset(seed, options))
    view.step = lambda actions: remember(
        step({k: a if masks[k][a] else int(masks[k].argmax()) for k, a in actions.items()})
    )
    return view


@pytest.mark.parametrize("task", ["micro_3m-v1", "micro_MMM2-v1"])
def test_pettingzoos_own_tests_pass(task):
    parallel_api_test(tolerant(task), num_cycles=150)
    parallel_seed_test(lambda: tolerant(task), num_cycles=150)
