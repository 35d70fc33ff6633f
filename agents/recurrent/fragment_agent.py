"""What actor-critics share that learn from what they have just done, once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..base import Policy, Transition
from ..memory.episodes import Sequences
from ..memory.fragments import Fragments
from .acting import SamplingPolicy
from .stochastic import StochasticMembers


class FragmentAgent(StochasticMembers):
    """Base of on-policy actor-critics; a subclass calls `begin` when its members are made."""

    def begin(self, rollout: int) -> None:
        """Make the memory for `rollout` steps of every copy, at most the horizon, and the explorer."""
        self.explorer = SamplingPolicy(self, self.trunk, None, self.masks_first)
        self.fragments = Fragments(self.team, len(self.seeds), min(rollout, self.team.horizon), self.device)

    @abstractmethod
    def learn(self, batch: Sequences) -> dict[str, Tensor]:
        """One gradient step; metrics of shape (S,)."""

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """`"explore"`: samples the policies; `"greedy"`: the likeliest allowed action.

        Without a seed, `"explore"` is always the same policy: the one that `observe` learns from.
        """
        if mode == "explore" and seed is None:
            return self.explorer
        return super().policy(mode, seed)

    def observe(self, transition: Transition) -> None:
        """Store one step of all copies, until the next update."""
        self.fragments.add(self.cleaned(transition))
        self.n_steps += transition.action.shape[1]

    def update(self) -> dict[str, Tensor]:
        """One gradient step on the steps since the last one, if the fragments are complete."""
        if not self.fragments.is_due:
            return {}
        metrics = self.learn(self.fragments.take(self.explorer.hidden, self.explorer.last_action))
        self._n_updates += 1
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """All of the agent, the steps since the last update included."""
        return super().state_dict() | {"fragments": self.fragments.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        super().load_state_dict(state)
        self.fragments.load_state_dict(state["fragments"])
