"""Makes fixtures/treasure_maac.npz: random states and what MAAC's own code makes of them in one step.

    python tests/envs/make_treasure_fixture.py MAAC FORK

MAAC is a checkout of github.com/shariqiqbal2810/MAAC (6174a01), FORK one of
github.com/shariqiqbal2810/multiagent-particle-envs (a3ccb43). Only NumPy is needed: seaborn, which gives
colours, is replaced. The scenario has 8 members; the 4-member states come from the same scenario with members
and treasures taken out. Inputs are multiples of 1/4096, so that the file is small. Of the observations one
member's is kept a state, in turn.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

STATES = 150
SIZES = ((8, 2), (4, 1))
"""Members and banks."""


def load_scenario(maac: Path, fork: Path) -> Any:
    """MAAC's scenario class, with seaborn replaced."""
    seaborn: Any = types.ModuleType("seaborn")
    seaborn.color_palette = lambda *_, n_colors=2, **__: [(0.0, 0.0, 0.0)] * n_colors
    sys.modules["seaborn"] = seaborn
    # The package's own __init__ wants an old gym; only core and scenario are needed.
    package: Any = types.ModuleType("multiagent")
    package.__path__ = [str(fork / "multiagent")]
    sys.modules["multiagent"] = package
    path = maac / "envs" / "mpe_scenarios" / "fullobs_collect_treasure.py"
    spec = importlib.util.spec_from_file_location("fullobs_collect_treasure", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Scenario()


def make_world(scenario: Any, n_agents: int, n_banks: int) -> Any:
    """The scenario's world, cut down to ``n_agents`` members and a treasure a collector."""
    world = scenario.make_world()
    collectors = [a for a in world.agents if a.collector][: n_agents - n_banks]
    world.agents = collectors + [a for a in world.agents if not a.collector][:n_banks]
    world.landmarks = world.landmarks[: len(collectors)]
    world.treasure_types = list(range(n_banks))
    for index, entity in enumerate(world.entities):
        entity.i = index
    world.cached_dist_vect = None
    return world


def random_state(rng: np.random.Generator, n_agents: int, n_banks: int) -> dict[str, np.ndarray]:
    """A state close enough for contacts and events, with loads and some treasures away, and actions."""
    c = n_agents - n_banks
    spread = rng.choice([0.15, 0.4, 1.0])

    def grid(array: np.ndarray) -> np.ndarray:
        return np.round(array * 4096) / 4096

    position = grid(spread * rng.uniform(-1, 1, (n_agents, 2)))
    treasure = grid(spread * rng.uniform(-0.95, 0.95, (c, 2)))
    treasure[0] = grid(position[0] + rng.uniform(-0.06, 0.06, 2))
    treasure[rng.uniform(size=c) < 0.2] = -999.0
    return {
        "position": position,
        "velocity": grid(rng.normal(0, 0.6, (n_agents, 2))),
        "load": rng.integers(-1, n_banks, c),
        "treasure": treasure,
        "kind": rng.integers(0, n_banks, c),
        "action": grid(rng.uniform(-1, 1, (n_agents, 2))),
    }


def play(scenario: Any, world: Any, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One step in the order of the fork's environment: motion, observations and rewards, post_step."""
    for i, agent in enumerate(world.agents):
        agent.state.p_pos, agent.state.p_vel = state["position"][i].copy(), state["velocity"][i].copy()
        agent.action.u = agent.accel * state["action"][i]
        agent.holding = None
        if agent.collector and state["load"][i] >= 0:
            agent.holding = int(state["load"][i])
    for j, mark in enumerate(world.landmarks):
        mark.state.p_pos, mark.type = state["treasure"][j].copy(), int(state["kind"][j])
        mark.alive = state["treasure"][j, 0] != -999.0
    world.calculate_distances()
    scenario.reset_cached_rewards()
    world.step()
    rewards = [scenario.reward(agent, world) for agent in world.agents]
    width = max(len(scenario.observation(agent, world)) for agent in world.agents)
    observation = np.zeros((len(world.agents), width))
    for i, agent in enumerate(world.agents):
        seen = scenario.observation(agent, world)
        observation[i, : len(seen)] = seen
    scenario.post_step(world)
    return {
        "next_position": np.array([a.state.p_pos for a in world.agents]),
        "next_velocity": np.array([a.state.p_vel for a in world.agents]),
        "reward": np.array(rewards),
        "observation": observation,
        "next_load": np.array([-1 if a.holding is None else a.holding for a in scenario.collectors(world)]),
        "next_treasure": np.array([m.state.p_pos for m in world.landmarks]),
        "next_kind": np.array([m.type for m in world.landmarks]),
    }


def main(maac: str, fork: str) -> None:
    """Writes the fixture."""
    scenario, rng = load_scenario(Path(maac), Path(fork)), np.random.default_rng(0)
    np.random.seed(0)  # noqa: NPY002  (the sources draw from it)
    arrays: dict[str, np.ndarray] = {}
    for n_agents, n_banks in SIZES:
        world = make_world(scenario, n_agents, n_banks)
        rows = []
        for s in range(STATES):
            state = random_state(rng, n_agents, n_banks)
            result = play(scenario, world, state)
            result["observation"] = result["observation"][s % n_agents]
            rows.append(state | result)
        for name in rows[0]:
            stacked = np.stack([row[name] for row in rows])
            arrays[f"{name}_{n_agents}"] = stacked.astype(np.int8) if stacked.dtype == np.int64 else stacked
    path = Path(__file__).parent / "fixtures" / "treasure_maac.npz"
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
