"""Makes fixtures/micro_smac.npz: random battles and what SMAC's own code makes of them.

    python tests/envs/make_micro_fixture.py SMAC

SMAC is a checkout of github.com/oxwhirl/smac (d6aab33). Only NumPy is needed: StarCraft II and the packages
that speak to it are replaced, and SMAC's ``step`` sees units that were drawn at random before and after it.
Positions and points are multiples of 1/16 and less, so that the file is small and both sides compute from the
same numbers. Of the observations one member's is kept a battle, in turn.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

BATTLES = 40
# Order of an ally's unit ids, the enemy's id, hit points, shields.
KINDS = {
    "c": (0, 4, 200, 150),
    "s": (1, 74, 80, 80),
    "z": (2, 73, 100, 50),
    "M": (3, 51, 125, 0),
    "m": (4, 48, 45, 0),
    "v": (5, 54, 150, 0),
    "b": (6, 9, 30, 0),
    "g": (7, 105, 35, 0),
    "h": (8, 107, 90, 0),
}
MAPS = {
    "3m": ("mmm", "mmm"),
    "5m_vs_6m": ("mmmmm", "mmmmmm"),
    "2s3z": ("sszzz", "sszzz"),
    "3s5z": ("ssszzzzz", "ssszzzzz"),
    "3s_vs_3z": ("sss", "zzz"),
    "1c3s5z": ("cssszzzzz", "cssszzzzz"),
    "MMM2": ("MMmmmmmmmv", "MMMmmmmmmmmv"),
    "6h_vs_8z": ("hhhhhh", "zzzzzzzz"),
    "so_many_baneling": ("z" * 7, "b" * 32),
}
ROWS = ("x", "y", "hp", "shield", "cooldown", "energy")
REWARDS = ({}, {"reward_only_positive": False}, {"reward_sparse": True})
"""Of "dense", "dense_signed" and "sparse"."""


def load_smac(root: Path) -> Any:
    """SMAC's environment, with absl, pysc2 and s2clientprotocol replaced."""

    def module(name: str, **members: Any) -> None:
        made: Any = types.ModuleType(name)
        made.__dict__.update(members)
        made.__getattr__ = lambda attribute: SimpleNamespace
        sys.modules[name] = made
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, made)

    error = type("Error", (Exception,), {})
    module("absl", flags=SimpleNamespace(FLAGS=lambda _: None), logging=None)
    for name in ("pysc2", "pysc2.maps", "pysc2.lib", "s2clientprotocol"):
        module(name, __path__=[])
    module("pysc2.maps.lib", Map=object)
    module("pysc2.run_configs")
    module("pysc2.lib.protocol", ProtocolError=error, ConnectionError=error)
    for name in ("common", "sc2api", "raw", "debug"):
        module(f"s2clientprotocol.{name}_pb2")
    sys.path.insert(0, str(root))
    return importlib.import_module("smac.env.starcraft2.starcraft2").StarCraft2Env


class Game:
    """Stands in for StarCraft II: remembers commands and shows the units it was given."""

    def __init__(self) -> None:
        self.units: list[Any] = []
        self.commands: list[Any] = []

    def actions(self, request: Any) -> None:
        self.commands = [action.action_raw.unit_command for action in request.actions]

    def step(self, _: int) -> None:
        """Units have been given."""

    def observe(self) -> Any:
        return SimpleNamespace(observation=SimpleNamespace(raw_data=SimpleNamespace(units=self.units)))


def units_of(allies: str, enemies: str, rows: np.ndarray) -> list[Any]:
    """Fake unit messages of ``rows`` (6, U); the tag is the index."""
    made = []
    for i, letter in enumerate(allies + enemies):
        rank, foe, hp, shield = KINDS[letter]
        x, y, *points = (float(value) for value in rows[:, i])
        names = dict(zip(("health", "shield", "weapon_cooldown", "energy"), points, strict=True))
        made.append(
            SimpleNamespace(
                tag=i,
                owner=1 + (i >= len(allies)),
                unit_type=1970 + rank if i < len(allies) else foe,
                pos=SimpleNamespace(x=x, y=y),
                health_max=hp,
                shield_max=shield,
                **names,
            )
        )
    return made


def make_env(smac: Any, name: str, settings: dict[str, bool], rows: np.ndarray) -> Any:
    """SMAC's environment of a map after its reset, on the units of ``rows``."""
    env, game = smac(map_name=name, **settings), Game()
    env._controller = game
    walkable = np.ones((32, 32), bool)
    if name != "3s_vs_3z":
        walkable[:, :8] = walkable[:, 25:] = False

    def launch() -> None:
        env.map_x = env.map_y = env.max_distance_x = env.max_distance_y = 32
        env.pathing_grid = walkable

    env._launch = launch
    game.units = units_of(*MAPS[name], rows)
    env.reset()
    assert [unit.tag for unit in env.agents.values()] == sorted(unit.tag for unit in env.agents.values())
    return env


