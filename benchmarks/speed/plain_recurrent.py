"""Recurrent learners of one seed as PyMARL writes them, QMIX among them: a GRU cell step by step, autograd.

The reference that `bench speed` measures the recurrent agents against, and a second form of their losses: the
tests ask both for the same numbers. Members share networks; batches are those of `agents.memory.episodes`
without the seed axis, cut behind their longest episode.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.nn.functional import elu, one_hot

from ...agents.base import Policy
from ...agents.memory.episodes import Sequences
from ...agents.networks.flat import FlatNetwork
from ...agents.networks.optimizing import RMS_DECAY, RMS_EPSILON
from ...agents.recurrent.agent import RecurrentAgent
from ...agents.recurrent.qmix import QMIXConfig
from ...agents.recurrent.settings import EpisodeReplayConfig
from ...envs import TeamSpec
from .plain_loop import mlp


class Members(nn.Module):
    """A ReLU layer, a GRU cell and a linear head that all members share."""

    def __init__(self, inputs: int, hidden: int, extra: int, actions: int) -> None:
        super().__init__()
        self.first, self.cell = nn.Linear(inputs, hidden), nn.GRUCell(hidden, hidden)
        self.head = nn.Linear(hidden + extra, actions)

    def forward(self, x: Tensor, h: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs and hidden states, (rows, ...) both, after one step."""
        h = self.cell(torch.relu(self.first(x)), h)
        return self.head(torch.cat([h, latent], -1)), h

    def along(self, x: Tensor, latent: Tensor) -> Tensor:
        """Outputs (K, B, N, n) of inputs (K, B, N, in) and latents (K, B, N, k)."""
        h, outputs = x.new_zeros(x.shape[1] * x.shape[2], self.cell.hidden_size), []
        for step, z in zip(x.flatten(1, 2), latent.flatten(1, 2), strict=True):
            output, h = self(step, h, z)
            outputs.append(output)
        return torch.stack(outputs).unflatten(1, x.shape[1:3])


class PlainRecurrent(nn.Module):
    """What both learners share: inputs, targets, gradient steps.

    Args:
        team: the task.
        config: the agent's settings.
        extra: what heads read beside the hidden state.
    """

    def __init__(self, team: TeamSpec, config: EpisodeReplayConfig, extra: int) -> None:
        super().__init__()
        self.n, self.actions, self.size = team.n_agents, team.action_size, extra
        self.see_last, self.see_member = config.see_last_action, config.see_member
        self.discount, self.trace, self.clip = config.discount, config.trace, config.gradient_clip
        self.adam = config.optimizer == "adam"
        width = team.observation_size + self.n * self.see_member
        self.members = Members(width + self.actions * self.see_last, config.hidden, extra, self.actions)

    @abstractmethod
    def learn(self, batch: Sequences) -> None:
        """One gradient step."""

    @abstractmethod
    def choose(self, output: Tensor, mask: Tensor, epsilon: float) -> Tensor:
        """Actions (...) from heads' outputs and masks (..., n)."""

    @abstractmethod
    def perceptrons(self) -> dict[str, nn.Module]:
        """What corresponds to the agent's perceptrons, by their names."""

    def take_weights(self, networks: Mapping[str, FlatNetwork], row: int) -> None:
        """Copy the networks of seed number `row` of the agent."""
        prefixes = [p for p in ("", "target_") if hasattr(self, f"{p}members")]
        for members, trunk in ((getattr(self, f"{p}members"), networks[f"{p}trunk"]) for p in prefixes):
            cell, given = members.cell, [p[0, row, 0] for p in trunk.parameters]
            own = (members.first.weight, members.first.bias, cell.weight_ih, cell.bias_ih, cell.weight_hh)
            nothing = torch.zeros(2 * cell.hidden_size)
            _copy((*own, cell.bias_hh), (*given[:5], torch.cat([nothing, given[5]])))
        for name, module in self.perceptrons().items():
            _copy(module.parameters(), (p[0, row, 0] for p in networks[name].parameters))

    def optimizer_of(self, *networks: nn.Module, rate: float) -> torch.optim.Optimizer:
        """The configured optimiser over networks."""
        parameters = [p for network in networks for p in network.parameters()]
        if self.adam:
            return torch.optim.Adam(parameters, lr=rate)
        return torch.optim.RMSprop(parameters, lr=rate, alpha=RMS_DECAY, eps=RMS_EPSILON)

    def step_down(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """One gradient step."""
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], self.clip)
        optimizer.step()

    def seen(self, observation: Tensor) -> Tensor:
        """Observations (..., N, obs) and which member has them."""
        who = torch.eye(self.n).expand(*observation.shape[:-1], -1)
        return torch.cat([observation, who], -1) if self.see_member else observation

    def inputs(self, observation: Tensor, last: Tensor) -> Tensor:
        """What members read; `last` (..., N) int64 is what they did before, -1: nothing."""
        own = self.seen(observation)
        if not self.see_last:
            return own
        done = one_hot(last + 1, self.actions + 1)[..., 1:].float()
        obs = observation.shape[-1]
        return torch.cat([own[..., :obs], done, own[..., obs:]], -1)

    def sequence_inputs(self, batch: Sequences) -> Tensor:
        """What members read along episodes, (K, B, N, in)."""
        nothing = torch.full_like(batch.action[:1], -1)
        return self.inputs(batch.observation, torch.cat([nothing, batch.action[:-1]]))

    def returns(self, reward: Tensor, value: Tensor, batch: Sequences) -> Tensor:
        """TD(lambda) (K - 1, B) of rewards (K, B) and of states' values (K, B)."""
        later, found = value[-1], []
        for t in reversed(range(len(reward) - 1)):
            mixed = (1 - self.trace) * value[t + 1] + self.trace * later
            later = torch.where(batch.filled[t + 1] > 0, mixed, value[t + 1])
            later = reward[t] + self.discount * (1 - batch.terminated[t]) * later
            found.append(later)
        return torch.stack(found[::-1])


