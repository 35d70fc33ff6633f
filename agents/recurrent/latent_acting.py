"""How members with a recurrent state act under a latent variable of the episode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from ..distributions.episode_latent import EpisodeLatent
from ..episode_latent_agent import EpisodePolicy
from ..streams import Streams
from .acting import EpsilonGreedyPolicy, GreedyPolicy, RecurrentPolicy

if TYPE_CHECKING:
    from .maven import MAVEN


class LatentActing(EpisodePolicy, RecurrentPolicy):
    """A recurrent policy under one z an episode."""

    agent: MAVEN

    def __init__(self, agent: MAVEN, seed: int | None, is_greedy: bool = False) -> None:
        super().__init__(agent, agent.trunk, seed)
        if is_greedy and seed is not None:
            self.streams = Streams(agent.seeds, agent.device, f"greedy {seed}")
        learned = agent.chooser is not None and not is_greedy
        prior = agent.chooser.probabilities if learned and agent.chooser else None
        self.episode = EpisodeLatent(self.streams, agent.latent_size, prior)

    def begin(self, observation: Tensor, starting: Tensor) -> None:
        """Draw z anew where episodes start."""
        self.episode.begin(starting, observation.flatten(-2))

    def outputs(self, hidden: Tensor) -> Tensor:
        """Members' values (S, E, N, n) under the present z."""
        assert self.episode.value is not None
        parts = self.agent.outputs(hidden[:, None])
        return self.agent.values_under(parts, self.episode.value[:, None])[:, 0]


class LatentExplorer(LatentActing, EpsilonGreedyPolicy):
    """Epsilon-greedy under one z an episode, from its prior."""


class LatentGreedy(LatentActing, GreedyPolicy):
    """The largest value under one uniform z an episode."""

    def __init__(self, agent: MAVEN, seed: int | None) -> None:
        super().__init__(agent, seed, is_greedy=True)
