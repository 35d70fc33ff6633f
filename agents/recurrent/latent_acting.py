"""How members with a recurrent state act under a latent variable of the episode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..distributions.episode_latent import EpisodeLatent
from ..streams import Streams
from .acting import EpsilonGreedyPolicy, GreedyPolicy, RecurrentPolicy

if TYPE_CHECKING:
    from .maven import MAVEN


class LatentActing(RecurrentPolicy):
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

    def state_dict(self) -> dict[str, Any]:
        """The recurrent state, and z."""
        return super().state_dict() | {"latent": self.episode.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        rest = {name: value for name, value in state.items() if name != "latent"}
        super().load_state_dict(rest)
        if state:
            self.episode.load_state_dict(state["latent"])


class LatentExplorer(LatentActing, EpsilonGreedyPolicy):
    """Epsilon-greedy under one z an episode, from its prior."""


class LatentGreedy(LatentActing, GreedyPolicy):
    """The largest value under one uniform z an episode."""

    def __init__(self, agent: MAVEN, seed: int | None) -> None:
        super().__init__(agent, seed, is_greedy=True)
