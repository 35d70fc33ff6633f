"""What the checks of ``checks.py`` are made of: rules, random play, comparison bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import StepResult, TeamEnv

COPIES = 5
"""B of the environments under test."""
SEED = 20


class ContractError(AssertionError):
    """An environment breaks the contract; the message says where."""


def require(holds: Any, rule: str) -> None:
    """Raises ContractError with ``rule`` unless it holds."""
    if not holds:
        raise ContractError(rule)


def random_draws(env: TeamEnv, steps: int) -> np.ndarray:
    """Random numbers (steps, B, N, act), in [-1, 1], equal for equal B; ``chosen`` makes them actions."""
    shape = (steps, env.num_envs, env.team.n_agents, env.team.action_size)
    return np.random.default_rng(SEED).uniform(-1, 1, shape).astype(np.float32)


def chosen(env: TeamEnv, draw: np.ndarray, info: dict[str, Any]) -> np.ndarray:
    """Actions from one step's numbers: themselves, or the allowed discrete action with the largest one."""
    if env.team.action_kind == "continuous":
        return draw
    return np.where(info["action_mask"], draw, -np.inf).argmax(-1)


def some_steps(env: TeamEnv) -> int:
    """Enough steps to see something, before the last one of an episode (unless it is the only one)."""
    return max(1, min(env.team.horizon - 1, 12))


def by_name(result: StepResult) -> dict[str, np.ndarray]:
    """All arrays of a step, by name."""
    names = ("observation", "reward", "terminated", "truncated")
    return dict(zip(names, result[:4], strict=True)) | result[4]


def differences(a: StepResult, b: StepResult, which: Any = slice(None)) -> list[str]:
    """Names of the arrays of two steps that are not equal bit for bit, in the copies ``which`` of ``a``."""
    left, right = by_name(a), by_name(b)
    return [name for name in left if not np.array_equal(left[name][which], right[name])]


def play(env: TeamEnv, draws: np.ndarray) -> list[StepResult]:
    """Plays the actions of ``draws``, restarting finished copies."""
    results = []
    info = env.observe()[1]
    for draw in draws:
        results.append(env.step(chosen(env, draw, info)))
        info = results[-1][4]
        over = results[-1][2] | results[-1][3]
        if over.any():
            info = env.reset(options={"reset_mask": over})[1]
    return results


def require_array(name: str, array: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Type, shape, dtype and finiteness of one array."""
    require(isinstance(array, np.ndarray), f"{name} must be an array, is {type(array).__name__}")
    require(array.shape == shape, f"{name} must have shape {shape}, has {array.shape}")
    require(array.dtype == dtype, f"{name} must be {np.dtype(dtype)}, is {array.dtype}")
    require(np.isfinite(array).all(), f"{name} must be finite")


def require_observation(env: TeamEnv, observation: Any, info: dict[str, Any], where: str) -> None:
    """Observation and info of a reset or step: shapes, declared space, padding, state, metrics."""
    team, dtype = env.team, env.single_observation_space.dtype
    shape = (COPIES, team.n_agents, team.observation_size)
    require_array(f"observation of {where}", observation, shape, dtype)
    inside = env.observation_space.contains(observation)
    require(inside, f"observation of {where} must lie in observation_space")
    for i, size in enumerate(team.observation_sizes):
        padded = observation[:, i, size:]
        require(not padded.any(), f"observation of member {i} must be zero beyond its size {size}")
    require_array(f"info['state'] of {where}", info.get("state"), (COPIES, team.state_size), dtype)
    for name in team.metrics:
        require_array(f"info[{name!r}] of {where}", info.get(name), (COPIES,), np.float64)
    if team.action_kind == "discrete":
        name, mask = f"info['action_mask'] of {where}", info.get("action_mask")
        require_array(name, mask, (COPIES, team.n_agents, team.action_size), np.bool_)
        require(mask.any(-1).all(), f"{name} must leave every member an action")  # type: ignore[union-attr]


def require_refusal(env: TeamEnv, error: type[Exception], action: np.ndarray, what: str) -> None:
    """``env.step(action)`` must raise ``error``."""
    try:
        env.step(action)
    except error:
        return
    raise ContractError(f"{what} must raise {error.__name__}")
