"""What actor-critics share whose recurrent members sample softmax policies."""

from __future__ import annotations

from torch import Tensor

from ..base import Policy
from ..memory.episodes import Sequences
from ..networks.flat import FlatNetwork
from ..networks.sequences import RecurrentTrunk, SequenceMLP
from .acting import GreedyPolicy, SamplingPolicy
from .agent import RecurrentAgent


class StochasticMembers(RecurrentAgent):
    """Recurrent members with logits; critics and learning are a subclass's."""

    trunk: RecurrentTrunk
    head: SequenceMLP

    def make_members(self, extra: int = 0, beside: int = 0) -> list[FlatNetwork]:
        """Make trunk and head.

        Args:
            extra: numbers that the head reads beside the recurrent state.
            beside: numbers that it puts out behind the logits.
        """
        self.trunk = self.new_trunk()
        sizes = (self.config.hidden + extra, self.team.action_size + beside)
        self.head = SequenceMLP(sizes, self.streams["init head"], self.n_networks)
        return [self.trunk, self.head]

    @property
    def masks_first(self) -> bool:
        """Whether masks come before the softmax, where policies have a floor."""
        return True

    def logits(self, batch: Sequences) -> Tensor:
        """Members' logits along sequences, (S, K, B, N, n)."""
        return self.head(self.states_along(self.trunk, batch))

    def outputs(self, hidden: Tensor) -> Tensor:
        """Members' logits."""
        return self.head.frozen(hidden)

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """`"explore"`: samples the policies with their floor; `"greedy"`: the likeliest allowed action."""
        if self._check_mode(mode) == "greedy":
            return GreedyPolicy(self, self.trunk, seed)
        return SamplingPolicy(self, self.trunk, seed, self.masks_first)


def taken(values: Tensor, action: Tensor) -> Tensor:
    """Values (..., N) of actions (..., N) among those of all, (..., N, n)."""
    return values.gather(-1, action[..., None])[..., 0]
