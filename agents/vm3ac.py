"""VM3-AC: variational maximum mutual information multi-agent actor-critic.

Source: Kim, Jung, Cho, Sung, "A Variational Approach to Mutual Information-Based Coordination for Multi-
Agent Reinforcement Learning", AAMAS 2023; equation numbers are that paper's. MA-SAC plus a latent variable
z that all members' policies read, and networks q(a_j | a_i, o_i, o_j) that predict one member's action from
another's: entropy plus predictability is a lower bound (6) on the mutual information between simultaneous
actions.

Misprints resolved: the last equality of (6) has a plus where a product sign stands; (13) sums over j != i of
log q(a_i, a_j); in (16) Q_min reads the joint action; Algorithm 1 trains theta and psi by (18) and (16).

Deviations and choices the paper leaves open, ours:
- The latent of a stored step is not stored: each gradient step draws one z a transition, common to all
  members.
- (20) takes the other members' present actions under the same z, without gradient.
- Of (21) only term (b), log q(a_j | a_i, ..), reaches pi_i, through its input a_i, as the paper says. It
  does so in the backward pass that trains q, so `actor_loss` does not count it. Term (a) enters (17), with
  the network of the member that predicts.
- q is trained by (20)'s mean square error, with weight 1 instead of beta / N, which Adam's scale invariance
  makes nearly the same, and which also trains it at beta = 0.
- The constant of the Gaussian log density is dropped: in (17) it would be a bonus on the length of episodes.
- q predicts squashed actions through a tanh.
- entropy = "marginal" is NOT the paper's algorithm: it replaces -log pi(a_i | o_i, z) in (17) and (20) by
  the entropy of the mixture over z, estimated with 16 draws and the acting z; the paper takes the
  expectation outside the logarithm and so loses the incentive to use z.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..envs.base import TeamSpec
from .base import Policy
from .gaussian import normal_log_density, squashed_sample, tanh_log_slope
from .latent import LATENTS, latent_source
from .ma_ac import Fresh, GaussianExploration, MeanPolicy, joint_actions, with_latent
from .ma_sac import MASAC, MASACConfig
from .networks import StackedMLP
from .replay import Batch
from .settings import SettingError
from .streams import Streams

MARGINAL_DRAWS = 16
"""Draws of z, besides the acting one, that estimate the marginal entropy."""


@dataclass(frozen=True)
class VM3ACConfig(MASACConfig):
    """Settings of VM3-AC."""

    latent_size: int | None = None
    """Dimension of z; None: twice the action's (ours; the paper's values stand in an appendix not public)."""
    q_variance: float = 1.0
    """sigma^2 of the variational distribution, ours."""
    q_coef: float = 1.0
    """Weight on the terms in q, beside beta / N; 0 leaves them out, and the networks with them."""
    entropy: Literal["conditional", "marginal"] = "conditional"
    """Entropy given z, the paper's approximation, or of the mixture (7) over z, not the paper's algorithm."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        if self.latent_size is not None and self.latent_size < 0:
            raise SettingError(f"setting 'latent_size' must be at least 0, not {self.latent_size}")
        if not self.q_variance > 0:
            raise SettingError(f"setting 'q_variance' must be positive, not {self.q_variance}")


@dataclass
class Predicted(Fresh):
    """Fresh actions and how well members' actions are predicted from one another's."""

    prediction_error: Tensor | None  # (S, pairs, B), see `VM3AC.prediction_error`


