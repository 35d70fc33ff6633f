"""check_env: the contract of TeamEnv as code, for tasks of this package and of others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv

from .base import TeamEnv
from .contract import (
    COPIES,
    SEED,
    ContractError,
    by_name,
    chosen,
    differences,
    play,
    random_draws,
    require,
    require_array,
    require_observation,
    require_refusal,
    some_steps,
)
from .registry import make
from .seeding import copy_seeds
from .snapshot_checks import check_snapshot

Maker = Callable[[int], TeamEnv]
"""From B to a fresh environment of the task under test."""


def check_env(env: TeamEnv | str) -> None:
    """Runs the whole contract: spaces, infos, resets, seeds, batching, snapshots, time limit, refusals.

    Args:
        env: a task id (default settings), or a TeamEnv. An environment is not touched: fresh ones of the same
            task are made by its ``remake``.

    Raises:
        ContractError: at the first broken rule.
        ValueError: unknown task id.
    """
    if not isinstance(env, str):
        require(isinstance(env, TeamEnv), f"{type(env).__name__} is not a TeamEnv")
    fresh = partial(make, env) if isinstance(env, str) else env.remake
    for check in CHECKS:
        check(fresh)


def check_spaces(fresh: Maker) -> None:
    """Spaces, metadata and TeamSpec agree."""
    env = fresh(COPIES)
    team, shape = env.team, (env.team.n_agents, env.team.observation_size)
    require(isinstance(env, VectorEnv), "a TeamEnv must be a gymnasium.vector.VectorEnv")
    mode = env.metadata.get("autoreset_mode")
    require(mode is AutoresetMode.DISABLED, f"metadata['autoreset_mode'] must be DISABLED, is {mode}")
    require(env.num_envs == COPIES, f"num_envs must be {COPIES}, is {env.num_envs}")
    for space, name, wanted in (
        (env.single_observation_space, "single_observation_space", shape),
        (env.observation_space, "observation_space", (COPIES, *shape)),
    ):
        require(isinstance(space, Box), f"{name} must be a Box, is {type(space).__name__}")
        require(space.shape == wanted, f"{name} must have shape {wanted}, has {space.shape}")
    wanted = (
        MultiDiscrete([team.action_size] * team.n_agents)
        if team.action_kind == "discrete"
        else Box(-1.0, 1.0, (team.n_agents, team.action_size), np.float32)
    )
    space = env.single_action_space
    require(space == wanted, f"single_action_space must be {wanted}, is {space}")


def check_arrays(fresh: Maker) -> None:
    """Shapes, types and values of everything that reset and step return."""
    env = fresh(COPIES)
    team = env.team
    observation, info = env.reset(seed=SEED)
    require_observation(env, observation, info, "reset")
    for draw in random_draws(env, some_steps(env)):
        result = env.step(chosen(env, draw, info))
        observation, reward, terminated, truncated, info = result
        require_observation(env, observation, info, "step")
        for name, array, shape, dtype in (
            ("reward", reward, (COPIES,), np.float64),
            ("terminated", terminated, (COPIES,), np.bool_),
            ("truncated", truncated, (COPIES,), np.bool_),
            ("info['agent_reward']", info.get("agent_reward"), (COPIES, team.n_agents), np.float64),
        ):
            require_array(name, array, shape, dtype)
        gap = np.abs(reward - info["agent_reward"].mean(1)).max()
        rule = "the team reward must be the mean of info['agent_reward']"
        require(gap <= 1e-9 * (1 + np.abs(reward).max()), f"{rule}; they differ by {gap}")
        if terminated.any():
            break


def check_fresh_outputs(fresh: Maker) -> None:
    """What a step returned does not change with the next one."""
    env = fresh(COPIES)
    info = env.reset(seed=SEED)[1]
    first, second = random_draws(env, 2)
    kept = by_name(env.step(chosen(env, first, info)))
    copies = {name: array.copy() for name, array in kept.items()}
    info = env.reset(options={"reset_mask": kept["terminated"] | kept["truncated"]})[1]
    env.step(chosen(env, second, info))
    for name, array in kept.items():
        require(np.array_equal(array, copies[name]), f"step must return new arrays; it reuses that of {name}")


def check_seeds(fresh: Maker) -> None:
    """Equal seeds give equal play, given as one integer or as a list."""
    one, two, lists = fresh(COPIES), fresh(COPIES), fresh(COPIES)
    start = one.reset(seed=SEED)[0]
    same = np.array_equal(start, two.reset(seed=SEED)[0])
    require(same, "reset(seed=s) must give the same observation each time")
    same = np.array_equal(start, lists.reset(seed=copy_seeds(SEED, COPIES))[0])
    require(same, "reset(seed=s) must equal reset(seed=copy_seeds(s, B))")
    draws = random_draws(one, some_steps(one))
    for a, b, c in zip(play(one, draws), play(two, draws), play(lists, draws), strict=True):
        require(not differences(a, b), f"equal seeds must give equal steps; {differences(a, b)} differ")
        require(not differences(a, c), f"copy_seeds must give equal steps; {differences(a, c)} differ")
    same = np.array_equal(one.reset()[0], two.reset()[0])
    require(same, "reset() without a seed must go on with the same random stream")


def check_batching(fresh: Maker) -> None:
    """A copy plays the same alone, in a small batch and in a large one."""
    large = fresh(COPIES)
    seeds = copy_seeds(SEED, COPIES)
    draws = random_draws(large, some_steps(large))
    large.reset(seed=SEED)
    together = play(large, draws)
    for which in (slice(COPIES - 1, COPIES), slice(1, 3)):
        small = fresh(which.stop - which.start)
        small.reset(seed=seeds[which])
        for a, b in zip(together, play(small, draws[:, which]), strict=True):
            odd = differences(a, b, which)
            require(
                not odd, f"copies {which.start}..{which.stop - 1} must play alike in any batch; {odd} differ"
            )


def check_reset_mask(fresh: Maker) -> None:
    """reset_mask restarts those copies and leaves the others as they are."""
    env, twin = fresh(COPIES), fresh(COPIES)
    mask = np.arange(COPIES) % 2 == 1
    draws = random_draws(env, 3)
    for e in (env, twin):
        e.reset(seed=SEED)
        play(e, draws[: min(2, some_steps(env))])
    present, before = twin.observe()
    observation, info = env.reset(options={"reset_mask": mask})
    for name, now, then in [("observation", observation, present), *((k, info[k], before[k]) for k in info)]:
        require(np.array_equal(now[~mask], then[~mask]), f"reset_mask must leave the {name} of other copies")
    for name in env.team.metrics:
        require(not info[name][mask].any(), f"metric {name} must be 0 after a reset")
    if some_steps(env) > 2:
        action = chosen(env, draws[2], info)
        action[~mask] = chosen(twin, draws[2], before)[~mask]
        a, b = env.step(action), twin.step(chosen(twin, draws[2], before))
        odd = [k for k, v in by_name(a).items() if not np.array_equal(v[~mask], by_name(b)[k][~mask])]
        require(not odd, f"reset_mask must not change how other copies go on; {odd} differ")


def check_time_limit(fresh: Maker) -> None:
    """Episodes end by truncation at the horizon, and a finished copy must be reset before it steps."""
    env = fresh(COPIES)
    draws = random_draws(env, 2 * env.team.horizon)
    action = chosen(env, draws[0], env.observe()[1])
    require_refusal(env, ResetNeeded, action, "a step before the first reset")
    info = env.reset(seed=SEED)[1]
    elapsed = np.zeros(COPIES, np.int64)
    horizon = env.team.horizon
    for draw in draws:
        _, _, terminated, truncated, info = env.step(chosen(env, draw, info))
        elapsed += 1
        rule = f"truncated must be True exactly at the horizon {horizon}"
        require((truncated == (elapsed == horizon)).all(), f"{rule}; after steps {elapsed} it is {truncated}")
        over = terminated | truncated
        if over.any():
            require_refusal(env, ResetNeeded, chosen(env, draw, info), "a step of a finished copy")
            info = env.reset(options={"reset_mask": over})[1]
            elapsed[over] = 0


def check_refusals(fresh: Maker) -> None:
    """Bad actions are refused and nothing moves; continuous ones outside [-1, 1] are clipped."""
    env, twin = fresh(COPIES), fresh(COPIES)
    for e in (twin, env):
        info = e.reset(seed=SEED)[1]
    action = chosen(env, random_draws(env, 1)[0], info)
    discrete = env.team.action_kind == "discrete"
    for bad in (-1, env.team.action_size) if discrete else (np.nan, np.inf):
        spoilt = action.copy()
        spoilt[-1, -1] = bad
        require_refusal(env, ValueError, spoilt, f"an action that is {bad}")
    require_refusal(env, ValueError, action[:, :-1], "an action of wrong shape")
    require_refusal(env, ValueError, action.astype(str), "an action that is no number")
    if discrete:
        require_refusal(env, ValueError, action.astype(float), "a discrete action that is no integer")
        forbidden = np.argwhere(~info["action_mask"])[:1]
        info["action_mask"][...] = True  # the caller's own array by now
        for b, i, a in forbidden:
            spoilt = action.copy()
            spoilt[b, i] = a
            require_refusal(env, ValueError, spoilt, "an action that the mask forbids")
        bold = action
    else:
        bold, action = 3 * np.sign(action), np.sign(action)
    odd = differences(env.step(bold), twin.step(action))
    require(not odd, f"actions must be clipped to [-1, 1], and refused ones leave no trace; {odd} differ")


__all__ = ["CHECKS", "ContractError", "check_env"]

CHECKS = (
    check_spaces,
    check_arrays,
    check_fresh_outputs,
    check_seeds,
    check_batching,
    check_reset_mask,
    check_snapshot,
    check_time_limit,
    check_refusals,
)
