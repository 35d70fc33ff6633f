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
  before squashing, with a larger weight. They soften the collapse and do not cure it: MA-AC's weakness is
  no finding about mutual information.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Policy
from ..distributions.categorical import chosen, distribution_of, masked, one_hot, with_every_own_action
from ..distributions.gaussian import squashed_sample
from ..memory.replay import Batch
from ..networks.building import critics, member_networks
from ..networks.flat import Network
from ..networks.optimizing import Adam, Optimizer
from ..settings import SettingError
from ..streams import Streams
from .acting import Exploration, MeanPolicy, joint_actions
from .fresh import Fresh, moving_values, spread
from .off_policy import OffPolicyAgent
from .off_policy_config import OffPolicyConfig


@dataclass(frozen=True)
class MAACConfig(OffPolicyConfig):
    """Settings of MA-AC."""

    log_std_min: float = -5.0
    """Lower bound of log std, ours; MA-SAC's is that of Haarnoja et al."""
    log_std_max: float = 2.0
    """Upper bound of log std (github.com/haarnoja/sac)."""
    mean_penalty: float = 0.01
    """Weight in the policy loss of the mean square of means before squashing, or of logits; ours (MADDPG's
    code: 1e-3)."""
    policy_q: Literal["q1", "min"] = "q1"
    """Action value in (20): the first, as printed, or the smaller of both, as in (17)."""
    critic_target: Literal["value", "action_value"] = "value"
    """What (19) bootstraps from: the averaged value, as printed, or averaged action values at fresh actions
    with (17)'s terms, which leaves the value networks out (Haarnoja et al., "Soft Actor-Critic Algorithms and
    Applications", 2018)."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        if self.log_std_min > self.log_std_max:
            raise SettingError(
                f"setting 'log_std_min' must not exceed {self.log_std_max}, not {self.log_std_min}"
            )


class MAAC(OffPolicyAgent):
    """Multi-agent actor-critic."""

    config_class = MAACConfig
    config: MAACConfig
    action_kinds = ("continuous", "discrete")

    def __init__(
        self, team: TeamSpec, config: MAACConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        if self.is_discrete and config.policy_gradient == "joint":
            raise SettingError("setting 'policy_gradient' = 'joint' needs continuous actions")
        n, obs, act = team.n_agents, team.observation_size, team.action_size
        streams, sizes = self.streams, (obs + self.latent_size, *config.hidden, self.head_size)
        self.actor = member_networks(team, config, sizes, streams["init actor"])
        self.critic = critics(team, config, self.x_size, streams["init critic"], twins=2)
        if self.has_value:
            self.value = critics(team, config, self.x_size, streams["init value"], with_actions=False)
            self.target_value = self.value.copy()
        else:
            self.target_critic = self.critic.copy()
        self.own_columns = self.x_size + torch.arange(n * act, device=self.device).view(n, act)
        self.optimizer = Adam(self.trained_networks(), config.learning_rate)

    @property
    def has_value(self) -> bool:
        """Whether there are value networks."""
        return self.config.critic_target == "value"

    @property
    def needs_next_observation(self) -> bool:
        """Only where the target takes fresh actions."""
        return not self.has_value

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
        return [self.actor, *([self.value] if self.has_value else []), self.critic]

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step of Algorithm 1: every loss, one step of all networks, the moving average."""
        fresh = self.draw_actions(batch)
        losses = self.losses(batch, fresh)
        torch.cat([loss.flatten() for loss in losses.values()]).sum().backward()
        self.optimizer.step()
        if self.has_value:
            self.target_value.track(self.value, self.config.target_rate)
        else:
            self.target_critic.track(self.critic, self.config.target_rate)
        return {name: loss.detach().mean(1) for name, loss in losses.items()} | self.spread(fresh)

    def losses(self, batch: Batch, fresh: Fresh) -> dict[str, Tensor]:
        """Losses (S, networks) by name."""
        q1, q_min = self.action_values(batch, fresh)
        losses = {"critic_loss": self.critic_loss(batch)}
        if self.has_value:
            losses["value_loss"] = self.value_loss(batch, fresh, q_min)
        return losses | {"actor_loss": self.actor_loss(batch, fresh, q1)}

    def action_values(
        self, batch: Batch, fresh: Fresh, critic: Network | None = None
    ) -> tuple[Tensor, Tensor]:
        """Q for (20), with gradient into the policies, and the smaller of both Q for (17), (S, N, B)."""
        critic = critic or self.critic
        joint = torch.cat([batch.x, fresh.joint], -1)
        takes_min, everyone = self.config.policy_q == "min", self.config.policy_gradient == "joint"
        if fresh.probability is not None:
            q1, q2 = critic.frozen(with_every_own_action(joint, self.own_columns))[..., 0]
            weights = fresh.probability.transpose(-1, -2)  # (S, N, n, B)
            q1, q_min = ((weights * q.view(weights.shape)).sum(2) for q in (q1, torch.minimum(q1, q2)))
        elif takes_min:
            q1, q2 = moving_values(critic, joint, fresh.action, self.own_columns, everyone)
            q_min = torch.minimum(q1, q2)
        else:
            q1 = moving_values(critic, joint, fresh.action, self.own_columns, everyone, twin=0)
            q_min = torch.minimum(q1, critic.frozen(joint, twin=1)[..., 0])
        return q_min if takes_min else q1, q_min

    def critic_loss(self, batch: Batch) -> Tensor:
        """Loss (S, N) of the action values, (18) with the target (19), both twins."""
        after = self.target_value.frozen(batch.next_x)[..., 0] if self.has_value else self.value_after(batch)
        target = batch.reward + self.config.discount * batch.bootstrap * after
        q = self.critic(torch.cat([batch.x, batch.joint_action], -1))[..., 0]
        return 0.5 * (q - target).square().mean(-1).sum(0)

    @torch.no_grad()
    def value_after(self, batch: Batch) -> Tensor:
        """(17) at the successors and under the averaged critics, (S, N, B)."""
        assert batch.next_observation is not None
        mask = {"mask": batch.extra["next_mask"]} if self.is_discrete else {}
        extra = {**batch.extra, **mask}
        after = batch._replace(observation=batch.next_observation, x=batch.next_x, extra=extra)
        fresh = self.draw_actions(after)
        _, q_min = self.action_values(after, fresh, self.target_critic)
        return q_min + self.value_bonus(after, fresh)

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
        """What is recorded of the policies, (S,) each."""
        return spread(fresh)

    def networks(self) -> dict[str, Network]:
        """All networks by name."""
        common: dict[str, Network] = {"actor": self.actor, "critic": self.critic}
        if self.has_value:
            return {**common, "value": self.value, "target_value": self.target_value}
        return {**common, "target_critic": self.target_critic}

    def optimizers(self) -> dict[str, Optimizer]:
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
