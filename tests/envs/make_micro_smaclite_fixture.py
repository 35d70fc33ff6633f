"""Makes fixtures/micro_smaclite.npz: what SMAClite's own code makes of attacks, splashes, fights and walks.

    python tests/envs/make_micro_smaclite_fixture.py SMACLITE

SMACLITE is a checkout of github.com/uoe-agents/smaclite (0d6abbe); needs NumPy, gymnasium, scikit-learn and
Rtree. Units are put in place by hand. Fights are those of units that stand within reach of each other, so
that nobody moves, and only those die who do not attack meanwhile: the order of acting does not matter.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {
    "c": "COLOSSUS",
    "s": "STALKER",
    "z": "ZEALOT",
    "M": "MARAUDER",
    "m": "MARINE",
    "b": "BANELING",
    "g": "ZERGLING",
    "v": "MEDIVAC",
}
FIGHTS = {
    # Allies, enemies, their places around (16, 16), each ally's target, hit points and cooldowns of some.
    "m_m": ("m", "m", [(0, 0), (4, 0)], [0], {}),
    "s_z": ("s", "z", [(0, 0), (1.15, 0)], [0], {}),
    "z_z": ("z", "z", [(0, 0), (1.05, 0)], [0], {}),
    "M_s": ("M", "s", [(0, 0), (5, 0)], [0], {}),
    "s_M": ("s", "M", [(0, 0), (0, 5)], [0], {}),
    "g_M": ("g", "M", [(0, 0), (0, 1)], [0], {}),
    "c_z": ("c", "z", [(0, 0), (1.2, 1)], [0], {}),
    "3m_2M": ("mmm", "MM", [(0, -1), (0, 0), (0, 1), (3, -1.5), (3, 1.5)], [0, 1, 1], {}),
    "2s1z_1s2z": ("ssz", "szz", [(0, 0), (0, 2), (1.3, 1), (4, 1), (2.3, 1), (1.3, 2.05)], [1, 0, 1], {}),
    "2m1v_2m": ("mmv", "mm", [(0, 0), (0, 1), (-2, 0), (4, 0), (4, 1)], [0, 1, 0], {0: (20, 0)}),
    "1m1v_2m": ("mv", "mm", [(0, 0), (0.5, 0), (4, 0), (4, 1)], [0, 0], {0: (20, 0)}),
    "2m_2m": ("mm", "mm", [(0, 0), (0, 1), (4, 0), (4, 1)], [0, 0], {2: (12, 9), 3: (45, 9)}),
    "1m_1m": ("m", "m", [(0, 0), (4, 0)], [0], {1: (7, 9)}),
}
STEPS, RANDOM = 5, 60


def load(root: Path) -> Any:
    """SMAClite's environment, unit, kinds, sides and commands."""
    sys.path.insert(0, str(root))
    from smaclite.env.smaclite import SMACliteEnv
    from smaclite.env.units import unit, unit_command, unit_type
    from smaclite.env.util.faction import Faction

    commands = unit_command.AttackUnitCommand, unit_command.StopCommand
    return SMACliteEnv, unit.Unit, unit_type.StandardUnit, Faction, commands


