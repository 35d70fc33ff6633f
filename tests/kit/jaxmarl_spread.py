"""Random states and what JaxMARL makes of them in one step; run by an interpreter that has JaxMARL.

    python tests/envs/jaxmarl_spread.py OUT.npz

Tried with jaxmarl 0.2.0.
"""

from __future__ import annotations

import sys
from typing import Any

import jax  # pyright: ignore[reportMissingImports]
import jaxmarl  # pyright: ignore[reportMissingImports]
import numpy as np

STATES = 400


def random_states(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """States with contacts in most of them; actions: nothing, left, right, down and up, each in [0, 1]."""
    spread = rng.choice([0.1, 0.4, 1.0], (STATES, 1, 1))
    arrays = {
        "position": spread * rng.uniform(-1, 1, (STATES, 3, 2)),
        "velocity": rng.normal(0, 0.7, (STATES, 3, 2)),
        "landmark": rng.uniform(-1, 1, (STATES, 3, 2)),
        "moves": rng.uniform(0, 1, (STATES, 3, 5)),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def play(env: Any, states: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One step of all states, without the reset that JaxMARL's `step` does by itself at an end."""
    keys = jax.random.split(jax.random.PRNGKey(0), STATES)
    _, fresh = jax.vmap(env.reset)(keys)
    still = np.zeros_like(states["velocity"])
    state = fresh.replace(
        p_pos=np.concatenate([states["position"], states["landmark"]], 1),
        p_vel=np.concatenate([states["velocity"], still], 1),
    )
    actions = {name: states["moves"][:, i] for i, name in enumerate(env.agents)}
    observation, after, reward, _, _ = jax.vmap(env.step_env)(keys, state, actions)
    return {
        "next_position": np.asarray(after.p_pos[:, :3]),
        "next_velocity": np.asarray(after.p_vel[:, :3]),
        "reward": np.stack([np.asarray(reward[name]) for name in env.agents], 1),
        "observation": np.stack([np.asarray(observation[name]) for name in env.agents], 1),
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    world = jaxmarl.make("MPE_simple_spread_v3", action_type="Continuous")
    drawn = random_states(np.random.default_rng(0))
    np.savez(sys.argv[1], **drawn, **play(world, drawn))  # type: ignore[arg-type]
