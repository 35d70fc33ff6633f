"""Updates written as one would without stacking: a loop over seeds and members, `torch.nn` modules, autograd.

The reference that `bench speed` measures the agents against, and a second, independent form of their losses:
the tests ask both for the same numbers. Each learner holds one seed. Batches are those of `agents.replay`
without the seed axis.
Equation numbers are those of Kim et al., AAMAS 2023 (VM3-AC, MA-SAC) and Lowe et al. 2017 (MADDPG).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus

from ...agents.actor_critics.maddpg import MADDPGConfig
from ...agents.actor_critics.off_policy import OffPolicyAgent
from ...agents.actor_critics.vm3ac import VM3ACConfig
from ...agents.memory.replay import Batch
from ...agents.networks.flat import Network
from ...envs import TeamSpec

Losses = dict[str, list[Tensor]]
"""Scalars by name, one a network (critics: one a member)."""


def mlp(fan_in: int, hidden: Sequence[int], fan_out: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    sizes = (fan_in, *hidden, fan_out)
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@contextmanager
def frozen(networks: Iterable[nn.Module]) -> Iterator[None]:
    """No parameter of `networks` gets a gradient from what is computed inside."""
    parameters = [p for network in networks for p in network.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def track(targets: nn.ModuleList, sources: nn.ModuleList, rate: float) -> None:
    """Moving averages of parameters."""
    with torch.no_grad():
        for old, new in zip(targets.parameters(), sources.parameters(), strict=True):
            old.lerp_(new, rate)


class PlainLearner(nn.Module):
    """What both learners share: sizes, and taking over an agent's weights."""

    def __init__(self, team: TeamSpec) -> None:
        super().__init__()
        self.n, self.obs, self.act = team.n_agents, team.observation_size, team.action_size

    def take_weights(self, agent: OffPolicyAgent, row: int) -> None:
        """Copy the networks of seed number `row` of `agent`, matched by name."""
        own = dict(self.named_children())
        for name, stacked in agent.networks().items():
            if stacked.twins > 1:
                for twin in range(stacked.twins):
                    _copy(stacked, twin, row, own[f"{name}{twin + 1}"])
            else:
                _copy(stacked, 0, row, own[name])

    def learn(self, batch: Batch) -> Losses:
        """One gradient step of all networks."""
        raise NotImplementedError


