"""What MAVEN's two forms share, on QMIX and on MA-AC: acting under one z an episode, which is stored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..envs.base import TeamSpec
from .base import Config, Policy, Transition
from .distributions.episode_latent import EpisodeLatent, LatentPolicy
from .stacked_agent import StackedAgent


class EpisodePolicy(Policy):
    """Acts under one z an episode; to be named before the policy that it extends."""

    episode: EpisodeLatent

    def state_dict(self) -> dict[str, Any]:
        """That of the policy extended, and z."""
        return super().state_dict() | {"latent": self.episode.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        super().load_state_dict({name: value for name, value in state.items() if name != "latent"})
        if "latent" in state:
            self.episode.load_state_dict(state["latent"])


class EpisodeLatentAgent(StackedAgent):
    """Has one z of K values an episode, common to the team; to be named before the agent that it extends.

    Of its settings, `latent_values` is K, where 1 leaves that agent as it is, and `latent_policy` how z is
    drawn in training, `"uniform"` or `"learned"`. Evaluation draws it uniformly.
    """

    config: Any
    remember: Callable[[Transition, Mapping[str, Tensor]], None]
    """Of the agent extended: stores one step of all copies, and further rows (S, E, ...)."""

    def __init__(
        self, team: TeamSpec, config: Config, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.explorer: EpisodePolicy | None = None
        self.chooser: LatentPolicy | None = None
        if self.latent_size and self.config.latent_policy == "learned":
            x_size = team.n_agents * team.observation_size
            self.chooser = LatentPolicy(self.streams, x_size, self.latent_size, team.horizon)

    @abstractmethod
    def exploring(self, seed: int | None) -> EpisodePolicy:
        """A policy that explores under z of the prior."""

    @abstractmethod
    def evaluated(self, seed: int | None) -> EpisodePolicy:
        """A policy that is evaluated, under uniform z."""

    @property
    def latent_size(self) -> int:
        """K, or 0 where z is always the same."""
        return self.config.latent_values if self.config.latent_values > 1 else 0

    @property
    def acting_networks(self) -> tuple[str, ...]:
        """What policies read; where it is learned, the prior of z too."""
        return (*super().acting_networks, *(() if self.chooser is None else ("latent_policy",)))

    def networks(self) -> dict[str, Any]:
        """All networks by name, that of a learned prior of z included."""
        own = {} if self.chooser is None else {"latent_policy": self.chooser.network}
        return {**super().networks(), **own}

    def optimizers(self) -> dict[str, Any]:
        """The optimiser, and that of the learned prior of z."""
        own = {} if self.chooser is None else {"latent_policy": self.chooser.optimizer}
        return {**super().optimizers(), **own}

    def observe(self, transition: Transition) -> None:
        """Store one step of all copies with the z under which the explorer acted.

        Raises:
            ValueError: the explorer did not act in this step.
        """
        if not self.latent_size:
            super().observe(transition)
            return
        value = None if self.explorer is None else self.explorer.episode.value
        over = transition.terminated | transition.truncated
        if value is None or value.shape != over.shape:
            what = "act with policy('explore'), made without a seed, before each observe()"
            raise ValueError(f"{type(self).__name__} learns from what its own explorer does: {what}")
        self.remember(transition, {"latent": value})
        if self.chooser is not None:
            x = self.without_padding(transition.observation).flatten(-2)
            self.chooser.observe(x, value, transition.reward.mean(-1), over)

    def update(self) -> dict[str, Tensor]:
        """Do the gradient steps due, and after the warm-up those of the learned prior of z."""
        metrics = super().update()
        if self.chooser is not None and self.n_steps >= self.config.warm_up and self.chooser.is_due:
            metrics["latent_entropy"] = self.chooser.train()
        return metrics

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """Policies under one z an episode and copy, drawn when it starts, uniformly if `"greedy"`.

        Without a seed, `"explore"` is always the same policy, whose z `observe` stores.
        """
        self._check_mode(mode)
        if not self.latent_size:
            return super().policy(mode, seed)
        if mode == "greedy":
            return self.evaluated(seed)
        if seed is not None:
            return self.exploring(seed)
        if self.explorer is None:
            self.explorer = self.exploring(None)
        return self.explorer

    def state_dict(self) -> dict[str, Any]:
        """That of the agent extended, and the episodes of the learned prior of z."""
        own = {} if self.chooser is None else {"latent_policy": self.chooser.state_dict()}
        return super().state_dict() | own

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        super().load_state_dict(state)
        if self.chooser is not None:
            self.chooser.load_state_dict(state["latent_policy"])
