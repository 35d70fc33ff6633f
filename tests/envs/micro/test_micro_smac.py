"""SMAC-like battles against SMAC's own code: numbers that it gave, kept as a fixture."""

from pathlib import Path

import numpy as np
import pytest
from coordbench.envs.micro.battle import Battle
from coordbench.envs.micro.encoders import GAME_LOOPS
from coordbench.envs.micro.facts import HIT
from coordbench.envs.micro.kernels import give_orders
from coordbench.envs.micro.layout import (
    BEFORE,
    COOLDOWN,
    ENERGY,
    GOAL_X,
    GOAL_Y,
    HP,
    N_ROWS,
    N_WORK,
    SHIELD,
    WALKS,
    X,
    Y,
)
from coordbench.envs.micro.results import outcome, pay
from coordbench.envs.micro.settings import MicroSettings
from coordbench.envs.micro.units import UNITS, team

SMAC = np.load(Path(__file__).parents[1] / "fixtures" / "micro_smac.npz")
MAPS = {
    "3m": ("3m", "3m"),
    "5m_vs_6m": ("5m", "6m"),
    "2s3z": ("2s3z", "2s3z"),
    "3s5z": ("3s5z", "3s5z"),
    "3s_vs_3z": ("3s", "3z"),
    "1c3s5z": ("1c3s5z", "1c3s5z"),
    "MMM2": ("2M7m1v", "3M8m1v"),
    "6h_vs_8z": ("6h", "8z"),
    "so_many_baneling": ("7z", "32b"),
}
REWARDS = ("dense", "dense_signed", "sparse")


def make(name, num_envs=1, **settings):
    """A battle of SMAC's map of this name."""
    allies, enemies = MAPS[name]
    terrain = "open" if name == "3s_vs_3z" else "band"
    chosen = MicroSettings(allies=allies, enemies=enemies, terrain=terrain, **settings)
    return Battle(Battle.describe("micro", chosen), num_envs)


def smac(name, key):
    return SMAC[f"{key}_{name}"]


def units(rows):
    """Our rows of units (..., 9, U) from SMAC's (..., 6, U); the dead have neither shields nor cooldown."""
    found = np.zeros((*rows.shape[:-2], N_ROWS, rows.shape[-1]))
    alive = rows[..., 2, :] > 0
    found[..., X, :], found[..., Y, :] = rows[..., 0, :], rows[..., 1, :]
    found[..., HP, :], found[..., ENERGY, :] = rows[..., 2, :], rows[..., 5, :]
    found[..., SHIELD, :] = np.where(alive, rows[..., 3, :], 0.0)
    found[..., COOLDOWN, :] = np.where(alive, rows[..., 4, :] / GAME_LOOPS, 0.0)
    return found


@pytest.mark.parametrize("name", MAPS)
def test_observations_states_and_masks_are_smacs_bit_for_bit(name):
    after = smac(name, "after")
    env = make(name, len(after))
    env.reset(seed=0)
    now = env.snapshot()
    now["units"][:], now["last"][:] = units(after), smac(name, "action")
    env.restore(now)
    observation, info = env.observe()
    copies = np.arange(len(after))
    assert observation.dtype == info["state"].dtype == smac(name, "state").dtype == np.float32
    assert np.array_equal(info["action_mask"], smac(name, "mask"))
    assert np.array_equal(info["state"], smac(name, "state"))
    assert np.array_equal(observation[copies, copies % env.team.n_agents], smac(name, "observation"))


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("reward", REWARDS)
def test_rewards_and_results_are_smacs(name, reward):
    env = make(name, reward=reward)
    n, kind = env.team.n_agents, env._facts.kind
    before, after = units(smac(name, "before")), units(smac(name, "after"))
    for t, (one, other) in enumerate(zip(before, after, strict=True)):
        work, metrics = np.zeros((N_WORK, kind.shape[1])), np.zeros((1, 3))
        work[BEFORE] = one[HP] + one[SHIELD]
        metrics[0, 1:] = (one[HP, :n] <= 0).sum(), (one[HP, n:] <= 0).sum()
        result = outcome(kind, other, n)
        paid = pay(env._facts.reward, other, n, work, result, metrics, 0)
        assert paid == pytest.approx(smac(name, "reward")[t, REWARDS.index(reward)], rel=1e-12, abs=1e-12)
        is_late = smac(name, "late")[t]
        assert [result != 2 or is_late, *metrics[0]] == smac(name, "end")[t].tolist()


@pytest.mark.parametrize("name", MAPS)
def test_orders_are_smacs(name):
    """But for void ones: who cannot hit flyers gets none against a Medivac."""
    env = make(name)
    facts, n = env._facts, env.team.n_agents
    before, void = units(smac(name, "before")), 0
    for t, action in enumerate(smac(name, "action").astype(np.int64)):
        target, work = np.full(facts.kind.shape[1], -1), np.zeros((N_WORK, facts.kind.shape[1]))
        give_orders(facts.kind, facts.pair, before[t], action[None], 0, target, work)
        for i, (x, y, mark) in enumerate(smac(name, "orders")[t]):
            assert bool(work[WALKS, i]) == (not np.isnan(x))
            if work[WALKS, i]:
                assert (work[GOAL_X, i], work[GOAL_Y, i]) == (x, y)
            if not np.isnan(mark) and int(mark) >= n and facts.pair[HIT, i, int(mark)] == 0.0:
                assert target[i] == -1
                void += 1
            else:
                assert target[i] == (-1 if np.isnan(mark) else mark)
    assert (void > 0) == (name == "MMM2")


@pytest.mark.parametrize("name", MAPS)
def test_members_are_ordered_as_smac_sorts_them(name):
    env = make(name)
    x, y = env._facts.start[:, : env.team.n_agents]
    ranks = [UNITS.index(unit) for unit in team(env._settings.allies)]
    assert np.lexsort((y, x, ranks)).tolist() == list(range(env.team.n_agents))


def test_the_fixture_has_every_kind_of_end():
    ends = np.concatenate([SMAC[f"end_{name}"] for name in MAPS])
    won, over = ends[:, 1] > 0, ends[:, 0] > 0
    assert won.sum() > 20
    assert (over & ~won).sum() > 20
    assert (~over).sum() > 20
