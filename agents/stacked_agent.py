"""What agents share that hold the networks of all seeds in flat tensors: generators, padding, saving."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..envs.base import TeamSpec
from .base import Agent, Config, Transition
from .networks.flat import FlatNetwork
from .networks.optimizing import Optimizer
from .streams import Streams


class StackedAgent(Agent):
    """Base of agents that treat seeds as an axis of their networks."""

    def __init__(
        self, team: TeamSpec, config: Config, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.streams = Streams(self.seeds, device)
        self.n_steps = 0
        self._n_updates = 0
        sizes = torch.tensor(team.observation_sizes, device=self.device)
        true = torch.arange(team.observation_size, device=self.device) < sizes[:, None]
        self._true_entries = None if true.all() else true.float()

    @abstractmethod
    def networks(self) -> Mapping[str, FlatNetwork]:
        """All networks by name, targets included."""

    @abstractmethod
    def optimizers(self) -> Mapping[str, Optimizer]:
        """All optimisers by name."""

    @property
    @abstractmethod
    def acting_networks(self) -> tuple[str, ...]:
        """Names of those of `networks` that policies read."""

    @property
    def n_updates(self) -> int:
        """Gradient steps done so far."""
        return self._n_updates

    def without_padding(self, observation: Tensor) -> Tensor:
        """Observations (..., N, obs) with the padding of shorter members set to zero."""
        return observation if self._true_entries is None else observation * self._true_entries

    def cleaned(self, transition: Transition) -> Transition:
        """A step without what stands in the padding of shorter members."""
        return transition._replace(
            observation=self.without_padding(transition.observation),
            next_observation=self.without_padding(transition.next_observation),
        )

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, counters and generators; a subclass adds its memory."""
        return {
            "networks": {name: n.flat.detach().clone() for name, n in self.networks().items()},
            "optimizers": {name: o.state_dict() for name, o in self.optimizers().items()},
            "streams": self.streams.state_dict(),
            "counters": (self.n_steps, self._n_updates),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        for name, network in self.networks().items():
            network.load(state["networks"][name])
        for name, stepper in self.optimizers().items():
            stepper.load_state_dict(state["optimizers"][name])
        self.streams.load_state_dict(state["streams"])
        self.n_steps, self._n_updates = state["counters"]

    def policy_state(self, row: int) -> dict[str, Any]:
        """One seed's `acting_networks`, and how far its schedules have come."""
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