class PlainVM3AC(PlainLearner):
    """VM3-AC of one seed; with `latent_size` 0 and `q_coef` 0 it is MA-SAC. Conditional entropy only.

    Losses stand as in the paper: (20) counts log q in the policies' losses, through a pass of q of its own,
    where `agents.vm3ac` gets the same gradients from the pass that trains q.

    Args:
        team: the task.
        config: VM3-AC's settings.
    """

    def __init__(self, team: TeamSpec, config: VM3ACConfig) -> None:
        super().__init__(team)
        n, obs, act, hidden = self.n, self.obs, self.act, config.hidden
        self.config = config
        self.latent_size = 2 * act if config.latent_size is None else config.latent_size
        self.pairs = [(i, j) for i in range(n) for j in range(n) if i != j] if config.q_coef else []
        self.actor = nn.ModuleList(mlp(obs + self.latent_size, hidden, 2 * act) for _ in range(n))
        self.value = nn.ModuleList(mlp(n * obs, hidden, 1) for _ in range(n))
        self.critic1 = nn.ModuleList(mlp(n * (obs + act), hidden, 1) for _ in range(n))
        self.critic2 = nn.ModuleList(mlp(n * (obs + act), hidden, 1) for _ in range(n))
        self.predictor = nn.ModuleList(mlp(act + 2 * obs, hidden, act) for _ in self.pairs)
        self.target_value = deepcopy(self.value).requires_grad_(False)
        trained = [p for p in self.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trained, lr=config.learning_rate)

    def learn(self, batch: Batch) -> Losses:
        """Algorithm 1: every loss, one step of all networks, the moving average."""
        size = batch.observation.shape[1]
        losses = self.losses(batch, torch.randn(self.n, size, self.act), torch.randn(size, self.latent_size))
        self.optimizer.zero_grad()
        torch.stack([loss for each in losses.values() for loss in each]).sum().backward()
        self.optimizer.step()
        track(self.target_value, self.value, self.config.target_rate)
        return losses

    def losses(self, batch: Batch, noise: Tensor, latent: Tensor) -> Losses:
        """All losses.

        Args:
            batch: observations (N, B, obs) and the rest likewise.
            noise: (N, B, act) standard normal, of the policies.
            latent: (B, latent_size), z, one a transition.
        """
        drawn = [self.sample(i, batch.observation[i], noise[i], latent) for i in range(self.n)]
        log_q, prediction_losses = self.predict(batch, [action for action, _, _ in drawn])
        others = [action.detach() for action, _, _ in drawn]
        weight = self.config.q_coef * self.config.beta / self.n
        losses: Losses = {name: [] for name in ("critic_loss", "value_loss", "actor_loss")}
        for i, (action, log_prob, mean) in enumerate(drawn):
            joint = torch.cat([batch.x, *others[:i], action, *others[i + 1 :]], -1)
            with frozen([self.critic1[i]]):
                q1 = self.critic1[i](joint)[:, 0]
            with torch.no_grad():
                target = torch.minimum(q1, self.critic2[i](joint)[:, 0]) - self.config.beta * log_prob
                target = target + weight * sum(log_q[pair] for pair in self.pairs if i in pair)
            predictable = weight * sum(log_q[pair] for pair in self.pairs if pair[0] == i)
            gain = q1 - self.config.beta * log_prob + predictable
            penalty = self.config.mean_penalty * mean.square().mean(-1)
            losses["critic_loss"].append(self.critic_loss(batch, i))
            losses["value_loss"].append(0.5 * mse_loss(self.value[i](batch.x)[:, 0], target))
            losses["actor_loss"].append((penalty - gain).mean())
        return losses | ({"prediction_loss": prediction_losses} if self.pairs else {})

    def sample(
        self, i: int, observation: Tensor, noise: Tensor, latent: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Member i's actions (B, act), their log densities (B,), and means (B, act) before squashing."""
        mean, log_std = self.actor[i](torch.cat([observation, latent], -1)).chunk(2, -1)
        log_std = log_std.clamp(self.config.log_std_min, self.config.log_std_max)
        u = mean + log_std.exp() * noise
        gaussian = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
        slope = 2 * (math.log(2) - u - softplus(-2 * u))  # log of 1 - tanh(u)^2
        return torch.tanh(u), (gaussian - slope).sum(-1), mean

    def predict(
        self, batch: Batch, actions: Sequence[Tensor]
    ) -> tuple[dict[tuple[int, int], Tensor], list[Tensor]]:
        """Every pair's log q(a_j | a_i, o_i, o_j) (B,), with gradient into a_i alone, and losses of q."""
        log_q, losses = {}, []
        for network, (i, j) in zip(self.predictor, self.pairs, strict=True):
            observations, other = [batch.observation[i], batch.observation[j]], actions[j].detach()
            with frozen([network]):
                guess = torch.tanh(network(torch.cat([actions[i], *observations], -1)))
            log_q[i, j] = -(other - guess).square().sum(-1) / (2 * self.config.q_variance)
            mean = torch.tanh(network(torch.cat([actions[i].detach(), *observations], -1)))
            losses.append((other - mean).square().sum(-1).mean())
        return log_q, losses

    def critic_loss(self, batch: Batch, i: int) -> Tensor:
        """(18) with the target (19), both action values of member i."""
        with torch.no_grad():
            after = self.target_value[i](batch.next_x)[:, 0]
            target = batch.reward[i] + self.config.discount * batch.bootstrap[0] * after
        joint = torch.cat([batch.x, batch.joint_action], -1)
        losses = [mse_loss(q(joint)[:, 0], target) for q in (self.critic1[i], self.critic2[i])]
        return 0.5 * (losses[0] + losses[1])


class PlainMADDPG(PlainLearner):
    """MADDPG of one seed.

    Args:
        team: the task.
        config: MADDPG's settings.
    """

    def __init__(self, team: TeamSpec, config: MADDPGConfig) -> None:
        super().__init__(team)
        self.config = config
        self.actor = nn.ModuleList(mlp(self.obs, config.hidden, self.act) for _ in range(self.n))
        self.critic = nn.ModuleList(
            mlp(self.n * (self.obs + self.act), config.hidden, 1) for _ in range(self.n)
        )
        self.target_actor = deepcopy(self.actor).requires_grad_(False)
        self.target_critic = deepcopy(self.critic).requires_grad_(False)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=config.learning_rate)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=config.learning_rate)

    def learn(self, batch: Batch) -> Losses:
        """All critics, then all actors, then the targets."""
        critic_losses = self.critic_losses(batch)
        self.critic_optimizer.zero_grad()
        torch.stack(critic_losses).sum().backward()
        self.critic_optimizer.step()
        actor_losses = [self.actor_loss(batch, i) for i in range(self.n)]
        self.actor_optimizer.zero_grad()
        torch.stack(actor_losses).sum().backward()
        self.actor_optimizer.step()
        track(self.target_critic, self.critic, self.config.target_rate)
        track(self.target_actor, self.actor, self.config.target_rate)
        return {"critic_loss": critic_losses, "actor_loss": actor_losses}

    def critic_losses(self, batch: Batch) -> list[Tensor]:
        """(6), one a member; the target takes all members' target actors."""
        assert batch.next_observation is not None
        joint = torch.cat([batch.x, batch.joint_action], -1)
        with torch.no_grad():
            after = [torch.tanh(a(o)) for a, o in zip(self.target_actor, batch.next_observation, strict=True)]
            next_joint = torch.cat([batch.next_x, *after], -1)
        losses = []
        for i in range(self.n):
            with torch.no_grad():
                value = self.target_critic[i](next_joint)[:, 0]
                target = batch.reward[i] + self.config.discount * batch.bootstrap[0] * value
            losses.append(mse_loss(self.critic[i](joint)[:, 0], target))
        return losses

    def actor_loss(self, batch: Batch, i: int) -> Tensor:
        """(5): own action from the actor, the others' from replay."""
        output = self.actor[i](batch.observation[i])
        stored = list(batch.joint_action.split(self.act, -1))
        stored[i] = torch.tanh(output)
        with frozen([self.critic[i]]):
            q = self.critic[i](torch.cat([batch.x, *stored], -1))[:, 0]
        return self.config.output_penalty * output.square().mean() - q.mean()


def _copy(stacked: Network, twin: int, row: int, networks: nn.Module) -> None:
    for member, network in enumerate(networks.children()):
        linears = [layer for layer in network.children() if isinstance(layer, nn.Linear)]
        for layer, linear in enumerate(linears):
            weight, bias = (p[twin, row, member] for p in stacked.parameters[2 * layer : 2 * layer + 2])
            with torch.no_grad():
                linear.weight.copy_(weight)
                linear.bias.copy_(bias)
