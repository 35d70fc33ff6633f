"""SMAC-like battles with SMAClite's clock against SMAClite's own code: numbers that it gave, a fixture."""

from pathlib import Path

import numpy as np
import pytest
from coordbench.envs.micro.battle import Battle
from coordbench.envs.micro.combat import attack, attack_around
from coordbench.envs.micro.facts import ARMOUR, HIT, HITS, HP_MAX, SHIELD_MAX
from coordbench.envs.micro.layout import COOLDOWN, ENERGY, HP, N_ROWS, SHIELD, X, Y
from coordbench.envs.micro.settings import MicroSettings
from coordbench.envs.micro.targets import choose_targets

SMACLITE = np.load(Path(__file__).parents[1] / "fixtures" / "micro_smaclite.npz")
KINDS = "cszMmbgv"
FIGHTS = {
    "m_m": ("1m", "1m"),
    "s_z": ("1s", "1z"),
    "z_z": ("1z", "1z"),
    "M_s": ("1M", "1s"),
    "s_M": ("1s", "1M"),
    "g_M": ("1g", "1M"),
    "c_z": ("1c", "1z"),
    "3m_2M": ("3m", "2M"),
    "2s1z_1s2z": ("2s1z", "1s2z"),
    "2m1v_2m": ("2m1v", "2m"),
    "1m1v_2m": ("1m1v", "2m"),
    "2m_2m": ("2m", "2m"),
    "1m_1m": ("1m", "1m"),
}


def make(allies, enemies, **settings):
    """A battle under SMAClite's clock and preferences, with SMAC's dense reward."""
    base = {"clock": "smaclite", "healer_first": True, "reward": "dense", "dtype": "float64"}
    chosen = MicroSettings(**(base | {"allies": allies, "enemies": enemies} | settings))
    return Battle(Battle.describe("micro", chosen))


def test_every_attack_does_the_same_damage():
    """But for the least of half a point a hit, which SMAClite does without."""
    facts = make("1c1s1z1M1m1b1g1v", "1c1s1z1M1m1b1g1v")._facts
    assert len(SMACLITE["attacks"]) > 500
    halves = 0
    for a, b, hp, shield, hp_after, shield_after in SMACLITE["attacks"]:
        i, j = int(a), 8 + int(b)
        units = np.zeros((N_ROWS, 16))
        units[HP, j], units[SHIELD, j] = hp, shield
        attack(facts.kind, facts.pair, units, i, j)
        hits = [shield - facts.pair[HIT, i, j] * k for k in range(1, int(facts.kind[HITS, i]) + 1)]
        half = 0.5 * (facts.kind[ARMOUR, j] == 1 and -1 in hits)  # one point gets through to armour of one
        halves += half > 0
        assert units[SHIELD, j] == shield_after
        assert max(units[HP, j], 0.0) == hp_after - half
    assert halves


@pytest.mark.parametrize("name", FIGHTS)
def test_fights_of_units_that_stand_are_the_same(name):
    rows, rewards = SMACLITE[f"fight_{name}"], SMACLITE[f"fight_reward_{name}"]
    env = make(*FIGHTS[name])
    env.reset(seed=0)
    now = env.snapshot()
    now["units"][0, [X, Y]] = place = SMACLITE[f"fight_place_{name}"]
    now["units"][0, [HP, SHIELD, COOLDOWN, ENERGY]] = rows[0]
    env.restore(now)
    for t, reward in enumerate(rewards):
        _, paid, *_ = env.step(SMACLITE[f"fight_action_{name}"][None])
        units, (hp, shield, cooldown, energy) = env.snapshot()["units"][0], rows[t + 1]
        alive = hp > 0
        # SMAClite's zerglings heal .38 a second and attack .003 s sooner, its Medivacs pay in whole points.
        zergling = np.array([name[0] == "g", *[False] * (hp.size - 1)])
        near, soon = (0.05, 0.0031) if zergling.any() else (1e-9, 1e-9)
        assert units[[X, Y]] == pytest.approx(place)
        assert units[HP] == pytest.approx(hp - zergling * 0.19 * (t + 1), abs=near)
        assert units[SHIELD, alive] == pytest.approx(shield[alive])
        assert units[COOLDOWN, alive] == pytest.approx(cooldown[alive], abs=soon)
        assert units[ENERGY, alive] == pytest.approx(energy[alive], abs=1.0)
        assert paid[0] == pytest.approx(reward)


