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
- q predicts squashed actions through a tanh; where actions are discrete it is categorical over the allowed
  ones, trained by cross-entropy, and term (b) is its exact expectation over a_i.
- entropy = "marginal" is NOT the paper's algorithm: it replaces -log pi(a_i | o_i, z) in (17) and (20) by
  the entropy of the mixture over z, estimated with 16 draws and the acting z; the paper takes the
  expectation outside the logarithm and so loses the incentive to use z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Policy
from ..distributions.latent import LATENTS, latent_source
from ..distributions.marginal import mixture_log_density, mixture_log_probability
from ..distributions.prediction import Predictor
from ..memory.replay import Batch
from ..networks.flat import Network
from ..settings import SettingError
from ..streams import Streams
from .acting import Exploration, MeanPolicy, with_latent
from .fresh import Fresh
from .ma_sac import MASAC, MASACConfig

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
    q_gradient: Literal["input", "both"] = "input"
    """Which terms of (21) reach pi_i: (b), as the paper says, or (a) and (b)."""
    log_density: Literal["mse", "full"] = "mse"
    """Whether log q in (17) leaves out the Gaussian's constant; "full" pays or charges for every step."""
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

    surprise: Tensor | None = None  # (S, pairs, B), see `Predictor.surprise`


class VM3AC(MASAC):
    """Variational maximum mutual information multi-agent actor-critic."""

    config_class = VM3ACConfig
    config: VM3ACConfig
    modes: ClassVar[tuple[str, ...]] = ("explore", "greedy", *LATENTS)

    def __init__(
        self, team: TeamSpec, config: VM3ACConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        self.predicts = config.q_coef != 0 and team.n_agents > 1
        super().__init__(team, config, seeds, device)

    @property
    def latent_size(self) -> int:
        """Dimension K of z."""
        given = self.config.latent_size
        return 2 * self.team.action_size if given is None else given

    def trained_networks(self) -> list[Network]:
        """MA-SAC's networks and q, one for every ordered pair of members."""
        if not self.predicts:
            return super().trained_networks()
        self.predictor = Predictor(self)
        return [*super().trained_networks(), self.predictor.network]

    def draw_actions(self, batch: Batch) -> Predicted:
        """Fresh actions of all members under one fresh z a transition, and log q of every pair."""
        size = batch.observation.shape[2]
        latent = self.streams.normal("latent", size, self.latent_size)[:, None] if self.latent_size else None
        if latent is None or self.config.entropy == "conditional":
            fresh = self.fresh_actions(self.actor(with_latent(batch.observation, latent)), batch)
        else:
            fresh = self.draw_marginal(batch, latent)
        surprise = None
        if self.predicts:
            surprise = self.predictor.surprise(batch.observation, fresh, self.mask_of(batch))
        return Predicted(**vars(fresh), surprise=surprise)

    def losses(self, batch: Batch, fresh: Fresh) -> dict[str, Tensor]:
        """MA-SAC's losses with the bonus below in (17), and (20)'s terms in q, (S, pairs)."""
        losses = super().losses(batch, fresh)
        if isinstance(fresh, Predicted) and fresh.surprise is not None:
            losses["prediction_loss"] = fresh.surprise.mean(-1)
        return losses

    def value_bonus(self, batch: Batch, fresh: Fresh) -> Tensor:
        """(17): entropy, and how well the member's action and the others' predict each other, (S, N, B)."""
        bonus = super().value_bonus(batch, fresh)
        if not isinstance(fresh, Predicted) or fresh.surprise is None:
            return bonus
        return bonus + self.predictor.bonus(fresh.surprise)

    def draw_marginal(self, batch: Batch, latent: Tensor) -> Fresh:
        """Actions under `latent`, with the entropy of the mixture over z instead of that given z."""
        observation = batch.observation
        size, count = observation.shape[2], MARGINAL_DRAWS + 1
        others = self.streams.normal("marginal", MARGINAL_DRAWS * size, self.latent_size)[:, None]
        latents = torch.cat([latent, others], 2)
        outputs = self.actor(with_latent(observation.repeat(1, 1, count, 1), latents))
        outputs = outputs.unflatten(2, (count, size))
        fresh = self.fresh_actions(outputs[:, :, 0], batch)
        if fresh.probability is not None:
            fresh.log_prob = mixture_log_probability(fresh.probability, outputs, self.mask_of(batch))
        elif fresh.before_squashing is not None:
            fresh.log_prob = mixture_log_density(fresh.before_squashing, *self.distribution(outputs))
        return fresh

    def networks(self) -> dict[str, Network]:
        """All networks by name."""
        own = {"predictor": self.predictor.network} if self.predicts else {}
        return super().networks() | own

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """The paper's ways to act.

        `"explore"`: sampled actions, one z a step common to all members. The others play the mean action:
        `"greedy"` with z = 0; `"shared_seed"` with z from a generator that every member runs by itself;
        `"sampled"` with one z ~ N(0, I) a step common to all (needs communication); `"unshared"` with a z
        of each member's own, to see whether sharing matters.
        """
        if self._check_mode(mode) == "explore":
            return Exploration(self, seed)
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
        """Standard deviation over 64 z of mean actions or probabilities, mean over all states, (S,)."""
        if not self.latent_size:
            return {}
        own = self.without_padding(observation).transpose(1, 2)[:, :, None]  # (S, N, 1, B, obs)
        draws = Streams(self.seeds, self.device, "diagnose").normal("latent", 64, 1, self.latent_size)
        s, n, _, b, _ = own.shape
        inputs = torch.cat([own.expand(s, n, 64, b, -1), draws[:, None].expand(s, n, 64, b, -1)], -1)
        output = self.actor.frozen(inputs.flatten(2, 3))
        played = torch.softmax(output, -1) if self.is_discrete else torch.tanh(self.distribution(output)[0])
        return {"latent_sd": played.unflatten(2, (64, b)).std(2).mean((1, 2, 3))}
