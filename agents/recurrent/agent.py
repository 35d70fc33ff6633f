"""What agents with recurrent members and discrete actions share: inputs, gradient steps, targets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..distributions.categorical import one_hot
from ..memory.episodes import Sequences
from ..networks.flat import FlatNetwork
from ..networks.optimizing import Optimizer, clip_gradients, optimizer
from ..networks.sequences import RecurrentTrunk
from ..stacked_agent import StackedAgent
from .schedules import linear_schedule
from .settings import RecurrentConfig


class RecurrentAgent(StackedAgent):
    """Base of agents whose members carry a recurrent state and choose among discrete actions."""

    config_class = RecurrentConfig
    config: RecurrentConfig
    action_kinds = ("discrete",)

    def __init__(
        self,
        team: TeamSpec,
        config: RecurrentConfig,
        seeds: tuple[int, ...],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(team, config, seeds, device)
        self._identities = torch.eye(team.n_agents, device=self.device)

    @abstractmethod
    def outputs(self, hidden: Tensor) -> Tensor:
        """What members act on, (S, 1, E, N, n), without gradient, from hidden states (S, 1, E, N, hidden)."""

    @property
    def acting_networks(self) -> tuple[str, ...]:
        """Names of those of `networks` that policies read."""
        return ("trunk", "head")

    @property
    def n_networks(self) -> int:
        """Networks a seed for all members: 1, or N where nothing is shared."""
        return 1 if self.config.share_parameters else self.team.n_agents

    @property
    def epsilon(self) -> float:
        """Share of uniformly random actions at present."""
        c = self.config
        return linear_schedule(c.epsilon_start, c.epsilon_end, c.epsilon_steps, self.n_steps)

    def new_trunk(self, name: str = "trunk") -> RecurrentTrunk:
        """Layers from members' inputs to hidden states; `name` is part of the streams they are drawn from."""
        c, team = self.config, self.team
        inputs = team.observation_size
        inputs += team.action_size * c.see_last_action + team.n_agents * c.see_member
        return RecurrentTrunk(inputs, c.hidden, self.streams[f"init {name}"], self.n_networks)

    def optimizer_of(self, networks: Sequence[FlatNetwork]) -> Optimizer:
        """The configured optimiser over networks."""
        return optimizer(self.config.optimizer, networks, self.config.learning_rate)

    def step_down(self, loss: Tensor, networks: Sequence[FlatNetwork], stepper: Optimizer) -> Tensor:
        """One gradient step on the seeds' losses (S,), clipped seed by seed; the norms (S,) before."""
        loss.sum().backward()
        norm = clip_gradients(networks, self.config.gradient_clip)
        stepper.step()
        return norm

    def retarget(self) -> None:
        """Give each network named `target_x` the parameters of the one named x."""
        networks = self.networks()
        for name, network in networks.items():
            if name.startswith("target_"):
                network.load(networks[name.removeprefix("target_")].flat.detach())

    def member_inputs(self, observation: Tensor, last_action: Tensor) -> Tensor:
        """What the recurrent networks read, (..., N, in).

        Args:
            observation: (..., N, obs), without padding.
            last_action: (..., N) int64, -1: none.
        """
        parts = [observation]
        if self.config.see_last_action:
            parts.append(one_hot(last_action + 1, self.team.action_size + 1)[..., 1:])
        if self.config.see_member:
            parts.append(self._identities.expand(*observation.shape[:-1], -1))
        return torch.cat(parts, -1)

    def sequence_inputs(self, batch: Sequences) -> Tensor:
        """What the recurrent networks read along sequences, (S, K, B, N, in)."""
        return self.member_inputs(batch.observation, last_actions(batch))

    def states_along(self, trunk: RecurrentTrunk, batch: Sequences, frozen: bool = False) -> Tensor:
        """Hidden states (S, K, B, N, hidden) along sequences."""
        unroll = trunk.frozen if frozen else trunk
        return unroll(self.sequence_inputs(batch), batch.carried, batch.starting)


def last_actions(batch: Sequences) -> Tensor:
    """What members did before each row of their episode, (S, K, B, N) int64, -1: nothing."""
    first = torch.full_like(batch.action[:, :1], -1) if batch.before is None else batch.before[:, None]
    shifted = torch.cat([first, batch.action[:, :-1]], 1)
    return shifted if batch.starting is None else shifted.masked_fill(batch.starting[..., None], -1)
