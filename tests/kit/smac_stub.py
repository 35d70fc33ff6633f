"""Stand-ins for the packages smac, smacv2 and pysc2, with a small scripted battle in place of StarCraft II.

The public interface is that of oxwhirl/smac (d6aab33) and oxwhirl/smacv2 (577ab5a): arguments, attributes,
keys, order of calls and what happens when the game breaks off. The battle is not: units stand still, whoever
is attacked loses 15 points, and each enemy shoots at an ally that the game's random numbers choose.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

_MAPS = {
    "3m": (3, 3, 60, 0, 0),
    "8m": (8, 8, 120, 0, 0),
    "5m_vs_6m": (5, 6, 70, 0, 0),
    "27m_vs_30m": (27, 30, 180, 0, 0),
    "2s3z": (5, 5, 120, 2, 1),
    "3s5z": (8, 8, 150, 2, 1),
    "3s_vs_3z": (3, 3, 150, 0, 1),
    "MMM2": (10, 12, 180, 3, 0),
}
MAPS: dict[str, dict[str, Any]] = {
    name: {"n_agents": n, "n_enemies": m, "limit": limit, "bits": bits, "shields": shields, "map_name": name}
    for name, (n, m, limit, bits, shields) in _MAPS.items()
}
MAPS_V2 = {
    f"10gen_{race}": {
        "n_agents": 10,
        "n_enemies": 10,
        "limit": 200,
        "bits": 3,
        "shields": 0,
        "map_name": "32x32_flat",
    }
    for race in ("terran", "protoss", "zerg")
}
HEALTH, BLOW, SHOT = 45, 15, 3


class ProtocolError(Exception):
    """pysc2's, when the game breaks off."""


class SC2LaunchError(Exception):
    """pysc2's, when the game cannot be started."""


class DuplicateMapError(Exception):
    """pysc2's, when both packages have been imported."""


@dataclass
class World:
    """Where the test stands beside the game.

    Attributes:
        processes: all games that were started.
        seeds: of each start.
        calls: arguments of each environment that was made.
        break_steps: steps, counted over all games, at which the game breaks off.
        break_looks: how many of the next looks for new units break off.
        can_launch: whether the game can be started.
        versions: builds that lie in the game's folder; None: no folder.
        has_map: whether the maps do.
        both_imported: whether both packages have told pysc2 their maps.
        idle_mask: whether members are left without an action.
        n_steps: of all games.
        most_running: most games that ran at once.
    """

    processes: list[Process] = field(default_factory=list)
    seeds: list[int | None] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    break_steps: set[int] = field(default_factory=set)
    break_looks: int = 0
    can_launch: bool = True
    versions: dict[str, int] | None = field(default_factory=lambda: {"4.6.2": 69232, "4.10.0": 75689})
    has_map: bool = True
    both_imported: bool = False
    idle_mask: bool = False
    n_steps: int = 0
    most_running: int = 0

    @property
    def n_running(self) -> int:
        """Games that run."""
        return sum(process.runs for process in self.processes)


class Process:
    """A game: random numbers from its seed, for as long as it runs."""

    def __init__(self, world: World, seed: int | None) -> None:
        if not world.can_launch:
            raise SC2LaunchError("Failed to launch")
        self.world, self.runs = world, True
        self.numbers = np.random.default_rng(seed)
        world.processes.append(self)
        world.most_running = max(world.most_running, world.n_running)
        world.seeds.append(seed)

    def look(self) -> None:
        """Where new units are looked for."""
        if self.world.break_looks:
            self.world.break_looks -= 1
            raise ProtocolError("no answer")

    def step(self) -> None:
        """Half a second."""
        self.world.n_steps += 1
        if self.world.n_steps in self.world.break_steps:
            raise ProtocolError("no answer")

    def close(self) -> None:
        """The end of it."""
        self.runs = False