class PlainActing(Policy):
    """How a plain learner acts in E copies.

    Args:
        learner: of one seed.
        agent: whose epsilon counts.
    """

    def __init__(self, learner: PlainRecurrent, agent: RecurrentAgent) -> None:
        self.learner, self.agent = learner, agent
        self.hidden: Tensor | None = None  # (E, N, hidden)
        self.last: Tensor | None = None  # (E, N)

    @torch.no_grad()
    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        """See `Policy`; S is 1, masks are needed."""
        assert mask is not None
        learner, (copies, members) = self.learner, observation.shape[1:3]
        if self.hidden is None or self.last is None:
            self.hidden = torch.zeros(copies, members, learner.members.cell.hidden_size)
            self.last = torch.full((copies, members), -1)
        h = self.hidden * ~starting[0, :, None, None]
        inputs = learner.inputs(observation[0], self.last.masked_fill(starting[0, :, None], -1))
        z = torch.randn(copies, 1, learner.size).expand(-1, members, -1)
        output, h = learner.members(inputs.flatten(0, 1), h.flatten(0, 1), z.flatten(0, 1))
        self.hidden = h.view_as(self.hidden)
        self.last = learner.choose(output.unflatten(0, (copies, members)), mask[0], self.agent.epsilon)
        return self.last[None]


def _copy(own: Iterable[Tensor], given: Iterable[Tensor]) -> None:
    with torch.no_grad():
        for mine, values in zip(own, given, strict=True):
            mine.copy_(values)


def taken(values: Tensor, action: Tensor) -> Tensor:
    """Values (..., N) of actions (..., N) among those of all, (..., N, n)."""
    return values.gather(-1, action[..., None])[..., 0]


def mean_over(x: Tensor, filled: Tensor) -> Tensor:
    """Mean of x (K, B, ...) over filled steps and all further axes."""
    each = x.flatten(2).mean(-1) if x.dim() > 2 else x
    return (each * filled[: len(x)]).sum() / filled[: len(x)].sum()


class QMixer(nn.Module):
    """QMIX's mixing network."""

    def __init__(self, team: TeamSpec, config: QMIXConfig) -> None:
        super().__init__()
        n, state, width = team.n_agents, team.state_size, config.mixing_embedding
        hidden = (config.hypernet_hidden,) if config.hypernet_hidden else ()
        self.weight_1, self.weight_2 = mlp(state, hidden, n * width), mlp(state, hidden, width)
        self.bias_1, self.bias_2 = mlp(state, (), width), mlp(state, (width,), 1)

    def forward(self, values: Tensor, state: Tensor) -> Tensor:
        """Team values (K, B) of members' values (K, B, N) and states (K, B, state)."""
        s, q = state.flatten(0, 1), values.flatten(0, 1)[:, None]
        hidden = elu(
            torch.bmm(q, self.weight_1(s).abs().view(len(s), q.shape[2], -1)) + self.bias_1(s)[:, None]
        )
        total = torch.bmm(hidden, self.weight_2(s).abs()[..., None]) + self.bias_2(s)[..., None]
        return total.view(values.shape[:2])


class PlainQMIX(PlainRecurrent):
    """QMIX of one seed."""

    def __init__(self, team: TeamSpec, config: QMIXConfig) -> None:
        super().__init__(team, config, 0)
        self.mixer = QMixer(team, config)
        self.target_members, self.target_mixer = deepcopy(self.members), deepcopy(self.mixer)
        self.optimizer = self.optimizer_of(self.members, self.mixer, rate=config.learning_rate)

    def loss(self, batch: Sequences) -> Tensor:
        """(Q_tot - y)^2, with double Q-learning."""
        inputs = self.sequence_inputs(batch)
        nothing = inputs[..., :0]
        values = self.members.along(inputs, nothing)
        with torch.no_grad():
            target = self.target_members.along(inputs, nothing)
            greedy = values.masked_fill(~batch.mask, -torch.inf).argmax(-1)
            after = self.target_mixer(taken(target, greedy), batch.state)
            y = self.returns(batch.reward, after, batch)
        total = self.mixer(taken(values[:-1], batch.action[:-1]), batch.state[:-1])
        return mean_over((total - y).square(), batch.filled)

    def learn(self, batch: Sequences) -> None:
        """See `PlainRecurrent`."""
        self.step_down(self.loss(batch), self.optimizer)

    def choose(self, output: Tensor, mask: Tensor, epsilon: float) -> Tensor:
        """Epsilon-greedy."""
        anything = Categorical(mask.float(), validate_args=False).sample()
        best = output.masked_fill(~mask, -torch.inf).argmax(-1)
        return torch.where(torch.rand(best.shape) < epsilon, anything, best)

    def perceptrons(self) -> dict[str, nn.Module]:
        """See `PlainRecurrent`."""
        found: dict[str, nn.Module] = {"head": self.members.head, "target_head": self.target_members.head}
        for prefix, mixer in (("", self.mixer), ("target_", self.target_mixer)):
            found |= {f"{prefix}mixer_{name}": part for name, part in mixer.named_children()}
        return found
