"""What learners from replayed transitions share: memory, warm-up, the schedule of gradient steps, saving."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Agent, Transition
from ..distributions.categorical import one_hot
from ..memory.replay import Batch, Replay
from ..networks.flat import Adam, Network
from ..streams import Streams
from .off_policy_config import OffPolicyConfig


class OffPolicyAgent(Agent):
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
        self.streams = Streams(self.seeds, device)
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
        self.n_steps = 0
        self._n_updates = 0
        sizes = torch.tensor(team.observation_sizes, device=self.device)
        true = torch.arange(team.observation_size, device=self.device) < sizes[:, None]
        self._true_entries = None if true.all() else true.float()

    @abstractmethod
    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step; metrics of shape (S,)."""

    @abstractmethod
    def networks(self) -> dict[str, Network]:
        """All networks by name, targets included."""

    @abstractmethod
    def optimizers(self) -> dict[str, Adam]:
        """All optimisers by name."""

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
    def n_updates(self) -> int:
        """Gradient steps done so far."""
        return self._n_updates

    @property
    def warming_up(self) -> bool:
        """Whether exploration still draws uniformly random actions."""
        return self.n_steps < self.config.warm_up

    def without_padding(self, observation: Tensor) -> Tensor:
        """Observations (..., N, obs) with the padding of shorter members set to zero."""
        return observation if self._true_entries is None else observation * self._true_entries

    def observe(self, transition: Transition) -> None:
        """Store one step of all copies."""
        self.remember(transition, {})

    def remember(self, transition: Transition, further: Mapping[str, Tensor]) -> None:
        """Store one step of all copies, and `further` rows (S, E, ...) of a subclass."""
        clean = transition._replace(
            observation=self.without_padding(transition.observation),
            next_observation=self.without_padding(transition.next_observation),
        )
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
        """Networks, optimisers, memory, counters and generators."""
        return {
            "networks": {name: n.flat.detach().clone() for name, n in self.networks().items()},
            "optimizers": {name: o.state_dict() for name, o in self.optimizers().items()},
            "replay": self.replay.state_dict(),
            "streams": self.streams.state_dict(),
            "counters": (self.n_steps, self._n_updates),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        for name, network in self.networks().items():
            network.load(state["networks"][name])
        for name, optimizer in self.optimizers().items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.replay.load_state_dict(state["replay"])
        self.streams.load_state_dict(state["streams"])
        self.n_steps, self._n_updates = state["counters"]

    def policy_state(self, row: int) -> dict[str, Any]:
        """One seed's `acting_networks`, and how far its warm-up has come."""
        networks = {
            name: [parameter[:, row].detach().cpu().clone() for parameter in self.networks()[name].parameters]
            for name in self.acting_networks
        }
        return {"networks": networks, "steps": self.n_steps}

    def load_policy_state(self, row: int, state: Mapping[str, Any]) -> None:
        """Take up what `policy_state` gave; the steps count for all seeds."""
        for name in self.acting_networks:
            mine, given = self.networks()[name].parameters, state["networks"][name]
            shapes = [tuple(parameter[:, row].shape) for parameter in mine]
            if [tuple(values.shape) for values in given] != shapes:
                raise ValueError(f"the stored {name} is of another shape than {type(self).__name__}'s here")
            for parameter, values in zip(mine, given, strict=True):
                parameter[:, row] = values.to(parameter)
        self.n_steps = state["steps"]
