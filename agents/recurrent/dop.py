"""DOP: policy gradients weighed by a critic that is a weighted sum of members' critics.

Source: Wang, Han, Wang, Dong, Zhang, "DOP: Off-Policy Multi-Agent Decomposed Policy Gradients", ICLR 2021,
its stochastic form; code github.com/TonghanWang/DOP, learners/offpg_learner.py, config/algs/offpg_smac.yaml.
Q_tot = sum_i k_i(s) q_i(s, o_i, a_i) with positive weights k_i of sum 1. The critics learn TD(lambda) on the
latest episodes and a tree backup over a few steps on replayed ones; the policies learn on the latest episodes
alone, each with its own advantage.

Deviations:
- One step after the next is expected, not sampled: sum_a pi_i q_i, which the sum passes on exactly.
- A critic's gradient step takes a share of the episodes and all of their steps. The source takes all episodes
  and one time step, and so makes as many steps as the longest episode has, under fixed targets; its 600 of
  these between copies into the targets are a handful of batches. Here targets are fixed for `critic_steps`
  steps, and `target_interval` counts batches.
- The critics' on-policy episodes are the latest, as the policies' are, weighed against replayed ones by their
  numbers; the source takes half of its last 32. After its ring has begun anew, policies train on any of it.
- Epsilon's floor is part of the policies, in acting and losses, as in the source; masks come before the
  softmax, unless preset "published" is chosen.
- `bias` adds the paper's b(s), which the source leaves out.
- Gradient steps are counted in environment and gradient steps, as in `qmix.py`. Time limits bootstrap.

Budgets: ten million steps are published, with four copies and one batch for every four episodes. Runs on
several maps are reported to collapse after they have learned, or not to learn (github.com/hijkzzz/pymarl2,
issue 47). There is no bonus for entropy: what epsilon's floor does not find is not found. The latest episodes
teach the policies without correction for their age: with many copies, raise `on_batch_size` to their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..memory.episodes import Sequences
from ..networks.dop_mixing import LinearMixer
from ..networks.flat import FlatNetwork
from ..networks.optimizing import Optimizer, optimizer
from ..networks.sequences import SequenceMLP
from .episode_agent import EpisodeReplayAgent
from .returns import following, lambda_returns, masked_mean
from .schedules import entropy, log_of, policy_probabilities
from .settings import EpisodeReplayConfig
from .stochastic import StochasticMembers, taken


@dataclass(frozen=True)
class DOPConfig(EpisodeReplayConfig):
    """Settings of DOP; the values are the source's unless another is given."""

    critic_learning_rate: float = 1e-4
    gradient_clip: float = 20.0
    epsilon_start: float = 0.5
    epsilon_steps: int = 500_000
    on_batch_size: int = 16
    """Latest episodes an update; `batch_size` counts the replayed ones."""
    updates_per_step: float = 1 / 128
    """Updates per environment step of one copy: one for every four episodes of 32 steps."""
    critic_steps: int = 8
    """Gradient steps of the critics an update, ours; each takes an equal share of the episodes."""
    target_interval: int = 10
    """Updates between copies into the targets: 600 steps of the source's critics."""
    trace: float = 0.8
    """Lambda of TD(lambda), on the latest episodes."""
    tree_trace: float = 0.93
    """Lambda of the tree backup."""
    tree_steps: int = 5
    """Steps that the tree backup looks ahead."""
    critic_hidden: int = 256
    """Width of the critics' two hidden layers."""
    mixing_embedding: int = 32
    bias: bool = False
    """Whether Q_tot has a value of the state beside the weighted sum."""
    mask_first: bool = True
    """Whether masks come before the softmax."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "published": {"mask_first": False},
        # Ours.
        "small": {
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "critic_learning_rate": 1e-3,
            "critic_hidden": 128,
            "epsilon_steps": 20_000,
            "updates_per_step": 1 / 64,
            "buffer_size": 2_000,
        },
    }

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        self.require_ranges(
            ("critic_learning_rate", 0, None),
            ("on_batch_size", 1, None),
            ("critic_steps", 1, min(self.on_batch_size, self.batch_size)),
            ("tree_trace", 0, 1),
            ("tree_steps", 0, None),
            ("critic_hidden", 1, None),
            ("mixing_embedding", 1, None),
        )


class DOP(StochasticMembers, EpisodeReplayAgent):
    """Decomposed off-policy policy gradients."""

    config_class = DOPConfig
    config: DOPConfig

    def __init__(
        self, team: TeamSpec, config: DOPConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        c = config
        self.actor_optimizer = self.optimizer_of(self.make_members())
        inputs = team.state_size + team.observation_size + team.n_agents * c.see_member
        sizes = (inputs, c.critic_hidden, c.critic_hidden, 1 + team.action_size)
        self.critic = SequenceMLP(sizes, self.streams["init critic"], self.n_networks)
        widths = (team.n_agents, team.state_size, c.mixing_embedding, c.bias)
        self.mixer = LinearMixer(*widths, self.streams["init mixer"])
        self.target_critic, self.target_mixer = self.critic.copy(), self.mixer.copy()
        self.critics = [self.critic, *self.mixer.parts.values()]
        self.critic_optimizer = optimizer(c.optimizer, self.critics, c.critic_learning_rate)

    @property
    def masks_first(self) -> bool:
        """See `StochasticMembers`."""
        return self.config.mask_first

    def networks(self) -> dict[str, FlatNetwork]:
        """All networks by name."""
        named: dict[str, FlatNetwork] = {"trunk": self.trunk, "head": self.head}
        pairs = (("", self.critic, self.mixer), ("target_", self.target_critic, self.target_mixer))
        for prefix, critic, mixer in pairs:
            named[f"{prefix}critic"] = critic
            named |= {f"{prefix}mixer_{name}": part for name, part in mixer.parts.items()}
        return named

    def optimizers(self) -> dict[str, Optimizer]:
        """One for the policies, one for the critics and their mixer."""
        return {"actor": self.actor_optimizer, "critic": self.critic_optimizer}

    @property
    def least_lanes(self) -> int:
        """One for each of the critics' steps."""
        return self.config.critic_steps

    def policies(self, batch: Sequences) -> Tensor:
        """Probabilities with epsilon's floor, (S, K, B, N, n)."""
        return policy_probabilities(self.logits(batch), batch.mask, self.epsilon, self.config.mask_first)

    def critic_inputs(self, batch: Sequences) -> Tensor:
        """What the critics read, (S, K, B, N, in): the state, a member's observation, and which it is."""
        lead = batch.observation.shape[:-1]
        parts = [batch.state[..., None, :].expand(*lead, -1), batch.observation]
        if self.config.see_member:
            parts.append(self._identities.expand(*lead, -1))
        return torch.cat(parts, -1)

    def values(self, network: SequenceMLP, batch: Sequences, is_trained: bool = False) -> Tensor:
        """Q_i(s, o_i, .), (S, K, B, N, n): a value and advantages, simply added."""
        output = (network if is_trained else network.frozen)(self.critic_inputs(batch))
        return output[..., :1] + output[..., 1:]

    @torch.no_grad()
    def next_totals(self, batch: Sequences, probability: Tensor) -> tuple[Tensor, Tensor]:
        """Targets' Q_tot of what was played, and what is expected of each step's successor, (S, K, B)."""
        values = self.values(self.target_critic, batch)
        played = self.target_mixer.mixed(taken(values, batch.action), batch.state)
        expected = self.target_mixer.mixed((probability * values).sum(-1), batch.state)
        return played, following(expected)

    def on_policy_targets(self, batch: Sequences, probability: Tensor) -> Tensor:
        """TD(lambda), (S, K, B)."""
        c, (_, expected) = self.config, self.next_totals(batch, probability)
        return lambda_returns(batch.reward, expected, batch.terminated, batch.filled, c.discount, c.trace)

    def off_policy_targets(self, batch: Sequences, probability: Tensor) -> Tensor:
        """The tree backup, (S, K, B), from policies (S, K, B, N, n).

        Q_tot(a_t) + sum over l = 0 .. tree_steps - 1 of prod over u = 1 .. l of [discount tree_trace
        pi(a_t+u)] times delta_t+l, with delta = r + discount (1 - d) E_pi Q_tot' - Q_tot(a) and pi(a) the
        probability of the joint action; it ends with the episode.
        """
        c, (played, expected) = self.config, self.next_totals(batch, probability)
        ahead = batch.reward + c.discount * (1 - batch.terminated) * expected
        delta = (ahead - played) * batch.filled
        joint = taken(probability, batch.action).prod(-1)
        weight = c.discount * c.tree_trace * joint * batch.filled
        total, through = played, torch.ones_like(delta)
        for _ in range(c.tree_steps):
            total = total + through * delta
            delta, through = following(delta), through * following(weight)
            weight = following(weight)
        return total

    def critic_loss(self, batch: Sequences, target: Tensor) -> Tensor:
        """(Q_tot - y)^2 averaged over steps, (S,)."""
        values = self.values(self.critic, batch, is_trained=True)
        total = self.mixer.mixed(taken(values, batch.action), batch.state, is_trained=True)
        return masked_mean((total - target).square(), batch.filled)

    def actor_loss(self, batch: Sequences, probability: Tensor) -> Tensor:
        """-k_i(s) [q_i(a_i) - sum_a pi_i q_i] log pi_i(a_i), mean over members and steps, (S,)."""
        with torch.no_grad():
            values, weights = self.values(self.critic, batch), self.mixer.weights(batch.state)
            advantage = weights * (taken(values, batch.action) - (probability * values).sum(-1))
        log_p = log_of(taken(probability, batch.action))
        return masked_mean(-advantage * log_p, batch.filled)

    def learn(self, batch: Sequences) -> dict[str, Tensor]:
        """Steps of the critics on the latest and on replayed episodes, then one of the policies."""
        return self.learn_from(self.replay.latest(self.config.on_batch_size, self.least_lanes), batch)

    def learn_from(self, latest: Sequences, replayed: Sequences) -> dict[str, Tensor]:
        """`learn` from the latest and from replayed episodes."""
        probability = self.policies(latest)
        with torch.no_grad():
            of_replayed = self.policies(replayed)
        target = self.on_policy_targets(latest, probability.detach())
        replayed_target = self.off_policy_targets(replayed, of_replayed)
        c, critic_losses = self.config, []
        steps, weight = c.critic_steps, c.on_batch_size / (c.on_batch_size + c.batch_size)
        for k in range(steps):
            on = self.critic_loss(share(latest, k, steps), target[:, :, k::steps])
            off = self.critic_loss(share(replayed, k, steps), replayed_target[:, :, k::steps])
            loss = weight * on + (1 - weight) * off
            self.step_down(loss, self.critics, self.critic_optimizer)
            critic_losses.append(loss.detach())
        actor_loss = self.actor_loss(latest, probability)
        self.step_down(actor_loss, [self.trunk, self.head], self.actor_optimizer)
        return {
            "actor_loss": actor_loss.detach(),
            "critic_loss": torch.stack(critic_losses, -1).mean(-1),
            "entropy": masked_mean(entropy(probability.detach()), latest.filled),
        }


def share(batch: Sequences, first: int, every: int) -> Sequences:
    """Of a batch of whole episodes the `first` sequence and each `every`-th after it, for the critics."""
    rows = {name: getattr(batch, name)[:, :, first::every] for name in Sequences._fields[:7]}
    return batch._replace(**rows, starting=None, extra={})