def make_env(modules: Any, allies: str, enemies: str) -> Any:
    """SMAClite's environment with these units, after its reset."""
    kinds = list(dict.fromkeys(allies + enemies))
    facts = {
        "name": "fight",
        "num_allied_units": len(allies),
        "num_enemy_units": len(enemies),
        "groups": [
            {
                "x": x,
                "y": 16,
                "faction": faction,
                "units": {KINDS[k]: side.count(k) for k in dict.fromkeys(side)},
            }
            for side, faction, x in ((allies, "ALLY", 9), (enemies, "ENEMY", 23))
        ],
        "attack_point": [9, 16],
        "terrain_preset": "SIMPLE",
        "num_unit_types": len(kinds),
        "unit_type_ids": {KINDS[kind]: i for i, kind in enumerate(kinds)},
        "ally_has_shields": set(allies) <= set("csz"),
        "enemy_has_shields": set(enemies) <= set("csz"),
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(facts, file)
        file.flush()
        env = modules[0](map_file=file.name, seed=0)
    env.reset(seed=0)
    return env


def put(env: Any, places: Any) -> None:
    """Moves all units; their finders learn of it."""
    for unit, place in zip(env.all_units.values(), places, strict=True):
        unit.pos[:] = place
    for finder in (env.neighbour_finder_all, env.neighbour_finder_ally, env.neighbour_finder_enemy):
        finder.update()


def points(units: Any) -> np.ndarray:
    """Rows (4, U): hit points, shields, cooldown, energy."""
    return np.array([[u.hp, u.shield, u.cooldown, u.energy] for u in units], np.float64).T


def attacks(modules: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One attack of each kind on each kind with random whole points: indices and points before and after."""
    unit, types, faction = modules[1:4]
    letters, rows = list(KINDS), []
    for a in letters[:-1]:
        for b in letters:
            if types[KINDS[b]].stats.plane not in types[KINDS[a]].stats.valid_targets:
                continue
            for _ in range(12):
                origin = unit(types[KINDS[a]], faction.ALLY, 0, 0, 0, 0)
                target = unit(types[KINDS[b]], faction.ENEMY, 1, 0, 1, 0)
                target.hp = int(rng.integers(1, target.max_hp + 1))
                target.shield = int(rng.choice([0, rng.integers(min(target.max_shield, 20) + 1)]))
                before = (target.hp, target.shield)
                origin.deal_damage(target)
                rows.append((letters.index(a), letters.index(b), *before, target.hp, target.shield))
    return {"attacks": np.array(rows, np.float32)}


def splashes(modules: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Beams of a colossus and bursts of a baneling among ten zealots: places, whether each was hit."""
    found: dict[str, np.ndarray] = {}
    for letter in "cb":
        env, rows, hits = make_env(modules, letter, "z" * 10), [], []
        origin, *others = env.all_units.values()
        for _ in range(RANDOM):
            places = np.round((16 + rng.uniform(-2.2, 2.2, (11, 2))) * 64) / 64
            places[1] = places[0] + rng.choice([-1, 1], 2) * np.round(rng.uniform(0.1, 0.9, 2) * 64) / 64
            put(env, places)
            for other in others:
                other.hp, other.shield = other.max_hp, other.max_shield
            origin.hp = origin.max_hp
            finder = env.neighbour_finder_enemy
            origin.targeter.target(origin, others[0], neighbour_finder=finder, max_radius=env.max_unit_radius)
            rows.append(places)
            hits.append([other.shield < other.max_shield for other in others])
        found |= {
            f"splash_place_{letter}": np.array(rows, np.float32),
            f"splash_hit_{letter}": np.array(hits),
        }
    return found


def fight(modules: Any, name: str) -> dict[str, np.ndarray]:
    """Points of all units before and after each step of a fight, and rewards; the first death ends it."""
    allies, enemies, places, targets, changed = FIGHTS[name]
    env = make_env(modules, allies, enemies)
    units = list(env.all_units.values())
    put(env, 16 + np.array(places))
    for i, (hp, cooldown) in changed.items():
        units[i].hp, units[i].cooldown = hp, cooldown
    rows, rewards = [points(units)], []
    while len(rewards) < STEPS and min(unit.hp for unit in units) > 0:
        rewards.append(env.step([6 + target for target in targets])[1])
        rows.append(points(units))
        for unit, place in zip(units, places, strict=True):
            assert np.allclose(unit.pos, 16 + np.array(place), atol=1e-5)
            assert unit.hp > 0 or unit.cooldown > 4
    return {
        f"fight_place_{name}": 16 + np.array(places).T,
        f"fight_action_{name}": 6 + np.array(targets),
        f"fight_{name}": np.array(rows),
        f"fight_reward_{name}": np.array(rewards),
    }


def targets(modules: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Whom scripted units aim at in a tick, from random places, orders and targets of the tick before."""
    found: dict[str, np.ndarray] = {}
    attack, stop = modules[4]
    for allies in ("mMsz", "mMsv"):
        env, places, before, after = make_env(modules, allies, "mMszg"), [], [], []
        units = list(env.all_units.values())
        for _ in range(RANDOM):
            place = np.round((16 + rng.uniform(-5, 5, (9, 2)) * rng.choice([0.5, 1.0])) * 64) / 64
            put(env, place)
            aims = np.where(rng.random(9) < 0.5, np.r_[rng.integers(4, 9, 4), rng.integers(0, 4, 5)], -1)
            for i, unit in enumerate(units):
                unit.hp, unit.shield, unit.cooldown = unit.max_hp, unit.max_shield, 0
                if aims[i] >= 0 and units[aims[i]].plane not in unit.valid_targets:
                    aims[i] = -1
                if allies[i:] == "v":
                    aims[i] = -1
                unit.target = units[aims[i]] if aims[i] >= 0 else None
                if i < 4:
                    unit.command = attack(unit.target) if aims[i] >= 0 else stop()
            env._SMACliteEnv__world_step()
            places.append(place)
            before.append(aims)
            after.append([unit.target.id if unit.target else -1 for unit in units[4:]])
        names = ("place", "before", "after")
        types = (np.float32, np.int8, np.int8)
        for name, type_, rows in zip(names, types, (places, before, after), strict=True):
            found[f"target_{name}_{allies}"] = np.array(rows, type_)
    return found


def walks(modules: Any) -> dict[str, np.ndarray]:
    """How far each kind walks in a step."""
    rows = []
    for letter in KINDS:
        env = make_env(modules, letter if letter != "v" else "mv", "m")
        walker = list(env.agents.values())[-1]
        before = walker.pos[0]
        env.step([4] * len(env.agents))
        rows.append(walker.pos[0] - before)
    return {"walks": np.array(rows, np.float64)}


def main(root: str) -> None:
    """Writes the fixture."""
    modules, rng = load(Path(root)), np.random.default_rng(0)
    arrays = attacks(modules, rng) | splashes(modules, rng) | targets(modules, rng) | walks(modules)
    for name in FIGHTS:
        arrays |= fight(modules, name)
    path = Path(__file__).parent / "fixtures" / "micro_smaclite.npz"
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
