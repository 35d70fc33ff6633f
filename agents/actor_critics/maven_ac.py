"""MAVEN-AC: multi-agent variational exploration carried onto MA-AC, a baseline of the VM3-AC paper.

Source: Mahajan, Rashid, Samvelyan, Whiteson, "MAVEN: Multi-Agent Variational Exploration", NeurIPS 2019; code
github.com/AnujMahajanOxf/MAVEN. All members condition on one latent variable z of an episode, of K values;
a discriminator q_v(z | x, a) recognises z from what the team does, and the team is rewarded for being
recognised: a lower bound H(z) + E[log q_v] on the mutual information between z and the team's behaviour.
MAVEN does so with QMIX and discrete actions. Kim et al., AAMAS 2023, section 6, put it "on top of MA-AC" and
say no more; there is no public code of that.

The carrying over is ours:
- Policies pi_i(a_i | o_i, z), action values Q_i(x, a, z) and values V_i(x, z) read z as a one-hot vector
  beside their other inputs. The z of a step is stored with it and stands for x and x'.
- q_v recognises z from single steps, as the source's form without a recurrent network. It is trained on
  replayed steps by the optimiser of the other networks; the source trains both on the present behaviour.
- Where the source differentiates through Boltzmann actions, the policies' loss here gets -mi_coef log q_v at
  reparameterised actions of all members, q_v frozen. One number serves the team: each member's gradient is
  that through its own action. `actor_loss` does not count it.
- z is uniform; `latent_policy = "learned"` chooses it as the source's hierarchical policy does (see
  `LatentPolicy`). Evaluation draws z uniformly, once an episode, as the source's test mode.
- Exploration differs between episodes through z; the noise of MA-AC stays, and so do its other remedies.
- K = 1 leaves nothing to recognise: no latent input, no discriminator, MA-AC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..distributions.categorical import one_hot
from ..episode_latent_agent import EpisodeLatentAgent
from ..memory.replay import Batch
from ..networks.flat import Network
from ..networks.stacked import StackedMLP
from ..settings import SettingError
from .acting import joint_actions, with_latent
from .fresh import Fresh
from .latent_acting import EpisodeExploration, EpisodeMean
from .ma_ac import MAAC, MAACConfig

DISCRIMINATOR_HIDDEN = (64,)
"""Hidden layers of q_v, ours; the source has one of 32 or three of 64."""


@dataclass(frozen=True)
class MAVENACConfig(MAACConfig):
    """Settings of MAVEN-AC."""

    latent_values: int = 16
    """K, values of z: `noise_dim` in most of the source's published runs (plot_keys/)."""
    mi_coef: float = 1e-3
    """Weight of log q_v in the policies' loss: `mi_loss`, .001 or .01 in the source's published runs."""
    latent_policy: Literal["uniform", "learned"] = "uniform"
    """How z is drawn in training, ours; the source's published runs learn it."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        if self.latent_values < 1:
            raise SettingError(f"setting 'latent_values' must be at least 1, not {self.latent_values}")
        if not self.mi_coef >= 0:
            raise SettingError(f"setting 'mi_coef' must be at least 0, not {self.mi_coef}")


class MAVENAC(EpisodeLatentAgent, MAAC):
    """Multi-agent variational exploration with an actor-critic."""

    config_class = MAVENACConfig
    config: MAVENACConfig
    action_kinds = ("continuous",)

    @property
    def x_size(self) -> int:
        """Numbers that centralised critics read besides actions: MA-AC's, and z."""
        return super().x_size + self.latent_size

    def trained_networks(self) -> list[Network]:
        """MA-AC's networks and q_v, one for the team."""
        if not self.latent_size:
            return super().trained_networks()
        x_size, actions = super().x_size, self.team.n_agents * self.team.action_size
        sizes = (x_size + actions, *DISCRIMINATOR_HIDDEN, self.latent_size)
        self.discriminator = StackedMLP(1, sizes, self.streams["init discriminator"])
        self.action_columns = x_size + torch.arange(actions, device=self.device)[None]
        return [*super().trained_networks(), self.discriminator]

    def further_rows(self) -> dict[str, int]:
        """MA-AC's rows and which z a step was acted under."""
        return super().further_rows() | ({"latent": 1} if self.latent_size else {})

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step; `Batch.x` and `Batch.next_x` end with the z of the step, one-hot."""
        if not self.latent_size:
            return super().learn(batch)
        z = one_hot(batch.extra["latent"][..., 0].long(), self.latent_size)
        x, next_x = (torch.cat([part, z], -1) for part in (batch.x, batch.next_x))
        return super().learn(batch._replace(x=x, next_x=next_x))

    def without_latent(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The x of MA-AC (S, B, x), and one-hot z (S, B, K), of a batch as `learn` makes it."""
        return batch.x[..., : -self.latent_size], batch.x[..., -self.latent_size :]

    def draw_actions(self, batch: Batch) -> Fresh:
        """Fresh actions of all members under the stored z."""
        if not self.latent_size:
            return super().draw_actions(batch)
        _, z = self.without_latent(batch)
        return self.fresh_actions(self.actor(with_latent(batch.observation, z[:, None])), batch)

    def losses(self, batch: Batch, fresh: Fresh) -> dict[str, Tensor]:
        """MA-AC's losses, and those of q_v and of being recognised, each (S, 1)."""
        losses = super().losses(batch, fresh)
        if self.latent_size:
            losses["discriminator_loss"] = self.discriminator_loss(batch)
            if self.config.mi_coef > 0:
                losses["information_loss"] = self.information_loss(batch, fresh)
        return losses

    def discriminator_loss(self, batch: Batch) -> Tensor:
        """Loss (S, 1) of the discriminator: -log q_v(z | x, a) of replayed steps."""
        x, z = self.without_latent(batch)
        return -log_q(self.discriminator(torch.cat([x, batch.joint_action], -1)), z).mean(-1)

    def information_loss(self, batch: Batch, fresh: Fresh) -> Tensor:
        """Loss (S, 1) of being recognised: -mi_coef log q_v(z | x, a_1(z) .. a_N(z)), q_v frozen."""
        x, z = self.without_latent(batch)
        own = fresh.action.transpose(1, 2).flatten(-2)[:, None]
        joint = torch.cat([x, fresh.joint], -1)
        logits = self.discriminator.frozen(joint, own=own, columns=self.action_columns)
        return -self.config.mi_coef * log_q(logits, z).mean(-1)

    def networks(self) -> dict[str, Network]:
        """All networks by name."""
        own: dict[str, Network] = {"discriminator": self.discriminator} if self.latent_size else {}
        return {**super().networks(), **own}

    def exploring(self, seed: int | None) -> EpisodeExploration:
        """Samples the policies under z of the prior."""
        return EpisodeExploration(self, seed)

    def evaluated(self, seed: int | None) -> EpisodeMean:
        """Mean actions under uniform z."""
        return EpisodeMean(self, seed)

    @torch.no_grad()
    def diagnose(self, observation: Tensor) -> dict[str, Tensor]:
        """Whether z is used, on mean actions under every z, (S,).

        `latent_sd`: their standard deviation over z, averaged over states and actions;
        `discriminator_accuracy`: how often q_v names the right z, by chance 1 / K.
        """
        k = self.latent_size
        if not k:
            return {}
        clean = self.without_padding(observation)
        b, every = clean.shape[1], torch.eye(k, device=self.device)
        z = every.repeat_interleave(b, 0)  # (K * B, K)
        own = clean.transpose(1, 2).repeat(1, 1, k, 1)
        mean, _ = self.distribution(self.actor.frozen(with_latent(own, z)))
        played = torch.tanh(mean)
        measures = {"latent_sd": played.unflatten(2, (k, b)).std(2).mean((1, 2, 3))}
        if self.config.critic_input == "observations":
            x = clean.flatten(-2).repeat(1, k, 1)
            logits = self.discriminator.frozen(torch.cat([x, joint_actions(played)], -1))[:, 0]
            right = logits.argmax(-1) == z.argmax(-1)
            measures["discriminator_accuracy"] = right.float().mean(-1)
        return measures


def log_q(logits: Tensor, z: Tensor) -> Tensor:
    """Log probabilities (S, 1, B) of one-hot z (S, B, K) under logits (S, 1, B, K)."""
    return (torch.log_softmax(logits, -1) * z[:, None]).sum(-1)