@pytest.mark.parametrize(("letter", "within"), [("c", np.hypot(2.8, 0.3) / 2), ("b", np.inf)])
def test_beams_and_bursts_hit_the_same(letter, within):
    """SMAClite's beam misses whom it touches if his centre is farther than ``within`` from the target's."""
    facts, n_hit, n = make(f"1{letter}", "10z")._facts, 0, 0
    living = np.arange(11, dtype=np.uint32)
    for place, hit in zip(SMACLITE[f"splash_place_{letter}"], SMACLITE[f"splash_hit_{letter}"], strict=True):
        units = np.zeros((N_ROWS, 11))
        units[[X, Y]], units[HP], units[SHIELD] = place.T, facts.kind[HP_MAX], facts.kind[SHIELD_MAX]
        attack_around(facts.kind, facts.pair, units, living, 1, 11, 0, 1)
        ours = units[SHIELD, 1:] < facts.kind[SHIELD_MAX, 1:]
        close = np.linalg.norm(place[1:] - place[1], axis=1) <= within
        assert np.array_equal(ours[close], hit[close])
        assert not hit[~close].any()
        assert (units[HP, 0] <= 0) == (letter == "b")
        n_hit, n = n_hit + hit.sum(), n + hit.size
    assert 0.1 < n_hit / n < 0.9


@pytest.mark.parametrize("allies", ["mMsz", "mMsv"])
def test_scripted_units_aim_at_the_same(allies):
    """Where nobody out of sight attacks them: SMAClite takes those last, here all come by distance."""
    env = make("".join(f"1{letter}" for letter in allies), "1m1M1s1z1g")
    facts, compared = env._facts, 0
    ours, theirs = (np.argsort(np.argsort([KINDS.index(k) for k in side])) for side in (allies, "mMszg"))
    index = np.array([*ours, *(4 + theirs)])
    back = np.argsort(index)
    places, aims, chose = (SMACLITE[f"target_{key}_{allies}"] for key in ("place", "before", "after"))
    for place, aim, wanted in zip(places, aims, chose, strict=True):
        units, target, chosen = np.zeros((N_ROWS, 9)), np.full(9, -1), np.full(9, -1)
        units[[X, Y]], units[HP] = place[back].T, facts.kind[HP_MAX]
        target[index] = np.where(aim >= 0, index[aim], -1)
        living = np.arange(9, dtype=np.uint32)
        choose_targets(facts.kind, facts.pair, facts.rules, units, target, chosen, living, 4, 9, 0, 4)
        for e in range(4, 9):
            attackers = [a for a in range(4) if aim[a] == e]
            gaps = np.linalg.norm(place[:4] - place[e], axis=1)
            if all(gaps[a] < 5.375 for a in attackers):
                compared += 1
                expected = wanted[e - 4]
                assert chosen[index[e]] == (index[expected] if expected >= 0 else -1)
    assert compared > 100


def test_a_step_is_as_long():
    """But for Medivac and baneling, whose speeds are the maps' own, and the end of a move after two."""
    for letter, length in zip(KINDS, SMACLITE["walks"], strict=True):
        env = make(f"1{letter}1m", "3m", scan=0.0)
        env.reset(seed=0)
        unit = int(letter in "bgv")
        before = env.snapshot()["units"][0, X]
        env.step(np.full((1, 2), 4))
        moved = env.snapshot()["units"][0, X] - before
        if letter not in "bv":
            assert moved[unit] == pytest.approx(min(length, 2.0), abs=1e-5)