class StarCraft2Env:
    """The interface of SMAC's environment."""

    world: ClassVar[World]
    maps: ClassVar[dict[str, dict[str, Any]]] = MAPS

    def __init__(
        self,
        map_name: str = "8m",
        step_mul: int = 8,
        move_amount: float = 2,
        difficulty: str = "7",
        game_version: str | None = None,
        seed: int | None = None,
        continuing_episode: bool = False,
        obs_all_health: bool = True,
        obs_own_health: bool = True,
        obs_last_action: bool = False,
        obs_pathing_grid: bool = False,
        obs_terrain_height: bool = False,
        obs_instead_of_state: bool = False,
        obs_timestep_number: bool = False,
        state_last_action: bool = True,
        state_timestep_number: bool = False,
        reward_sparse: bool = False,
        reward_only_positive: bool = True,
        reward_death_value: float = 10,
        reward_win: float = 200,
        reward_defeat: float = 0,
        reward_negative_scale: float = 0.5,
        reward_scale: bool = True,
        reward_scale_rate: float = 20,
        replay_dir: str = "",
        replay_prefix: str = "",
        window_size_x: int = 1920,
        window_size_y: int = 1200,
        heuristic_ai: bool = False,
        heuristic_rest: bool = False,
        debug: bool = False,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        self.world.calls.append(given)
        self._begin_with(given, self.maps[map_name])

    def _begin_with(self, given: dict[str, Any], found: dict[str, Any]) -> None:
        self.given = SimpleNamespace(**given)
        teams = given.get("capability_config", {})
        self.n_agents = teams.get("n_units", found["n_agents"])
        self.n_enemies = teams.get("n_enemies", found["n_enemies"])
        self.bits, self.shields, self.episode_limit = found["bits"], found["shields"], found["limit"]
        self.n_actions = 6 + self.n_enemies
        self.max_reward = self.n_enemies * self.given.reward_death_value + self.given.reward_win
        self.battles_won = self.battles_game = self.timeouts = self.force_restarts = 0
        self._episode_count = self._episode_steps = 0
        self._process: Process | None = None
        self.last_action = np.zeros((self.n_agents, self.n_actions))
        self.health = np.zeros(0)
        self.kinds: list[str] = []

    def _launch(self) -> None:
        self._process = Process(self.world, self.given.seed)

    def full_restart(self) -> None:
        """Ends the game and starts another one."""
        assert self._process is not None
        self._process.close()
        self._launch()
        self.force_restarts += 1

    def reset(self, episode_config: dict[str, Any] | None = None) -> tuple[list[np.ndarray], np.ndarray]:
        """Begins a battle."""
        self._episode_steps = 0
        if self._episode_count == 0:
            self._launch()
        self.last_action = np.zeros((self.n_agents, self.n_actions))
        try:
            assert self._process is not None
            self._process.look()
            self.health = np.full(self.n_agents + self.n_enemies, float(HEALTH))
            self.kinds = (episode_config or {}).get("team", [])
            if self._episode_count == 0:
                self.max_reward += HEALTH * self.n_enemies
        except ProtocolError:
            self.full_restart()
        return self.get_obs(), self.get_state()

    def step(self, actions: list[int]) -> tuple[float, bool, dict[str, Any]]:
        """Plays one step."""
        chosen = [int(action) for action in actions]
        self.last_action = np.eye(self.n_actions)[chosen]
        for i, action in enumerate(chosen):
            assert self.get_avail_agent_actions(i)[action] == 1, f"Agent {i} cannot perform action {action}"
        assert self._process is not None
        before = self.health.copy()
        try:
            self._process.step()
        except ProtocolError:
            self.full_restart()
            return 0, True, {}
        self._episode_steps += 1
        n = self.n_agents
        for action in chosen:
            if action >= 6:
                self.health[n + action - 6] -= BLOW
        for shot in self._process.numbers.integers(n, size=int((self.health[n:] > 0).sum())):
            self.health[shot] -= SHOT
        self.health = np.maximum(self.health, 0)
        return self._outcome(before)

    def _outcome(self, before: np.ndarray) -> tuple[float, bool, dict[str, Any]]:
        n, given = self.n_agents, self.given
        dead = self.health == 0
        died = dead & (before > 0)
        lost = before - self.health
        reward = lost[n:].sum() + given.reward_death_value * died[n:].sum()
        if not given.reward_only_positive:
            deaths = given.reward_death_value * died[:n].sum()
            reward -= given.reward_negative_scale * (lost[:n].sum() + deaths)
        reward = 0 if given.reward_sparse else reward
        info = {
            "battle_won": False,
            "dead_allies": int(dead[:n].sum()),
            "dead_enemies": int(dead[n:].sum()),
        }
        over = dead[:n].all() or dead[n:].all()
        if over:
            self.battles_game += 1
            if not dead[:n].all():
                self.battles_won += 1
                info["battle_won"] = True
                reward = 1 if given.reward_sparse else reward + given.reward_win
            elif not dead[n:].all():
                reward = -1 if given.reward_sparse else reward + given.reward_defeat
        elif self._episode_steps >= self.episode_limit:
            over = True
            if given.continuing_episode:
                info["episode_limit"] = True
            self.battles_game += 1
            self.timeouts += 1
        self._episode_count += over
        if given.reward_scale:
            reward /= self.max_reward / given.reward_scale_rate
        return reward, bool(over), info

    def get_avail_agent_actions(self, agent_id: int) -> list[int]:
        """1 where the member may choose the action."""
        if self.world.idle_mask:
            return [0] * self.n_actions
        if self.health[agent_id] == 0:
            return [1] + [0] * (self.n_actions - 1)
        return [0, 1, 1, 1, 1, 1, *(int(health > 0) for health in self.health[self.n_agents :])]

    def get_avail_actions(self) -> list[list[int]]:
        """Of all members."""
        return [self.get_avail_agent_actions(i) for i in range(self.n_agents)]

    def get_obs_agent(self, agent_id: int) -> np.ndarray:
        """Zero for the dead; else moves, enemies, allies, self."""
        seen = np.zeros(self.get_obs_size(), np.float32)
        if not len(self.health):
            raise KeyError(agent_id)
        if self.health[agent_id] > 0:
            seen[:4] = 1
            parts = self.health / HEALTH
            seen[4 : 4 + self.n_enemies] = parts[self.n_agents :]
            seen[-1] = parts[agent_id]
            if self.kinds:
                seen[-2] = sum(map(ord, self.kinds[agent_id])) / 2000
        return seen

    def get_obs(self) -> list[np.ndarray]:
        """Of all members."""
        return [self.get_obs_agent(i) for i in range(self.n_agents)]

    def get_state(self) -> np.ndarray:
        """Health, and the last actions at the end."""
        state = np.zeros(self.get_state_size(), np.float32)
        state[: len(self.health)] = self.health / HEALTH
        if self.given.state_last_action:
            state[-self.last_action.size :] = self.last_action.reshape(-1)
        return state

    def get_obs_size(self) -> int:
        """SMAC's."""
        given, last = self.given, self.n_actions * self.given.obs_last_action
        moves = 4 + 8 * given.obs_pathing_grid + 9 * given.obs_terrain_height
        points = 1 + self.shields
        unit = 4 + self.bits + points * given.obs_all_health
        own = self.bits + points * (given.obs_own_health or given.obs_all_health)
        return moves + self.n_enemies * unit + (self.n_agents - 1) * (unit + last) + own

    def get_state_size(self) -> int:
        """SMAC's."""
        if self.given.obs_instead_of_state:
            return self.get_obs_size() * self.n_agents
        shown = self.shields + self.bits
        size = self.n_agents * (4 + shown) + self.n_enemies * (3 + shown)
        size += self.n_agents * self.n_actions * self.given.state_last_action
        return size + self.given.state_timestep_number

    def get_env_info(self) -> dict[str, Any]:
        """What an agent must know; asks no game."""
        return {
            "state_shape": self.get_state_size(),
            "obs_shape": self.get_obs_size(),
            "n_actions": self.n_actions,
            "n_agents": self.n_agents,
            "episode_limit": self.episode_limit,
        }

    def close(self) -> None:
        """Ends the game."""
        if self._process is not None:
            self._process.close()


class StarCraft2EnvV2(StarCraft2Env):
    """The interface of SMACv2's inner environment."""

    maps = MAPS_V2

    def __init__(self, **given: Any) -> None:
        self.world.calls.append(given)
        full = {"reward_sparse": False, "seed": None, **given}
        self._begin_with(full, self.maps[given["map_name"]])

    def get_obs(self) -> list[np.ndarray]:
        """Of all members, who look in random order; what one sees first is seen better."""
        order = list(range(self.n_agents))
        random.shuffle(order)
        seen = super().get_obs()
        for i in order[:1]:
            seen[i][4] *= np.random.rand()  # noqa: NPY002
        return seen


class Teams:
    """A distribution of SMACv2, with a generator from the operating system."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.rng = config, np.random.default_rng()

    def generate(self) -> dict[str, Any]:
        """A team."""
        names = self.rng.choice(self.config["unit_types"], self.config["n_units"], p=self.config["weights"])
        team = [str(name) for name in names]
        random.shuffle(team)
        return {"team": team}


class Places:
    """A distribution of SMACv2 that is made of another one."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.inner = config, Teams(config)

    def generate(self) -> dict[str, Any]:
        """Places."""
        return {"places": self.inner.rng.uniform(size=2)}


class StarCraftCapabilityEnvWrapper:
    """The interface of SMACv2's environment."""

    def __init__(self, **kwargs: Any) -> None:
        config = kwargs["capability_config"]
        self.env_key_to_distribution_map: dict[str, Any] = {}
        for key, make in (("team_gen", Teams), ("start_positions", Places)):
            config[key]["env_key"] = key
            config[key]["n_units"], config[key]["n_enemies"] = config["n_units"], config["n_enemies"]
            self.env_key_to_distribution_map[key] = make(config[key])
        self.env = StarCraft2EnvV2(**kwargs)
        self.drawn: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def reset(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Draws a battle and begins it."""
        self.drawn = {}
        for distribution in self.env_key_to_distribution_map.values():
            self.drawn |= distribution.generate()
        return self.env.reset(self.drawn)


def install(monkeypatch: pytest.MonkeyPatch) -> World:
    """Puts the stand-ins where the packages would be."""
    world = World()
    monkeypatch.setattr(StarCraft2Env, "world", world, raising=False)
    known = {
        name: SimpleNamespace(build_version=build) for name, build in (("4.6.2", 69232), ("4.10.0", 75689))
    }

    def get(version: str | None = None) -> Any:
        if world.versions is None:
            raise FileNotFoundError(2, "No such file or directory", "~/StarCraftII/Versions")
        if version is not None and version not in world.versions:
            raise ValueError(f"Unknown game version: {version}. Known versions: {sorted(world.versions)}.")
        build = world.versions[version] if version else max(world.versions.values())
        return SimpleNamespace(
            data_dir="~/StarCraftII",
            version=SimpleNamespace(game_version=version or "latest", build_version=build),
            map_data=map_data,
        )

    def map_data(path: str) -> bytes:
        if not world.has_map:
            raise ValueError(f"Map {path} not found in ~/StarCraftII/Maps.")
        return b"map"

    def path_of(name: str) -> Any:
        if world.both_imported:
            raise DuplicateMapError(f"Duplicate map found: {name}")
        return SimpleNamespace(path=f"SMAC_Maps/{ {**MAPS, **MAPS_V2}[name]['map_name'] }.SC2Map")

    contents: dict[str, dict[str, Any]] = {
        "smac": {},
        "smac.env": {"StarCraft2Env": StarCraft2Env},
        "smacv2": {},
        "smacv2.env": {"StarCraftCapabilityEnvWrapper": StarCraftCapabilityEnvWrapper},
        "pysc2": {},
        "pysc2.run_configs": {"get": get},
        "pysc2.run_configs.lib": {"VERSIONS": known},
        "pysc2.maps": {"get": path_of},
        "pysc2.maps.lib": {"DuplicateMapError": DuplicateMapError},
    }
    for name, maps in (("smac", MAPS), ("smacv2", {**MAPS, **MAPS_V2})):
        contents[f"{name}.env.starcraft2"] = {}
        contents[f"{name}.env.starcraft2.maps"] = {}
        contents[f"{name}.env.starcraft2.maps.smac_maps"] = {"get_smac_map_registry": lambda maps=maps: maps}
    for name, values in contents.items():
        module = ModuleType(name)
        module.__path__ = []
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, module)
    return world
