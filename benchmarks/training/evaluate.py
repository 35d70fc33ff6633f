"""Evaluation: a fixed set of episodes, the same for every agent, seed and point in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...agents import Agent
from ...envs import TeamEnv, copy_seeds

EVALUATION_SEED = 0x5EED_E7A1
"""Start states of all evaluations. Training seeds are small integers, so the two never meet."""

ABSOLUTE_SEED = 0x5EED_AB50
"""Start states of evaluations that must not know the others': absolute metric and `bench evaluate`."""

MOST_COPIES = 500
"""Episodes that `evaluate_many` plays at once."""


@dataclass(frozen=True)
class Episodes:
    """What came of the episodes of one evaluation, one row a seed.

    Attributes:
        returns: (S, episodes) undiscounted team returns.
        lengths: (S, episodes) steps.
        metrics: task metric to (S, episodes), its value at the end of the episode.
        observation: (S, episodes, N, obs) halfway through, for diagnostics.
        mask: (S, episodes, N, n) which discrete actions were allowed there; None for continuous tasks.
    """

    returns: np.ndarray
    lengths: np.ndarray
    metrics: dict[str, np.ndarray]
    observation: Tensor
    mask: Tensor | None = None


Spectator = Callable[[np.ndarray, np.ndarray], None]
"""Sees at each step the returns so far (B,) and which copies are in their episode (B,), its end included."""


def evaluate(
    env: TeamEnv,
    agent: Agent,
    mode: str = "greedy",
    spectator: Spectator | None = None,
    starts: Sequence[int] | None = None,
    policy_seed: int = 0,
) -> Episodes:
    """Play one episode in every copy of `env`, which holds as many for each seed.

    Args:
        env: S * episodes copies, seed by seed.
        agent: acts for S seeds.
        mode: the agent's way to act.
        spectator: sees every step; `env` holds what can be seen.
        starts: streams of the episodes of each seed, `EVALUATION_SEED`'s if None.
        policy_seed: of the policy's own noise, if it has any.
    """
    n_seeds = len(agent.seeds)
    episodes = env.num_envs // n_seeds
    policy = agent.policy(mode, seed=policy_seed)
    chosen = copy_seeds(EVALUATION_SEED, episodes) if starts is None else list(starts)
    observation, info = env.reset(seed=chosen * n_seeds)
    returns, lengths = np.zeros(env.num_envs), np.zeros(env.num_envs, np.int64)
    metrics = {name: np.zeros(env.num_envs) for name in env.team.metrics}
    playing = np.ones(env.num_envs, bool)
    starting = np.ones(env.num_envs, bool)
    halfway = stacked(observation, n_seeds, agent.device), mask_of(info, n_seeds, agent.device)
    step = 0
    if spectator:
        spectator(returns, playing)
    while playing.any():
        now, mask = stacked(observation, n_seeds, agent.device), mask_of(info, n_seeds, agent.device)
        halfway = (now, mask) if step == env.team.horizon // 2 else halfway
        actions = policy.act(now, mask, stacked(starting, n_seeds, agent.device))
        observation, reward, terminated, truncated, info = env.step(flattened(actions))
        returns += np.where(playing, reward, 0)
        lengths += playing
        if spectator:
            spectator(returns, playing)
        starting = terminated | truncated
        for name, values in metrics.items():
            ended = playing & starting
            values[ended] = info[name][ended]
        playing &= ~starting
        if starting.any() and playing.any():
            observation, info = env.reset(options={"reset_mask": starting})
        step += 1
    rows = (n_seeds, episodes)
    return Episodes(
        returns.reshape(rows),
        lengths.reshape(rows),
        {k: v.reshape(rows) for k, v in metrics.items()},
        *halfway,
    )


def evaluate_many(
    make_env: Callable[[int], TeamEnv], agent: Agent, mode: str, episodes: int, start_seed: int
) -> Episodes:
    """Play so many episodes, `MOST_COPIES` or the task's `most_copies` at once; the same on every call.

    With `EVALUATION_SEED` and the number of episodes of an evaluation, they are that evaluation's.

    Args:
        make_env: an environment of so many copies.
        agent: acts for one seed.
        mode: the agent's way to act.
        episodes: how many.
        start_seed: of the start states and, with the number of the part, of the policy's own noise.
    """
    starts, parts = copy_seeds(start_seed, episodes), []
    env = make_env(1)
    most = min(MOST_COPIES, env.most_copies or MOST_COPIES)
    for number, first in enumerate(range(0, episodes, most)):
        chosen = starts[first : first + most]
        if env.num_envs != len(chosen):
            env.close()
            env = make_env(len(chosen))
        policy_seed = (start_seed - EVALUATION_SEED + number) % 2**32
        parts.append(evaluate(env, agent, mode, None, chosen, policy_seed))
    env.close()
    masks = [part.mask for part in parts if part.mask is not None]
    return Episodes(
        np.concatenate([part.returns for part in parts], 1),
        np.concatenate([part.lengths for part in parts], 1),
        {name: np.concatenate([part.metrics[name] for part in parts], 1) for name in parts[0].metrics},
        torch.cat([part.observation for part in parts], 1),
        torch.cat(masks, 1) if masks else None,
    )


def stacked(array: np.ndarray, n_seeds: int, device: torch.device) -> Tensor:
    """(S * E, ...) from an environment as (S, E, ...) for an agent."""
    tensor = torch.from_numpy(array).to(device)
    return tensor.view(n_seeds, -1, *array.shape[1:])


def flattened(actions: Tensor) -> np.ndarray:
    """(S, E, N, ...) from an agent as (S * E, N, ...) for an environment; failed seeds' NaN become zero."""
    return torch.nan_to_num(actions, nan=0.0, posinf=0.0, neginf=0.0).flatten(0, 1).cpu().numpy()


def mask_of(info: dict[str, Any], n_seeds: int, device: torch.device) -> Tensor | None:
    """The action masks (S, E, N, n) of discrete tasks."""
    mask = info.get("action_mask")
    return None if mask is None else stacked(mask, n_seeds, device)
