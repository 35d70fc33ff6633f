"""MA-AC: multi-agent actor-critic, the baseline that VM3-AC reduces to with beta = 0 and no latent variable.

Source: Kim, Jung, Cho, Sung, "A Variational Approach to Mutual Information-Based Coordination for Multi-
Agent Reinforcement Learning", AAMAS 2023, sections 5 and 6; equation numbers below are that paper's. Each
member has a policy pi_i(a_i | o_i), a value V_i(x), its moving average and two action values Q_i(x, a),
where x joins all observations or is the state. MA-SAC and VM3-AC are this algorithm with more terms; the
file of each holds only what it adds.

Choices the paper leaves open, ours unless a source is given:
- Policies are Gaussians squashed by tanh (Haarnoja et al. 2018), or, where actions are discrete, categorical
  over the allowed ones. Then (17) and (20) take the expectation over the member's own action, exactly
  (Christodoulou, "Soft Actor-Critic for Discrete Action Settings", 2019), the others' being sampled, so that
  no gradient passes through the critic.
- All losses of one step read the parameters before that step; then all networks step together.
- (16), (18) and (20) are summed over members, each member's gradient being its own.
- With beta = 0 nothing keeps the policy from becoming deterministic and its means from running into the
  flat parts of tanh. Hence a floor under log std, Gaussian exploration noise and MADDPG's penalty on means
  before squashing, with a larger weight. They soften the collapse; they do not cure it, and MA-AC's
  weakness is no finding about mutual information.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..envs.base import TeamSpec
from .acting import Exploration, MeanPolicy, joint_actions
from .base import Policy
from .building import critics, member_networks
from .categorical import chosen, distribution_of, masked, one_hot, with_every_own_action
from .flat import Adam, Network
from .gaussian import squashed_sample
from .off_policy import OffPolicyAgent, OffPolicyConfig
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
    """Standard deviation of Gaussian noise added to sampled actions, or the probability of a uniformly random
    one where actions are discrete; ours."""
    mean_penalty: float = 0.01
    """Weight in the policy loss of the mean square of means before squashing, or of logits; ours (MADDPG's
    code: 1e-3)."""

    policy_q: Literal["q1", "min"] = "q1"
    """Action value in (20): the first, as printed, or the smaller of both, as in (17)."""

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

    action: Tensor  # (S, N, B, act), with gradient into the policies; one-hot without it if discrete
    log_prob: Tensor  # (S, N, B), log density of `action`, or minus the entropy if discrete; with gradient
    mean: Tensor  # (S, N, B, act), before squashing, or logits; with gradient
    joint: Tensor  # (S, B, N * act), the same actions without gradient
    log_std: Tensor | None = None  # (S, N, B, act), of continuous actions
    before_squashing: Tensor | None = None  # (S, N, B, act), of continuous actions, with gradient
    probability: Tensor | None = None  # (S, N, B, n), of discrete actions, with gradient


class MAAC(OffPolicyAgent):
    """Multi-agent actor-critic."""

    config_class = MAACConfig
    config: MAACConfig
    action_kinds = ("continuous", "discrete")
    needs_next_observation = False

    def __init__(
        self, team: TeamSpec, config: MAACConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        n, obs, act = team.n_agents, team.observation_size, team.action_size
        streams, sizes = self.streams, (obs + self.latent_size, *config.hidden, self.head_size)
        self.actor = member_networks(team, config, sizes, streams["init actor"])
        self.value = critics(team, config, self.x_size, streams["init value"], with_actions=False)
        self.critic = critics(team, config, self.x_size, streams["init critic"], twins=2)
        self.target_value = self.value.copy()
        self.own_columns = self.x_size + torch.arange(n * act, device=self.device).view(n, act)
        self.optimizer = Adam(self.trained_networks(), config.learning_rate)

    @property
    def head_size(self) -> int:
        """Outputs of a policy network: logits, or means and log stds."""
        return self.team.action_size * (1 if self.is_discrete else 2)

    @property
    def latent_size(self) -> int:
        """Numbers of the latent variable that policies read; none here."""
        return 0

    def trained_networks(self) -> list[Network]:
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
        q1, q_min = self.action_values(batch, fresh)
        return {
            "critic_loss": self.critic_loss(batch),
            "value_loss": self.value_loss(batch, fresh, q_min),
            "actor_loss": self.actor_loss(batch, fresh, q1),
        }

    def action_values(self, batch: Batch, fresh: Fresh) -> tuple[Tensor, Tensor]:
        """Q for (20), with gradient into the policies, and the smaller of both Q for (17), (S, N, B)."""
        joint = torch.cat([batch.x, fresh.joint], -1)
        takes_min = self.config.policy_q == "min"
        if fresh.probability is not None:
            q1, q2 = self.critic.frozen(with_every_own_action(joint, self.own_columns))[..., 0]
            weights = fresh.probability.transpose(-1, -2)  # (S, N, n, B)
            q1, q_min = ((weights * q.view(weights.shape)).sum(2) for q in (q1, torch.minimum(q1, q2)))
        elif takes_min:
            q1, q2 = self.critic.frozen(joint, own=fresh.action, columns=self.own_columns)[..., 0]
            q_min = torch.minimum(q1, q2)
        else:
            q1 = self.critic.frozen(joint, own=fresh.action, columns=self.own_columns, twin=0)[..., 0]
            q_min = torch.minimum(q1, self.critic.frozen(joint, twin=1)[..., 0])
        return q_min if takes_min else q1, q_min

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
        """Loss (S, N) of the policies, (20): an action value at all members' present actions."""
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
        """Fresh actions of all members at the batch's observations."""
        return self.fresh_actions(self.actor(batch.observation), batch)

    def fresh_actions(self, output: Tensor, batch: Batch) -> Fresh:
        """Reparameterised (or categorical) actions from the policy networks' outputs (S, N, B, head)."""
        if self.is_discrete:
            probability, log_probability = distribution_of(masked(output, self.mask_of(batch)))
            action = self.sampled(probability)
            negative_entropy = (probability * log_probability).sum(-1)
            return Fresh(action, negative_entropy, output, joint_actions(action), probability=probability)
        mean, log_std = self.distribution(output)
        action, log_prob, u = squashed_sample(mean, log_std, self.policy_noise(mean))
        return Fresh(action, log_prob, mean, joint_actions(action), log_std, u)

    def sampled(self, probability: Tensor) -> Tensor:
        """One-hot actions from probabilities, both (S, N, B, n)."""
        uniform = self.streams.uniform("policy", *probability.shape[1:-1], low=0)
        return one_hot(chosen(probability.detach(), uniform), probability.shape[-1])

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
            if fresh.log_std is None:
                return {"entropy": -fresh.log_prob.mean((1, 2))}
            stuck = (fresh.mean.abs() > SATURATED).float()
            return {"std": fresh.log_std.exp().mean((1, 2, 3)), "saturated": stuck.mean((1, 2, 3))}

    def networks(self) -> dict[str, Network]:
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
        """`"explore"`: sampled actions; `"greedy"`: the mean or likeliest action."""
        if self._check_mode(mode) == "explore":
            return Exploration(self, seed)
        return MeanPolicy(self, lambda _: None)

    def exploration_latent(self, streams: Streams, copies: int) -> Tensor | None:
        """The latent variable (S, 1, E, K) of one exploring step; none here."""
        del streams, copies
        return None
