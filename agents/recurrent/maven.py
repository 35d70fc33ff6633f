"""MAVEN: QMIX whose members condition on a latent variable of the episode, and are recognised by it.

Source: Mahajan, Rashid, Samvelyan, Whiteson, "MAVEN: Multi-Agent Variational Exploration", NeurIPS 2019;
code github.com/AnujMahajanOxf/MAVEN, learners/noise_q_learner.py, modules/agents/noise_rnn_agent.py. One of K
values z is drawn when an episode starts and is common to the team. A member's values are W(z, member) h, with
h its recurrent state; the mixer reads z beside the state; a discriminator recognises z from the state and the
softmax of all members' values, and the gradient of its cross-entropy reaches the members too: it is a lower
bound on the mutual information between z and what the team does.

Deviations, beside those of `qmix.py`:
- The discriminator reads single steps; the source's published runs have one with a recurrent network.
- `intrinsic_coef` pays log q(z | s, a) - log p(z). The source's `mi_intrinsic`, off by default, pays -log q,
  the opposite.
- K = 1 leaves nothing to recognise: no latent input, no discriminator, QMIX.

The source's published runs (plot_keys/) have K = 16, `mi_loss` .001 or .01 and a learned prior of z; the
files in config/, with K = 2 and `mi_loss` 1, are not what its paper shows (issue 1 there). Evaluation draws z
uniformly, as the source's test mode. Budgets: as QMIX's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ..distributions.categorical import distribution_of, masked, one_hot
from ..episode_latent_agent import EpisodeLatentAgent
from ..memory.episodes import Sequences
from ..networks.flat import FlatNetwork
from ..networks.mixing import Mixer
from ..networks.sequences import SequenceMLP
from .latent_acting import LatentExplorer, LatentGreedy
from .qmix import QMIX, QMIXConfig
from .returns import masked_mean


@dataclass(frozen=True)
class MAVENConfig(QMIXConfig):
    """Settings of MAVEN."""

    hypernet_hidden: int = 0
    """Hidden layer of the mixer's hypernetworks; the source has none."""
    latent_values: int = 16
    """K, values of z: `noise_dim` in most of the source's published runs."""
    mi_coef: float = 1e-3
    """Weight of the discriminator's cross-entropy: `mi_loss` of the source's published runs."""
    intrinsic_coef: float = 0.0
    """Weight of the reward for being recognised (`mi_scaler`, off in the source)."""
    discriminator_hidden: int = 64
    """Hidden layer of the discriminator."""
    latent_policy: Literal["uniform", "learned"] = "uniform"
    """How z is drawn in training, ours; the source's published runs learn it."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = QMIXConfig.PRESETS

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        self.require_ranges(
            ("latent_values", 1, None),
            ("mi_coef", 0, None),
            ("intrinsic_coef", 0, None),
            ("discriminator_hidden", 1, None),
        )


class MAVEN(EpisodeLatentAgent, QMIX):
    """Multi-agent variational exploration."""

    config_class = MAVENConfig
    config: MAVENConfig

    def new_head(self) -> SequenceMLP:
        """W(z, member) h without the choice: for each value of z, each member and all, what it adds.

        The source's hypernetwork is one linear layer on z and the member, both one-hot: a sum of three
        matrices, initialised as that layer.
        """
        if not self.latent_size:
            return super().new_head()
        options = self.latent_size + self.team.n_agents + 1
        sizes = (self.config.hidden, options * self.team.action_size)
        bound = (options - 1) ** -0.5
        return SequenceMLP(sizes, self.streams["init head"], self.n_networks, bias=False, bound=bound)

    def new_mixer(self, state_size: int) -> Mixer:
        """QMIX's mixer, which reads z too."""
        return super().new_mixer(state_size + self.latent_size)

    def trained_networks(self) -> dict[str, FlatNetwork]:
        """QMIX's networks and the discriminator."""
        if not self.latent_size:
            return super().trained_networks()
        inputs = self.team.n_agents * self.team.action_size + self.team.state_size
        sizes = (inputs, self.config.discriminator_hidden, self.latent_size)
        self.discriminator = SequenceMLP(sizes, self.streams["init discriminator"])
        return super().trained_networks() | {"discriminator": self.discriminator}

    def further_rows(self) -> dict[str, tuple[int, ...]]:
        """Which z an episode was acted under."""
        return {"latent": ()} if self.latent_size else {}

    def values_under(self, parts: Tensor, z: Tensor) -> Tensor:
        """W(z, member) h, (S, K, B, N, n), from the head's outputs and z (S, K or 1, B) int64."""
        k, n = self.latent_size, self.team.action_size
        parts = parts.unflatten(-1, (-1, n))  # (S, K, B, N, values + members + 1, n)
        index = z[..., None, None, None].expand(*parts.shape[:4], 1, n)
        own = parts[..., k:-1, :].diagonal(dim1=3, dim2=4).movedim(-1, 3)
        return parts[..., :k, :].gather(-2, index)[..., 0, :] + own + parts[..., -1, :]

    def latent_of(self, batch: Sequences) -> Tensor:
        """Z of each row's episode, (S, K or 1, B) int64."""
        return batch.extra["latent"].long()

    def values_of(self, output: Tensor, batch: Sequences) -> Tensor:
        """Members' values of all actions under the stored z."""
        return self.values_under(output, self.latent_of(batch)) if self.latent_size else output

    def mixer_state(self, batch: Sequences) -> Tensor:
        """States and z."""
        if not self.latent_size:
            return batch.state
        z = one_hot(self.latent_of(batch), self.latent_size)
        return torch.cat([batch.state, z.expand(*batch.state.shape[:-1], -1)], -1)

    def log_q(self, batch: Sequences, values: Tensor) -> Tensor:
        """Log q(. | s, softmax of all members' values), (S, K, B, latent values)."""
        probability, _ = distribution_of(masked(values, batch.mask))
        logits = self.discriminator(torch.cat([probability.flatten(3), batch.state], -1))
        return torch.log_softmax(logits, -1)

    def learn(self, batch: Sequences) -> dict[str, Tensor]:
        """One gradient step on (TD error)^2 + mi_coef * cross-entropy."""
        if not self.latent_size:
            return super().learn(batch)
        values, z = self.action_values(batch), self.latent_of(batch)
        log_q = self.log_q(batch, values)
        right = log_q.gather(-1, z[..., None].expand(*log_q.shape[:-1], 1))[..., 0]
        paid = batch
        if self.config.intrinsic_coef > 0:
            bonus = right.detach() + log(self.latent_size)  # uniform z: -log p(z) = log K
            paid = batch._replace(reward=batch.reward + self.config.intrinsic_coef * bonus)
        loss, value = self.td_loss(paid, values)
        recognised = (log_q.argmax(-1) == z).float()
        surprise = masked_mean(-right, batch.filled)
        norm = self.step_down(
            loss + self.config.mi_coef * surprise, list(self.learned.values()), self.optimizer
        )
        return {
            "loss": loss.detach(),
            "value": value,
            "gradient_norm": norm,
            "discriminator_loss": surprise.detach(),
            "discriminator_accuracy": masked_mean(recognised, batch.filled),
        }

    def exploring(self, seed: int | None) -> LatentExplorer:
        """Epsilon-greedy under z of the prior."""
        return LatentExplorer(self, seed)

    def evaluated(self, seed: int | None) -> LatentGreedy:
        """The largest value under uniform z."""
        return LatentGreedy(self, seed)