def random_units(rng: np.random.Generator, kinds: str) -> np.ndarray:
    """Rows (6, U) of units near and far, hurt and dead."""
    facts, n = np.array([KINDS[letter] for letter in kinds]), len(kinds)
    centre, spread = rng.uniform((0, 8), (32, 25)), rng.choice([3.0, 7.0, 20.0])
    place = np.clip(centre + rng.uniform(-spread, spread, (n, 2)), (0, 8), (31.9, 24.9))
    hp = np.ceil(rng.choice([1.0, rng.random()]) * facts[:, 2] * rng.uniform(0.05, 1, n) * 4) / 4
    hp[rng.random(n) < rng.choice([0.0, 0.2, 0.6])] = 0.0
    shield = np.floor(facts[:, 3] * rng.choice([0.0, 1.0, rng.random()], n) * 4) / 4
    cooldown = np.floor(rng.choice([0.0, 1.0], n) * rng.uniform(0, 14, n) * 4) / 4
    energy = np.where(facts[:, 0] == 5, np.floor(rng.uniform(0, 200, n)), 0.0)
    return np.array([*np.floor(place.T * 16) / 16, hp, shield, cooldown, energy])


def after_a_step(rng: np.random.Generator, before: np.ndarray, kinds: str, n: int) -> np.ndarray:
    """Random rows a step later, the dead still dead; sometimes a side or all but Medivacs are wiped out."""
    after = random_units(rng, kinds)
    after[2] = np.where(after[2] > 0, np.minimum(after[2], before[2] + 4.5), 0.0)
    after[2, before[2] <= 0] = 0.0
    ally, healer = np.arange(len(kinds)) < n, np.array([letter == "v" for letter in kinds])
    wiped = {0: ~ally, 1: ally, 2: ally | True, 3: ally & ~healer, 4: ~ally & ~healer}
    after[2, wiped.get(int(rng.integers(10)), False)] = 0.0
    return after


def play(env: Any, name: str, before: np.ndarray, after: np.ndarray, actions: list[int], elapsed: int) -> Any:
    """SMAC's ``step`` from one random battle to another; reward, terminated and info."""
    allies, enemies = MAPS[name]
    units = units_of(allies, enemies, before)
    n = len(allies)
    env.agents, env.enemies = dict(enumerate(units[:n])), dict(enumerate(units[n:]))
    env.death_tracker_ally = (before[2, :n] <= 0).astype(float)
    env.death_tracker_enemy = (before[2, n:] <= 0).astype(float)
    env.win_counted = env.defeat_counted = False
    env._episode_steps = elapsed - 1
    env._controller.units = [unit for unit in units_of(allies, enemies, after) if unit.health > 0]
    return env.step(actions)


def orders(env: Any, n: int) -> np.ndarray:
    """Of each member (N, 3): where it was told to walk to, or whom to attack or heal; NaN where nothing."""
    told = np.full((n, 3), np.nan)
    for command in env._controller.commands:
        tag = command.unit_tags[0]
        goal = getattr(command, "target_world_space_pos", None)
        if goal is not None:
            told[tag, :2] = goal.x, goal.y
        told[tag, 2] = getattr(command, "target_unit_tag", np.nan)
    return told


def battle(rng: np.random.Generator, envs: list[Any], name: str, t: int) -> dict[str, Any]:
    """One random step of a map and all that SMAC says about it."""
    allies, enemies = MAPS[name]
    n, first = len(allies), envs[0]
    before = random_units(rng, allies + enemies)
    after = after_a_step(rng, before, allies + enemies, n)
    elapsed = first.episode_limit if rng.random() < 0.2 else 1 + t
    first.agents = dict(enumerate(units_of(allies, enemies, before)[:n]))
    first.enemies = dict(enumerate(units_of(allies, enemies, before)[n:]))
    allowed = np.array(first.get_avail_actions())
    actions = np.where(allowed, rng.random(allowed.shape) + (np.arange(allowed.shape[1]) > 5), -1).argmax(1)
    actions = np.where(
        rng.random(n) < 0.4, np.where(allowed, rng.random(allowed.shape), -1).argmax(1), actions
    )
    rewards = []
    for env in reversed(envs):
        reward, terminated, info = play(env, name, before, after, actions.tolist(), elapsed)
        rewards.insert(0, reward)
    return {
        "before": before.astype(np.float32),
        "after": after.astype(np.float32),
        "action": actions.astype(np.int8),
        "late": np.bool_(elapsed >= first.episode_limit),
        "orders": orders(first, n).astype(np.float32),
        "reward": np.array(rewards, np.float64),
        "end": np.array([terminated, info["battle_won"], info["dead_allies"], info["dead_enemies"]], np.int8),
        "mask": np.array(first.get_avail_actions(), np.bool_),
        "observation": first.get_obs()[t % n],
        "state": first.get_state(),
        "stats": np.array([first.battles_won, first.battles_game, first.timeouts], np.int16),
    }


def main(root: str) -> None:
    """Writes the fixture."""
    smac, rng = load_smac(Path(root)), np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for name, (allies, enemies) in MAPS.items():
        start = random_units(rng, allies + enemies)
        for side in (slice(0, len(allies)), slice(len(allies), None)):
            start[:2, side] = np.sort(start[:2, side], axis=1)
        envs = [make_env(smac, name, dict(settings), start) for settings in REWARDS]
        rows = [battle(rng, envs, name, t) for t in range(BATTLES)]
        arrays |= {f"{key}_{name}": np.stack([row[key] for row in rows]) for key in rows[0]}
    path = Path(__file__).parent / "fixtures" / "micro_smac.npz"
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
