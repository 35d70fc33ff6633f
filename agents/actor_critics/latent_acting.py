"""How members act under a latent variable of the episode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..distributions.episode_latent import EpisodeLatent
from ..episode_latent_agent import EpisodePolicy
from ..streams import Streams
from .acting import Exploration, MeanPolicy, with_latent

if TYPE_CHECKING:
    from .maven_ac import MAVENAC


class EpisodeExploration(EpisodePolicy, Exploration):
    """MA-AC's exploration under one z an episode."""

    agent: MAVENAC

    def __init__(self, agent: MAVENAC, seed: int | None) -> None:
        super().__init__(agent, seed)
        prior = None if agent.chooser is None else agent.chooser.probabilities
        self.episode = EpisodeLatent(self.streams, agent.latent_size, prior)

    @torch.no_grad()
    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        """Actions (S, E, N, act); z is renewed where `starting`, in the warm-up too."""
        self.episode.begin(starting, self.agent.without_padding(observation).flatten(-2))
        return super().act(observation, mask, starting)

    def actions(self, observation: Tensor, mask: Tensor | None) -> Tensor:
        """Actions (S, N, E, act) for observations (S, N, E, obs)."""
        del mask
        return self.samples(self.agent.actor.frozen(with_latent(observation, self.episode.as_input())))


class EpisodeMean(EpisodePolicy, MeanPolicy):
    """Mean actions under one uniform z an episode."""

    def __init__(self, agent: MAVENAC, seed: int | None) -> None:
        own = agent.streams if seed is None else Streams(agent.seeds, agent.device, f"greedy {seed}")
        self.episode = EpisodeLatent(own, agent.latent_size)
        super().__init__(agent, self._latent)

    def _latent(self, starting: Tensor) -> Tensor:
        self.episode.begin(starting)
        return self.episode.as_input()
