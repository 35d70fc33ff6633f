"""What learners from replayed transitions share: memory, warm-up, the schedule of gradient steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Transition
from ..distributions.categorical import one_hot
from ..memory.replay import Batch, Replay
from ..networks.flat import Network
from ..stacked_agent import StackedAgent
from .off_policy_config import OffPolicyConfig


class OffPolicyAgent(StackedAgent):
    """Base of learners from replayed transitions; a subclass names its networks, learns and acts."""

    config_class = OffPolicyConfig
    config: OffPolicyConfig
    needs_following: ClassVar[bool] = False
    """Whether `learn` reads what the members did in the step after (`Batch.next_joint_action`)."""

    def __init__(
        self,
        team: TeamSpec,
        config: OffPolicyConfig,
        seeds: tuple[int, ...],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.replay = Replay(
            team,
            len(self.seeds),
            config.buffer_size,
            self.device,
            config.critic_input,
            self.needs_next_observation,
            extra=self.further_rows(),
            following=self.needs_following,
        )

    @abstractmethod
    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step; metrics of shape (S,)."""

    @abstractmethod
    def networks(self) -> dict[str, Network]:
        """All networks by name, targets included."""

    def further_rows(self) -> dict[str, int]:
        """What a stored transition holds beside the common rows, and how many numbers of each: masks."""
        if not self.is_discrete:
            return {}
        width = self.team.n_agents * self.team.action_size
        return {"mask": width, "next_mask": width} if self.needs_next_observation else {"mask": width}

    def mask_of(self, batch: Batch, row: str = "mask") -> Tensor | None:
        """Which actions members may choose, (S, N, B, n) bool; None where actions are continuous."""
        if not self.is_discrete:
            return None
        return batch.extra[row].unflatten(-1, (self.team.n_agents, -1)).transpose(1, 2) > 0

    @property
    def needs_next_observation(self) -> bool:
        """Whether `learn` reads the members' next observations."""
        return True

    @property
    def noise(self) -> float:
        """What `exploration_noise` is at present."""
        end, start = self.config.exploration_noise, self.config.initial_noise
        left = max(1 - self.n_steps / self.config.noise_steps, 0.0)
        return end if start is None else end + (start - end) * left

    @property
    def acting_networks(self) -> tuple[str, ...]:
        """Names of those of `networks` that policies read."""
        return ("actor",)

    @property
    def is_discrete(self) -> bool:
        """Whether the members choose among a number of actions."""
        return self.team.action_kind == "discrete"

    @property
    def x_size(self) -> int:
        """Numbers in `Batch.x`."""
        joined = self.team.n_agents * self.team.observation_size
        return self.team.state_size if self.config.critic_input == "state" else joined

    @property
    def warming_up(self) -> bool:
        """Whether exploration still draws uniformly random actions."""
        return self.n_steps < self.config.warm_up

    def observe(self, transition: Transition) -> None:
        """Store one step of all copies."""
        self.remember(transition, {})

    def remember(self, transition: Transition, further: Mapping[str, Tensor]) -> None:
        """Store one step of all copies, and `further` rows (S, E, ...) of a subclass."""
        clean = self.cleaned(transition)
        if self.is_discrete:
            clean = clean._replace(action=one_hot(transition.action, self.team.action_size))
            for row in self.further_rows().keys() & {"mask", "next_mask"}:
                mask = getattr(transition, row)
                given = torch.ones_like(clean.action) if mask is None else mask
                further = {**further, row: given}
        self.replay.add(clean, further)
        self.n_steps += transition.action.shape[1]

    def update(self) -> dict[str, Tensor]:
        """Do the gradient steps due: `updates_per_step` for every step since learning started."""
        starts = self.config.learning_starts
        steps = max(self.n_steps - (self.config.warm_up if starts is None else starts), 0)
        due = int(steps * self.config.updates_per_step) - self._n_updates
        if due <= 0 or len(self.replay) < self.config.batch_size:
            return {}
        metrics = [self.learn(self.replay.sample(self.config.batch_size, self.streams)) for _ in range(due)]
        self._n_updates += due
        return {name: torch.stack([m[name] for m in metrics], -1).mean(-1) for name in metrics[0]}

    def state_dict(self) -> dict[str, Any]:
        """All of the agent, its memory included."""
        return super().state_dict() | {"replay": self.replay.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        super().load_state_dict(state)
        self.replay.load_state_dict(state["replay"])
