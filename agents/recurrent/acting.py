"""How members with a recurrent state act: each carries its own, and what it did last."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..base import Policy
from ..distributions.categorical import best, chosen, masked
from ..networks.sequences import RecurrentTrunk
from ..streams import Streams
from .schedules import any_allowed, policy_probabilities

if TYPE_CHECKING:
    from .agent import RecurrentAgent


class RecurrentPolicy(Policy):
    """Unrolls the agent's trunk step by step; a subclass chooses actions.

    Args:
        agent: whose networks act.
        trunk: the agent's recurrent layers.
        seed: see `Agent.policy`.
    """

    def __init__(self, agent: RecurrentAgent, trunk: RecurrentTrunk, seed: int | None) -> None:
        self.agent, self.trunk = agent, trunk
        self.streams = agent.streams if seed is None else Streams(agent.seeds, agent.device, f"policy {seed}")
        self.hidden: Tensor | None = None  # (S, E, N, hidden)
        self.last_action: Tensor | None = None  # (S, E, N), -1: none

    @abstractmethod
    def choose(self, output: Tensor, mask: Tensor) -> Tensor:
        """Actions (S, E, N) int64 from the agent's `outputs` (S, E, N, n) under masks (S, E, N, n)."""

    def begin(self, observation: Tensor, starting: Tensor) -> None:
        """What else begins anew with an episode: see `act` for the arguments."""

    def outputs(self, hidden: Tensor) -> Tensor:
        """What members act on, (S, E, N, n), from hidden states (S, E, N, hidden)."""
        return self.agent.outputs(hidden[:, None])[:, 0]

    @torch.no_grad()
    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        """Actions (S, E, N) int64."""
        agent = self.agent
        seeds, copies, members = observation.shape[:3]
        if mask is None:
            mask = torch.ones(seeds, copies, members, agent.team.action_size, dtype=torch.bool)
        if self.hidden is None or self.last_action is None or self.hidden.shape[1] != copies:
            self.hidden = self.trunk.no_state(copies, members)
            self.last_action = torch.full((seeds, copies, members), -1, device=agent.device)
        own = agent.without_padding(observation)
        self.begin(own, starting)
        last = self.last_action.masked_fill(starting[..., None], -1)
        inputs = agent.member_inputs(own, last)
        self.hidden = self.trunk.frozen(inputs[:, None], self.hidden, starting[:, None])[:, 0]
        self.last_action = self.choose(self.outputs(self.hidden), mask)
        return self.last_action.clone()

    def state_dict(self) -> dict[str, Any]:
        """Recurrent states and last actions."""
        if self.hidden is None or self.last_action is None:
            return {}
        return {"hidden": self.hidden.clone(), "last_action": self.last_action.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        self.hidden = state["hidden"].clone() if state else None
        self.last_action = state["last_action"].clone() if state else None


class GreedyPolicy(RecurrentPolicy):
    """The action with the largest value or logit among the allowed ones."""

    def choose(self, output: Tensor, mask: Tensor) -> Tensor:
        """See `RecurrentPolicy`."""
        return best(masked(output, mask))


class EpsilonGreedyPolicy(RecurrentPolicy):
    """Any allowed action with the agent's present epsilon, the one of the largest value otherwise."""

    def choose(self, output: Tensor, mask: Tensor) -> Tensor:
        """See `RecurrentPolicy`."""
        shape = output.shape[1:-1]
        strays = self.streams.uniform("explore", *shape, low=0) < self.agent.epsilon
        anything = chosen(any_allowed(mask), self.streams.uniform("exploration action", *shape, low=0))
        return torch.where(strays, anything, best(masked(output, mask)))


class SamplingPolicy(RecurrentPolicy):
    """Samples softmax policies, with the agent's present epsilon as their floor.

    Args:
        agent: whose networks act.
        trunk: the agent's recurrent layers.
        seed: see `Agent.policy`.
        mask_first: see `policy_probabilities`.
    """

    def __init__(
        self, agent: RecurrentAgent, trunk: RecurrentTrunk, seed: int | None, mask_first: bool = True
    ) -> None:
        super().__init__(agent, trunk, seed)
        self.mask_first = mask_first

    def choose(self, output: Tensor, mask: Tensor) -> Tensor:
        """See `RecurrentPolicy`."""
        probability = policy_probabilities(output, mask, self.agent.epsilon, self.mask_first)
        return chosen(probability, self.streams.uniform("explore", *output.shape[1:-1], low=0))
