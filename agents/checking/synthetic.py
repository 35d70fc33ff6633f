"""Synthetic experience for the checks of agents: small teams, and stories that need no environment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ...envs import TeamSpec
from ..base import Transition

SEEDS = (5, 0, 11)
COPIES = 2
STEPS = 26
HORIZON = 7
ALLOWED = 0.5
"""Share of the discrete actions that a mask allows, besides the one that it always does."""

ActionKind = Literal["continuous", "discrete"]


def team(
    observation_sizes: tuple[int, ...], action_size: int = 2, kind: ActionKind = "continuous"
) -> TeamSpec:
    """A small team with continuous actions, or with `action_size` discrete ones."""
    n, unit = len(observation_sizes), "mean over members"
    return TeamSpec("contract-v1", n, observation_sizes, 4, kind, action_size, HORIZON, ("noise",), unit, {})


@dataclass(frozen=True)
class Story:
    """Synthetic experience, (T, S, E, ...); each seed's part depends on that seed alone.

    Attributes:
        observation, successor: (T, S, E, N, obs), the successor being the next observation within an episode.
        state, next_state: (T, S, E, state).
        noise: (T, S, E, N), added to the rewards.
        starting, terminated, truncated: (T, S, E).
        mask, next_mask: (T, S, E, N, n) bool, allowed actions of the observation and of the true successor;
            None where actions are continuous.
    """

    observation: Tensor
    successor: Tensor
    state: Tensor
    next_state: Tensor
    noise: Tensor
    starting: Tensor
    terminated: Tensor
    truncated: Tensor
    mask: Tensor | None = None
    next_mask: Tensor | None = None

    def mask_at(self, step: int) -> Tensor | None:
        """Allowed actions (S, E, N, n) of a step."""
        return None if self.mask is None else self.mask[step]

    def transition(self, step: int, actions: Tensor) -> Transition:
        """What the agent observes after `actions` (S, E, N, act) or (S, E, N)."""
        played = actions if self.mask is None else actions[..., None] / self.mask.shape[-1]
        return Transition(
            observation=self.observation[step],
            action=actions,
            reward=self.noise[step] - (played - 0.5).square().mean(-1),
            terminated=self.terminated[step],
            truncated=self.truncated[step],
            next_observation=self.successor[step],
            state=self.state[step],
            next_state=self.next_state[step],
            mask=self.mask_at(step),
            next_mask=None if self.next_mask is None else self.next_mask[step],
        )


Ends = Literal["both", "time limit", "all terminated", "all truncated"]


def story(
    team: TeamSpec,
    seeds: tuple[int, ...] = SEEDS,
    ends: Ends = "both",
    steps: int = STEPS,
    copies: int = COPIES,
) -> Story:
    """Random experience of a team.

    Args:
        team: whose.
        seeds: one a run.
        ends: episodes end at the horizon and, for "both", now and then before; or every step ends one.
        steps: T.
        copies: E.
    """
    parts = [_of_one_seed(team, seed, ends, steps, copies) for seed in seeds]
    return Story(*(torch.from_numpy(np.stack(arrays, 1)) for arrays in zip(*parts, strict=True)))


def _of_one_seed(team: TeamSpec, seed: int, ends: Ends, steps: int, copies: int) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng((seed, 77))
    true = np.arange(team.observation_size) < np.array(team.observation_sizes)[:, None]
    shape = (steps + 1, copies, team.n_agents, team.observation_size)
    observation = draw.standard_normal(shape, np.float32) * true
    state = draw.standard_normal((steps + 1, copies, team.state_size), np.float32)
    last = draw.standard_normal((steps, *shape[1:]), np.float32) * true
    last_state = draw.standard_normal((steps, *state.shape[1:]), np.float32)
    noise = draw.standard_normal((steps, copies, team.n_agents), np.float32)
    early = draw.random((steps, copies)) < 0.1
    flags = np.zeros((3, steps, copies), bool)
    starting, terminated, truncated = flags
    elapsed = np.zeros(copies, int)
    for t in range(steps):
        starting[t] = elapsed == 0
        elapsed += 1
        terminated[t] = ends == "all terminated" or (early[t] if ends == "both" else False)
        truncated[t] = (ends == "all truncated") | ((elapsed == team.horizon) & ~terminated[t])
        elapsed[terminated[t] | truncated[t]] = 0
    over = (terminated | truncated)[..., None]
    successor = np.where(over[..., None], last, observation[1:])
    next_state = np.where(over, last_state, state[1:])
    told = (observation[:-1], successor, state[:-1], next_state, noise, starting, terminated, truncated)
    if team.action_kind == "continuous":
        return told
    mask = _masks(draw, (*shape[:-1], team.action_size))
    last_mask = _masks(draw, (steps, *shape[1:-1], team.action_size))
    return *told, mask[:-1], np.where(over[..., None], last_mask, mask[1:])


def _masks(draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random masks (..., n) that allow one action at least."""
    always = draw.integers(shape[-1], size=shape[:-1])[..., None]
    return (draw.random(shape) < ALLOWED) | (np.arange(shape[-1]) == always)


def with_other_successors(tale: Story) -> Story:
    """The same story, but something else follows every step."""
    return replace(tale, successor=tale.successor.flip(-1) + 1, next_state=tale.next_state.flip(-1) + 1)


def with_filled_padding(tale: Story, team: TeamSpec) -> Story:
    """The same story with numbers where shorter observations are padded."""
    sizes = torch.tensor(team.observation_sizes)
    padding = torch.arange(team.observation_size) >= sizes[:, None]
    fill = torch.linspace(-7, 7, padding.numel()).view(padding.shape)
    return replace(
        tale,
        observation=torch.where(padding, fill, tale.observation),
        successor=torch.where(padding, fill, tale.successor),
    )


def with_all_allowed(tale: Story) -> Story:
    """The same story, every discrete action allowed."""
    if tale.mask is None or tale.next_mask is None:
        return tale
    return replace(tale, mask=torch.ones_like(tale.mask), next_mask=torch.ones_like(tale.next_mask))
