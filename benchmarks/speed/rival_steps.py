"""Steps a second of other packages' environments, in a Python environment of their own.

`bench speed --rivals PYTHON` runs this file with that interpreter, which needs VMAS, JaxMARL or SMAClite and
nothing of this project: their requirements and ours do not fit into one environment. Each line on standard
input asks for one chunk and gets one line: steps a second of processor time, of all copies together.

    python rival_steps.py                              # which packages there are, as name==version
    python rival_steps.py vmas simple_spread 1024 0.12 # three members, 1024 copies
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

HORIZON = 25
"""Steps a request plays at least, and an episode of navigation has."""
RIVALS = ("vmas", "jaxmarl", "smaclite")
Play = Callable[[], tuple[int, float]]
"""Plays a while: steps of all copies, and the seconds of processor time that they took."""


def main(arguments: list[str]) -> None:
    """List the packages, or answer requests for chunks."""
    if not arguments:
        for name in RIVALS:
            try:
                print(f"{name}=={version(name)}")
            except PackageNotFoundError:
                continue
        return
    (name, task), copies, seconds = arguments[:2], int(arguments[2]), float(arguments[3])
    # What the packages print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    play = player(name, task, copies)
    play()
    print("ready", file=answers)
    for _ in sys.stdin:
        steps, spent = play()
        while spent < seconds:
            more, took = play()
            steps, spent = steps + more, spent + took
        print(steps / spent, file=answers)


def player(name: str, task: str, copies: int) -> Play:
    """What plays a task of a package."""
    if name == "smaclite":
        return smaclite_battle(task)
    if name == "vmas":
        return timed(vmas_spread(copies), copies)
    if task == "simple_spread":
        return timed(jaxmarl_spread(copies), copies)
    return timed(jaxmarl_battle(task, copies), copies)


def timed(episode: Callable[[], None], copies: int) -> Play:
    """All of what `episode` does, which is `HORIZON` steps of every copy."""

    def play() -> tuple[int, float]:
        began = time.process_time()
        episode()
        return HORIZON * copies, time.process_time() - began

    return play


def vmas_spread(copies: int) -> Callable[[], None]:
    """Plays an episode of VMAS's simple_spread, continuous actions, reset included."""
    import torch
    import vmas  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(1)
    env = vmas.make_env("simple_spread", num_envs=copies, n_agents=3, continuous_actions=True, seed=0)
    actions = [[torch.rand(copies, 2) * 2 - 1 for _ in range(3)] for _ in range(8)]

    def episode() -> None:
        with torch.no_grad():
            for step in range(HORIZON):
                env.step(actions[step % 8])
            env.reset()

    return episode


def jaxmarl_spread(copies: int) -> Callable[[], None]:
    """Plays an episode of JaxMARL's MPE_simple_spread_v3 in one compiled scan; it resets by itself."""
    import jax  # pyright: ignore[reportMissingImports]
    import jaxmarl  # pyright: ignore[reportMissingImports]

    env = jaxmarl.make("MPE_simple_spread_v3")
    actions = {
        name: jax.random.randint(jax.random.PRNGKey(i), (HORIZON, copies), 0, 5)
        for i, name in enumerate(env.agents)
    }
    return scanned(env, copies, actions, lambda _, action: action)


def jaxmarl_battle(scenario: str, copies: int) -> Callable[[], None]:
    """Plays JaxMARL's SMAX against its script in one compiled scan, allowed actions at random."""
    import jax  # pyright: ignore[reportMissingImports]
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
    import jaxmarl  # pyright: ignore[reportMissingImports]
    from jaxmarl.environments.smax import map_name_to_scenario  # pyright: ignore[reportMissingImports]

    env = jaxmarl.make("HeuristicEnemySMAX", scenario=map_name_to_scenario(scenario))
    preferences = {
        name: jax.random.uniform(jax.random.PRNGKey(i), (HORIZON, copies, env.action_space(name).n))
        for i, name in enumerate(env.agents)
    }

    def choose(state, preferred):
        allowed = jax.vmap(env.get_avail_actions)(state)
        return {name: jnp.where(allowed[name] > 0, value, -1).argmax(-1) for name, value in preferred.items()}

    return scanned(env, copies, preferences, choose)


def scanned(env, copies: int, inputs, choose) -> Callable[[], None]:
    """Plays `HORIZON` steps of a JaxMARL environment in one compiled scan; it resets by itself."""
    import jax  # pyright: ignore[reportMissingImports]

    keys = jax.random.split(jax.random.PRNGKey(0), copies)
    state = jax.vmap(env.reset)(keys)[1]

    @jax.jit
    def play(state, keys):
        def step(carry, given):
            state, keys = carry
            keys = jax.vmap(lambda key: jax.random.split(key)[0])(keys)
            observation, state, reward, done, _ = jax.vmap(env.step)(keys, state, choose(state, given))
            return (state, keys), (observation, reward, done)

        return jax.lax.scan(step, (state, keys), inputs)

    def episode() -> None:
        nonlocal state, keys
        (state, keys), seen = play(state, keys)
        jax.block_until_ready(seen)

    return episode


def smaclite_battle(task: str) -> Play:
    """Plays one SMAClite battle of marines, allowed actions at random; choosing them is not counted.

    Args:
        task: as `27m_vs_30m`; SMAClite has no small maps, so it is told the composition.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    import numpy as np
    from smaclite.env.smaclite import SMACliteEnv  # pyright: ignore[reportMissingImports]

    allies, enemies = ([*map(int, task.replace("m", "").split("_vs_"))] * 2)[:2]
    groups = [
        {"x": x, "y": 16, "faction": side, "units": {"MARINE": number}}
        for x, side, number in ((9, "ALLY", allies), (23, "ENEMY", enemies))
    ]
    facts = {"name": task, "num_allied_units": allies, "num_enemy_units": enemies, "groups": groups}
    facts |= {"attack_point": [9, 16], "terrain_preset": "SIMPLE", "num_unit_types": 0}
    facts |= {"ally_has_shields": False, "enemy_has_shields": False}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(facts, file)
        file.flush()
        env = SMACliteEnv(map_file=file.name, seed=0)
    env.reset(seed=0)
    rng = np.random.default_rng(0)

    def play() -> tuple[int, float]:
        spent = 0.0
        for _ in range(HORIZON):
            allowed = np.array(env.get_avail_actions()) > 0
            actions = np.where(allowed, rng.random(allowed.shape), -1).argmax(1)
            began = time.process_time()
            over = env.step([int(action) for action in actions])[2]
            if over:
                env.reset()
            spent += time.process_time() - began
        return HORIZON, spent

    return play


if __name__ == "__main__":
    main(sys.argv[1:])
