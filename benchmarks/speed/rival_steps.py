"""Steps a second of other packages' batched environments, in a Python environment of their own.

`bench speed --rivals PYTHON` runs this file with that interpreter, which needs VMAS or JaxMARL and nothing of
this project: their requirements and ours do not fit into one environment. Each line on standard input asks
for one chunk and gets one line: steps a second of processor time.

    python rival_steps.py                    # which of them this interpreter has, as name==version
    python rival_steps.py vmas 1024 0.12     # cooperative navigation, three members, 1024 copies
"""

import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

HORIZON = 25
RIVALS = ("vmas", "jaxmarl")


def main(arguments: list[str]) -> None:
    """List the packages, or answer requests for chunks."""
    if not arguments:
        for name in RIVALS:
            try:
                print(f"{name}=={version(name)}")
            except PackageNotFoundError:
                continue
        return
    name, copies, seconds = arguments[0], int(arguments[1]), float(arguments[2])
    # What the packages print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    episode = {"vmas": vmas_episode, "jaxmarl": jaxmarl_episode}[name](copies)
    episode()
    print("ready", file=answers)
    for _ in sys.stdin:
        began, steps = time.process_time(), 0
        while steps == 0 or time.process_time() - began < seconds:
            episode()
            steps += HORIZON * copies
        print(steps / (time.process_time() - began), file=answers)


def vmas_episode(copies: int) -> Callable[[], None]:
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


def jaxmarl_episode(copies: int) -> Callable[[], None]:
    """Plays an episode of JaxMARL's MPE_simple_spread_v3 in one compiled scan; it resets by itself."""
    import jax  # pyright: ignore[reportMissingImports]
    import jaxmarl  # pyright: ignore[reportMissingImports]

    env = jaxmarl.make("MPE_simple_spread_v3")
    keys = jax.random.split(jax.random.PRNGKey(0), copies)
    actions = {
        name: jax.random.randint(jax.random.PRNGKey(i), (HORIZON, copies), 0, 5)
        for i, name in enumerate(env.agents)
    }
    state = jax.vmap(env.reset)(keys)[1]

    @jax.jit
    def play(state, keys):
        def step(carry, action):
            state, keys = carry
            keys = jax.vmap(lambda key: jax.random.split(key)[0])(keys)
            observation, state, reward, done, _ = jax.vmap(env.step)(keys, state, action)
            return (state, keys), (observation, reward, done)

        return jax.lax.scan(step, (state, keys), actions)

    def episode() -> None:
        nonlocal state, keys
        (state, keys), seen = play(state, keys)
        jax.block_until_ready(seen)

    return episode


if __name__ == "__main__":
    main(sys.argv[1:])
