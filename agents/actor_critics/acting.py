"""How members with stochastic policies act: sampled while exploring, else the mean or likeliest action."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..base import Policy
from ..distributions.categorical import best, chosen, distribution_of, masked
from ..distributions.gaussian import squashed_sample
from ..streams import Streams

if TYPE_CHECKING:
    from .ma_ac import MAAC
    from .off_policy import OffPolicyAgent


class ExploringPolicy(Policy):
    """Acts with `actions` after the agent's warm-up and uniformly at random before it."""

    def __init__(self, agent: OffPolicyAgent, seed: int | None) -> None:
        self.agent = agent
        self.streams = agent.streams if seed is None else Streams(agent.seeds, agent.device, f"policy {seed}")

    @abstractmethod
    def actions(self, observation: Tensor, mask: Tensor | None) -> Tensor:
        """Exploring actions (S, N, E, act), or (S, N, E) under masks, at observations (S, N, E, obs)."""

    @torch.no_grad()
    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        """Actions (S, E, N, act), or (S, E, N) int64 where they are discrete."""
        del starting
        if self.agent.warming_up:
            return self.any_action(observation.shape[1], mask)
        own = self.agent.without_padding(observation).transpose(1, 2)
        allowed = None if mask is None else mask.transpose(1, 2)
        return self.actions(own, allowed).transpose(1, 2)

    def any_action(self, copies: int, mask: Tensor | None) -> Tensor:
        """Uniformly random (allowed) actions of all members in E copies."""
        team = self.agent.team
        draws = self.streams.uniform("warm-up", copies, team.n_agents, team.action_size)
        return masked(draws, mask).argmax(-1) if self.agent.is_discrete else draws


class Exploration(ExploringPolicy):
    """Samples the policies, and adds the configured noise.

    Where actions are discrete, `exploration_noise` is the probability of any allowed action instead.
    """

    agent: MAAC

    def actions(self, observation: Tensor, mask: Tensor | None) -> Tensor:
        """Actions (S, N, E, act) or (S, N, E) for observations (S, N, E, obs)."""
        agent = self.agent
        latent = agent.exploration_latent(self.streams, observation.shape[2])
        output = agent.actor.frozen(with_latent(observation, latent))
        return self.choices(output, mask) if agent.is_discrete else self.samples(output)

    def samples(self, output: Tensor) -> Tensor:
        """Squashed Gaussian actions (S, N, E, act)."""
        mean, log_std = self.agent.distribution(output)
        action, _, _ = squashed_sample(mean, log_std, self.streams.normal("explore", *mean.shape[1:]))
        if (noise := self.agent.noise) > 0:
            extra = self.streams.normal("exploration noise", *mean.shape[1:])
            action = (action + noise * extra).clamp(-1, 1)
        return action

    def choices(self, output: Tensor, mask: Tensor | None) -> Tensor:
        """Actions (S, N, E) int64 of categorical policies."""
        probability, _ = distribution_of(masked(output, mask))
        shape = output.shape[1:]
        action = chosen(probability, self.streams.uniform("explore", *shape[:-1], low=0))
        if (noise := self.agent.noise) > 0:
            strays = self.streams.uniform("exploration noise", *shape[:-1], low=0) < noise
            anything = masked(self.streams.uniform("exploration action", *shape), mask).argmax(-1)
            action = torch.where(strays, anything, action)
        return action


class MeanPolicy(Policy):
    """Plays tanh of the mean, or the likeliest action where actions are discrete.

    Args:
        agent: whose networks act.
        latent: gives the latent variable (S, N, E, K) of a step from `starting`, if there is one.
    """

    def __init__(self, agent: MAAC, latent: Callable[[Tensor], Tensor | None]) -> None:
        self.agent = agent
        self.latent = latent

    @torch.no_grad()
    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        """Actions (S, E, N, act), or (S, E, N) int64."""
        agent = self.agent
        own = agent.without_padding(observation).transpose(1, 2)
        output = agent.actor.frozen(with_latent(own, self.latent(starting))).transpose(1, 2)
        return best(masked(output, mask)) if agent.is_discrete else torch.tanh(agent.distribution(output)[0])


def joint_actions(action: Tensor) -> Tensor:
    """All members' actions side by side, (S, B, N * act), without gradient, from (S, N, B, act)."""
    return action.detach().transpose(1, 2).flatten(-2)


def with_latent(observation: Tensor, latent: Tensor | None) -> Tensor:
    """The policies' input (S, N, B, obs + K): observations (S, N, B, obs) and latents, broadcast to them."""
    if latent is None:
        return observation
    return torch.cat([observation, latent.expand(*observation.shape[:-1], -1)], -1)
