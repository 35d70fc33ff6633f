"""The part of the contract that is about snapshots."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .base import TeamEnv
from .contract import COPIES, SEED, differences, play, random_draws, require, some_steps


def check_snapshot(fresh: Callable[[int], TeamEnv]) -> None:
    """restore(snapshot()) goes back exactly, generators and time included, also in another environment."""
    env, other = fresh(COPIES), fresh(COPIES)
    if not env.is_restorable:
        _check_between_episodes(env, other)
        return
    env.reset(seed=SEED)
    draws = random_draws(env, 2 * env.team.horizon + 3)
    play(env, draws[: some_steps(env)])
    saved = env.snapshot()
    for name, array in saved.items():
        first = array.shape[:1] if isinstance(array, np.ndarray) else None
        require(first == (COPIES,), f"snapshot()[{name!r}] must be an array whose first axis is the copy")
    seen = env.observe()[0]
    first_time = play(env, draws)
    for e in (env, other):
        e.restore(saved)
        require(np.array_equal(e.observe()[0], seen), "restore must bring the observation back")
        for a, b in zip(first_time, play(e, draws), strict=True):
            require(not differences(a, b), f"after restore {differences(a, b)} differ")


def _check_between_episodes(env: TeamEnv, other: TeamEnv) -> None:
    """Where a game of its own goes on: no snapshot within an episode, and from one before it play begins."""
    env.reset(seed=SEED)
    saved = env.snapshot()
    draws = random_draws(env, env.team.horizon + 1)
    if some_steps(env) < env.team.horizon:
        play(env, draws[:1])
        try:
            env.snapshot()
        except ValueError:
            pass
        else:
            require(False, "snapshot must raise ValueError within an episode, as is_restorable is False")
    for e in (env, other):
        e.restore(saved)
        found = e.snapshot()
        odd = [name for name in ("elapsed", "finished", "generator") if (found[name] != saved[name]).any()]
        require(not odd, f"restore must bring back the snapshot's {odd}")
        play(e, draws)