class VM3AC(MASAC):
    """Variational maximum mutual information multi-agent actor-critic."""

    config_class = VM3ACConfig
    config: VM3ACConfig
    modes: ClassVar[tuple[str, ...]] = ("explore", "greedy", *LATENTS)

    def __init__(
        self, team: TeamSpec, config: VM3ACConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        self.config, self.team = config, team
        n, act = team.n_agents, team.action_size
        self.predicts = config.q_coef != 0 and n > 1
        super().__init__(team, config, seeds, device)
        pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
        self.source, self.target = torch.tensor(pairs, device=self.device).reshape(-1, 2).T
        self.reversed = torch.tensor([pairs.index((j, i)) for i, j in pairs], device=self.device)
        self.source_columns = torch.arange(act, device=self.device).expand(len(pairs), act)

    @property
    def latent_size(self) -> int:
        """Dimension K of z."""
        given = self.config.latent_size
        return 2 * self.team.action_size if given is None else given

    def trained_networks(self) -> list[StackedMLP]:
        """MA-SAC's networks and q, one for every ordered pair of members."""
        if not self.predicts:
            return super().trained_networks()
        n, obs, act = self.team.n_agents, self.team.observation_size, self.team.action_size
        sizes = (act + 2 * obs, *self.config.hidden, act)
        self.predictor = StackedMLP(n * (n - 1), sizes, self.streams["init predictor"])
        return [*super().trained_networks(), self.predictor]

    def draw_actions(self, batch: Batch) -> Predicted:
        """Reparameterised actions of all members under one fresh z a transition, and log q of every pair."""
        size = batch.observation.shape[2]
        latent = self.streams.normal("latent", size, self.latent_size)[:, None] if self.latent_size else None
        if latent is None or self.config.entropy == "conditional":
            mean, log_std = self.distribution(self.actor(with_latent(batch.observation, latent)))
            action, log_prob, _ = squashed_sample(mean, log_std, self.policy_noise(mean))
        else:
            action, log_prob, mean, log_std = self.draw_marginal(batch.observation, latent)
        error = self.prediction_error(batch, action) if self.predicts else None
        return Predicted(action, log_prob, mean, log_std, joint_actions(action), error)

    def prediction_error(self, batch: Batch, action: Tensor) -> Tensor:
        """|a_j - mu_{i->j}(a_i, o_i, o_j)|^2 for ordered pairs i, j, (S, pairs, B).

        One pass serves both halves of (20): its gradient trains q with weight 1, and reaches pi_i through
        the input a_i, never through the target a_j, with the weight that term (b) of (21) has in pi_i's
        loss.
        """
        own = with_gradient_scaled(action[:, self.source], self.q_weight / (2 * self.config.q_variance))
        observation = batch.observation
        inputs = torch.cat([own.detach(), observation[:, self.source], observation[:, self.target]], -1)
        mean = torch.tanh(self.predictor(inputs, own=own, columns=self.source_columns))
        return (action.detach()[:, self.target] - mean).square().sum(-1)

    def losses(self, batch: Batch, fresh: Fresh) -> dict[str, Tensor]:
        """MA-SAC's losses with the bonus below in (17), and (20)'s terms in q, (S, pairs)."""
        losses = super().losses(batch, fresh)
        if isinstance(fresh, Predicted) and fresh.prediction_error is not None:
            losses["prediction_loss"] = fresh.prediction_error.mean(-1)
        return losses

    def value_bonus(self, batch: Batch, fresh: Fresh) -> Tensor:
        """(17): entropy, and beta / N times the sum over j of log q(a_j | a_i) + log q(a_i | a_j), (S, N, B).

        log q up to its constant: -|a_j - mu|^2 / (2 sigma^2).
        """
        bonus = super().value_bonus(batch, fresh)
        if not isinstance(fresh, Predicted) or fresh.prediction_error is None:
            return bonus
        log_q = -fresh.prediction_error.detach() / (2 * self.config.q_variance)
        both_ways = (log_q + log_q[:, self.reversed]).unflatten(1, (self.team.n_agents, -1))
        return bonus + self.q_weight * both_ways.sum(2)

    @property
    def q_weight(self) -> float:
        """Beta / N, times the configured weight."""
        return self.config.q_coef * self.config.beta / self.team.n_agents

    def draw_marginal(self, observation: Tensor, latent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Actions under `latent`, with log densities of the mixture over z instead of given z.

        -log mean_k pi(a | o, z_k), z_0 the acting latent and z_1 .. z_16 drawn anew.
        """
        size, count = observation.shape[2], MARGINAL_DRAWS + 1
        others = self.streams.normal("marginal", MARGINAL_DRAWS * size, self.latent_size)[:, None]
        latents = torch.cat([latent, others], 2)
        output = self.actor(with_latent(observation.repeat(1, 1, count, 1), latents))
        means, log_stds = (part.unflatten(2, (count, size)) for part in self.distribution(output))
        mean, log_std = means[:, :, 0], log_stds[:, :, 0]
        action, _, u = squashed_sample(mean, log_std, self.policy_noise(mean))
        density = normal_log_density(u[:, :, None], means, log_stds).sum(-1).logsumexp(2) - log(count)
        return action, density - tanh_log_slope(u).sum(-1), mean, log_std

    def networks(self) -> dict[str, StackedMLP]:
        """All networks by name."""
        own = {"predictor": self.predictor} if self.predicts else {}
        return super().networks() | own

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """The paper's ways to act.

        `"explore"`: sampled actions, one z a step common to all members. The others play the mean action:
        `"greedy"` with z = 0; `"shared_seed"` with z from a generator that every member runs by itself;
        `"sampled"` with one z ~ N(0, I) a step common to all (needs communication); `"unshared"` with a z
        of each member's own, to see whether sharing matters.
        """
        if self._check_mode(mode) == "explore":
            return GaussianExploration(self, seed)
        n, size = self.team.n_agents, self.latent_size
        return MeanPolicy(
            self, latent_source(mode, self.seeds, n, size, 0 if seed is None else seed, self.device)
        )

    def exploration_latent(self, streams: Streams, copies: int) -> Tensor | None:
        """One z ~ N(0, I) a step and copy, common to all members, (S, 1, E, K)."""
        return (
            streams.normal("explore latent", copies, self.latent_size)[:, None] if self.latent_size else None
        )

    @torch.no_grad()
    def diagnose(self, observation: Tensor) -> dict[str, Tensor]:
        """Standard deviation of mean actions over 64 draws of z, averaged over states and actions, (S,)."""
        if not self.latent_size:
            return {}
        own = self.without_padding(observation).transpose(1, 2)[:, :, None]  # (S, N, 1, B, obs)
        draws = Streams(self.seeds, self.device, "diagnose").normal("latent", 64, 1, self.latent_size)
        s, n, _, b, _ = own.shape
        inputs = torch.cat([own.expand(s, n, 64, b, -1), draws[:, None].expand(s, n, 64, b, -1)], -1)
        mean, _ = self.distribution(self.actor.frozen(inputs.flatten(2, 3)))
        return {"latent_sd": torch.tanh(mean).unflatten(2, (64, b)).std(2).mean((1, 2, 3))}


def with_gradient_scaled(x: Tensor, factor: float) -> Tensor:
    """`x` itself, whose gradient is multiplied by `factor` on its way back."""
    return x.detach() + factor * (x - x.detach())
