"""Makes fixtures/openai_spread.npz: random states and what OpenAI's own code makes of them in one step.

    python tests/envs/make_spread_fixture.py OPENAI

OPENAI is a checkout of github.com/openai/multiagent-particle-envs (83ba4d1). Only NumPy is needed: the
scenario's world and `core.py` are played as they are, without `environment.py`, which wants an old gym; its
factor of 5 from actions to forces is repeated here. Inputs are multiples of 1/4096, so that the file is
small.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

STATES = 300
SENSITIVITY = 5.0
"""In environment.py, for agents without an acceleration of their own."""


def load_scenario(openai: Path) -> Any:
    """OpenAI's simple_spread, past the packages' own __init__, which want an old gym and an old Python."""
    for name in ("multiagent", "multiagent.scenarios"):
        package: Any = types.ModuleType(name)
        package.__path__ = [str(openai.joinpath(*name.split(".")))]
        sys.modules[name] = package
    return importlib.import_module("multiagent.scenarios.simple_spread").Scenario()


def random_states(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """States with contacts in most of them, and actions."""
    spread = rng.choice([0.1, 0.4, 1.0], (STATES, 1, 1))
    arrays = {
        "position": spread * rng.uniform(-1, 1, (STATES, 3, 2)),
        "velocity": rng.normal(0, 0.7, (STATES, 3, 2)),
        "landmark": rng.uniform(-1, 1, (STATES, 3, 2)),
        "action": rng.uniform(-1, 1, (STATES, 3, 2)),
    }
    return {name: np.round(array * 4096) / 4096 for name, array in arrays.items()}


def play(scenario: Any, world: Any, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One step, then what each agent sees and earns."""
    for i, agent in enumerate(world.agents):
        agent.state.p_pos, agent.state.p_vel = state["position"][i].copy(), state["velocity"][i].copy()
        agent.action.u = SENSITIVITY * state["action"][i]
    for j, landmark in enumerate(world.landmarks):
        landmark.state.p_pos = state["landmark"][j].copy()
    world.step()
    return {
        "next_position": np.array([agent.state.p_pos for agent in world.agents]),
        "next_velocity": np.array([agent.state.p_vel for agent in world.agents]),
        "reward": np.array([scenario.reward(agent, world) for agent in world.agents]),
        "observation": np.array([scenario.observation(agent, world) for agent in world.agents]),
    }


def main(openai: str) -> None:
    """Writes the fixture."""
    scenario, states = load_scenario(Path(openai)), random_states(np.random.default_rng(0))
    world = scenario.make_world()
    rows = [play(scenario, world, {name: a[s] for name, a in states.items()}) for s in range(STATES)]
    results = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    # One member's observation a state, in turn, as the file is to be small.
    results["observation"] = results["observation"][np.arange(STATES), np.arange(STATES) % 3]
    path = Path(__file__).parent / "fixtures" / "openai_spread.npz"
    np.savez_compressed(path, **states, **results)  # type: ignore[arg-type]
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
