"""MA-AC: multi-agent actor-critic, the baseline that VM3-AC reduces to with beta = 0 and no latent variable.

Source: Kim, Jung, Cho, Sung, "A Variational Approach to Mutual Information-Based Coordination for Multi-
Agent Reinforcement Learning", AAMAS 2023, sections 5 and 6; equation numbers below are that paper's. Each
member has a policy pi_i(a_i | o_i), a value V_i(x), its moving average and two action values Q_i(x, a),
where x joins all observations or is the state. MA-SAC and VM3-AC are this algorithm with more terms; the
file of each holds only what it adds.

Choices the paper leaves open, ours unless a source is given:
- Policies are Gaussians squashed by tanh (Haarnoja et al. 2018).
- All losses of one step read the parameters before that step; then all networks step together.
- (16), (18) and (20) are summed over members, each member's gradient being its own.
- With beta = 0 nothing keeps the policy from becoming deterministic and its means from running into the
  flat parts of tanh. Hence a floor under log std, Gaussian exploration noise and MADDPG's penalty on means
  before squashing, with a larger weight. They soften the collapse; they do not cure it, and MA-AC's
  weakness is no finding about mutual information.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..envs.base import TeamSpec
from .base import Policy
from .gaussian import squashed_sample
from .networks import Adam, StackedMLP
from .off_policy import ExploringPolicy, OffPolicyAgent, OffPolicyConfig
from .replay import Batch
from .settings import SettingError
from .streams import Streams

SATURATED = 2.6467
"""|mean| beyond which |tanh(mean)| > 0.99."""


@dataclass(frozen=True)
class MAACConfig(OffPolicyConfig):
    """Settings of MA-AC."""

    log_std_min: float = -5.0
    """Lower bound of log std, ours; MA-SAC's is that of Haarnoja et al."""
    log_std_max: float = 2.0
    """Upper bound of log std (github.com/haarnoja/sac)."""
    exploration_noise: float = 0.1
    """Standard deviation of Gaussian noise added to sampled actions, ours."""
    mean_penalty: float = 0.01
    """Weight in the policy loss of the mean square of means before squashing, ours (MADDPG's code: 1e-3)."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        if self.log_std_min > self.log_std_max:
            raise SettingError(
                f"setting 'log_std_min' must not exceed {self.log_std_max}, not {self.log_std_min}"
            )
        if self.exploration_noise < 0:
            raise SettingError(
                f"setting 'exploration_noise' must be at least 0, not {self.exploration_noise}"
            )


@dataclass
class Fresh:
    """Actions drawn from the present policies at replayed observations."""

    action: Tensor  # (S, N, B, act), with gradient into the policies
    log_prob: Tensor  # (S, N, B), log density of `action`, with gradient
    mean: Tensor  # (S, N, B, act), before squashing, with gradient
    log_std: Tensor  # (S, N, B, act)
    joint: Tensor  # (S, B, N * act), the same actions without gradient


class MAAC(OffPolicyAgent):
    """Multi-agent actor-critic."""

    config_class = MAACConfig
    config: MAACConfig
    needs_next_observation = False

    def __init__(
        self, team: TeamSpec, config: MAACConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        n, obs, act, hidden = team.n_agents, team.observation_size, team.action_size, config.hidden
        streams = self.streams
        self.actor = StackedMLP(n, (obs + self.latent_size, *hidden, 2 * act), streams["init actor"])
        self.value = StackedMLP(n, (self.x_size, *hidden, 1), streams["init value"])
        self.critic = StackedMLP(n, (self.x_size + n * act, *hidden, 1), streams["init critic"], twins=2)
        self.target_value = self.value.copy()
        self.own_columns = self.x_size + torch.arange(n * act, device=self.device).view(n, act)
        self.optimizer = Adam(self.trained_networks(), config.learning_rate)

    @property
    def latent_size(self) -> int:
        """Numbers of the latent variable that policies read; none here."""
        return 0

    def trained_networks(self) -> list[StackedMLP]:
        """The networks that the optimiser steps."""
        return [self.actor, self.value, self.critic]

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step of Algorithm 1: every loss, one step of all networks, the moving average."""
        fresh = self.draw_actions(batch)
        losses = self.losses(batch, fresh)
        torch.cat([loss.flatten() for loss in losses.values()]).sum().backward()
        self.optimizer.step()
        self.target_value.track(self.value, self.config.target_rate)
        return {name: loss.detach().mean(1) for name, loss in losses.items()} | self.spread(fresh)

    def losses(self, batch: Batch, fresh: Fresh) -> dict[str, Tensor]:
        """Losses (S, networks) by name."""
        joint = torch.cat([batch.x, fresh.joint], -1)
        q1 = self.critic.frozen(joint, own=fresh.action, columns=self.own_columns, twin=0)[..., 0]
        q2 = self.critic.frozen(joint, twin=1)[..., 0]
        return {
            "critic_loss": self.critic_loss(batch),
            "value_loss": self.value_loss(batch, fresh, torch.minimum(q1, q2)),
            "actor_loss": self.actor_loss(batch, fresh, q1),
        }

    def critic_loss(self, batch: Batch) -> Tensor:
        """Loss (S, N) of the action values, (18) with the target (19), both twins."""
        after = self.target_value.frozen(batch.next_x)[..., 0]
        target = batch.reward + self.config.discount * batch.bootstrap * after
        q = self.critic(torch.cat([batch.x, batch.joint_action], -1))[..., 0]
        return 0.5 * (q - target).square().mean(-1).sum(0)

    def value_loss(self, batch: Batch, fresh: Fresh, q_min: Tensor) -> Tensor:
        """Loss (S, N) of the values, (16) with the target (17)."""
        target = (q_min + self.value_bonus(batch, fresh)).detach()
        v = self.value(batch.x)[..., 0]
        return 0.5 * (v - target).square().mean(-1)

    def actor_loss(self, batch: Batch, fresh: Fresh, q1: Tensor) -> Tensor:
        """Loss (S, N) of the policies, (20): the first action value, at all members' present actions."""
        penalty = self.config.mean_penalty * fresh.mean.square().mean(-1)
        return (penalty - q1 - self.policy_bonus(batch, fresh)).mean(-1)

    def value_bonus(self, batch: Batch, fresh: Fresh) -> Tensor:
        """What (17) adds to the action value, (S, N, B); nothing in MA-AC."""
        del batch
        return torch.zeros_like(fresh.log_prob)

    def policy_bonus(self, batch: Batch, fresh: Fresh) -> Tensor:
        """What (20) adds to the action value, (S, N, B); nothing in MA-AC."""
        del batch
        return torch.zeros_like(fresh.log_prob)

    def draw_actions(self, batch: Batch) -> Fresh:
        """Reparameterised actions of all members at the batch's observations."""
        mean, log_std = self.distribution(self.actor(batch.observation))
        action, log_prob, _ = squashed_sample(mean, log_std, self.policy_noise(mean))
        return Fresh(action, log_prob, mean, log_std, joint_actions(action))

    def distribution(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log std, each (..., act), from the policy network's output (..., 2 act)."""
        mean, log_std = output.chunk(2, -1)
        return mean, log_std.clamp(self.config.log_std_min, self.config.log_std_max)

    def policy_noise(self, mean: Tensor) -> Tensor:
        """Standard normal noise for the means (S, N, B, act) of one batch."""
        _, n, batch, act = mean.shape
        return self.streams.normal("policy", n, act, batch).transpose(-1, -2)

    def spread(self, fresh: Fresh) -> dict[str, Tensor]:
        """How wide the policies are and how many of their mean actions are stuck at the bounds, (S,)."""
        with torch.no_grad():
            stuck = (fresh.mean.abs() > SATURATED).float()
            return {"std": fresh.log_std.exp().mean((1, 2, 3)), "saturated": stuck.mean((1, 2, 3))}

    def networks(self) -> dict[str, StackedMLP]:
        """All networks by name."""
        return {
            "actor": self.actor,
            "value": self.value,
            "critic": self.critic,
            "target_value": self.target_value,
        }

    def optimizers(self) -> dict[str, Adam]:
        """The optimiser."""
        return {"adam": self.optimizer}

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """`"explore"`: sampled actions; `"greedy"`: the mean action."""
        if self._check_mode(mode) == "explore":
            return GaussianExploration(self, seed)
        return MeanPolicy(self, lambda _: None)

    def exploration_latent(self, streams: Streams, copies: int) -> Tensor | None:
        """The latent variable (S, 1, E, K) of one exploring step; none here."""
        del streams, copies
        return None


class GaussianExploration(ExploringPolicy):
    """Samples the policies, and adds the configured noise."""

    agent: MAAC

    def actions(self, observation: Tensor) -> Tensor:
        """Actions (S, N, E, act) for observations (S, N, E, obs)."""
        agent = self.agent
        _, n, copies, _ = observation.shape
        latent = agent.exploration_latent(self.streams, copies)
        mean, log_std = agent.distribution(agent.actor.frozen(with_latent(observation, latent)))
        noise = self.streams.normal("explore", n, copies, mean.shape[-1])
        action, _, _ = squashed_sample(mean, log_std, noise)
        if agent.config.exploration_noise > 0:
            extra = self.streams.normal("exploration noise", n, copies, mean.shape[-1])
            action = (action + agent.config.exploration_noise * extra).clamp(-1, 1)
        return action


class MeanPolicy(Policy):
    """Plays tanh of the mean; `latent` gives the latent variable (S, N, E, K) of a step, if there is one."""

    def __init__(self, agent: MAAC, latent: Callable[[Tensor], Tensor | None]) -> None:
        self.agent = agent
        self.latent = latent

    @torch.no_grad()
    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        """Actions (S, E, N, act)."""
        del mask
        own = self.agent.without_padding(observation).transpose(1, 2)
        output = self.agent.actor.frozen(with_latent(own, self.latent(starting)))
        return torch.tanh(self.agent.distribution(output)[0]).transpose(1, 2)


def joint_actions(action: Tensor) -> Tensor:
    """All members' actions side by side, (S, B, N * act), without gradient, from (S, N, B, act)."""
    return action.detach().transpose(1, 2).flatten(-2)


def with_latent(observation: Tensor, latent: Tensor | None) -> Tensor:
    """The policies' input (S, N, B, obs + K): observations (S, N, B, obs) and latents, broadcast to them."""
    if latent is None:
        return observation
    return torch.cat([observation, latent.expand(*observation.shape[:-1], -1)], -1)
