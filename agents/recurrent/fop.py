"""FOP: soft actor-critics whose joint policy is factorised through weighed advantages.

Source: Zhang, Li, Wang, Xie, Lu, "FOP: Factorizing Optimal Joint Policy of Maximum-Entropy Multi-Agent
Reinforcement Learning", ICML 2021; code github.com/liyheng/FOP, learners/fop_learner.py. (Another code by the
same group, github.com/PKU-RL/FOP-DMAC-MACPF, weighs the q_i too and adds an attention penalty; it is not
followed.) Members' policies pi_i are recurrent; two critics q_i read a member's present observation; Q_tot is
`FOPMixer`'s; everything learns from replayed episodes, with TD(lambda) and without correction.

Deviations:
- The critics' target counts the policies' entropy inside TD(lambda): discounted, summed over members, cut at
  true ends. The source adds the members' mean outside of it, undiscounted, past ends too (`entropy_target`).
- v_i is taken over allowed actions; the source's counts the forbidden too (`soft_value`).
- The losses see the softmax policies; in the source they see them with the floor that exploration puts under
  them (`policy_in_losses`). Preset "published" is the source in these points, masks after the softmax
  included.
- Both losses see all networks as they were before the step; the source steps the policies first.
- Gradient steps and copies into the targets are counted in environment and gradient steps, and episodes are
  sampled with replacement, as in `qmix.py`. Time limits bootstrap.

Budgets: published curves take two million steps with one gradient step an episode; the temperature alone
falls for 90 000 steps. Entropy inside TD(lambda) adds up over members and steps, so that the published
temperatures weigh far more than in the source: where an episode pays about 20 they teach members to keep away
from its end until they have fallen. Set lower ones (preset "small": .05 to .02), or `entropy_target` =
"outside".
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..distributions.categorical import chosen, distribution_of, masked
from ..memory.episodes import Sequences
from ..networks.flat import FlatNetwork
from ..networks.fop_mixing import FOPCritic, FOPMixer, soft_value
from ..networks.optimizing import Optimizer, optimizer
from ..networks.sequences import SequenceMLP
from .episode_agent import EpisodeReplayAgent
from .fop_settings import FOPConfig
from .returns import following, lambda_returns, masked_mean
from .schedules import linear_schedule, log_of, policy_probabilities
from .stochastic import StochasticMembers, taken


class FOP(StochasticMembers, EpisodeReplayAgent):
    """Factorised optimal joint policies."""

    config_class = FOPConfig
    config: FOPConfig

    def __init__(
        self, team: TeamSpec, config: FOPConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        c, n = config, team.action_size
        self.actor_optimizer = self.optimizer_of(self.make_members(self.head_extra))
        inputs = team.observation_size + team.n_agents * c.see_member
        sizes = (inputs, c.critic_hidden, c.critic_hidden, n)
        widths = (team.n_agents, n, team.state_size, c.mixing_embedding, c.heads)
        self.critics = [
            FOPCritic(
                SequenceMLP(sizes, self.streams[f"init critic {k}"], self.n_networks),
                FOPMixer(*widths, self.streams[f"init mixer {k}"]),
            )
            for k in (1, 2)
        ]
        self.target_critics = [critic.copy() for critic in self.critics]
        self.critic_optimizers = [
            optimizer(c.optimizer, list(critic.networks().values()), c.critic_learning_rate)
            for critic in self.critics
        ]

    @property
    def head_extra(self) -> int:
        """What the policies' heads read beside the recurrent state."""
        return 0

    @property
    def masks_first(self) -> bool:
        """See `StochasticMembers`."""
        return self.config.mask_first

    @property
    def temperature(self) -> float:
        """Weight of entropy at present."""
        c = self.config
        return linear_schedule(c.temperature_start, c.temperature_end, c.temperature_steps, self.n_steps)

    def networks(self) -> dict[str, FlatNetwork]:
        """All networks by name."""
        named: dict[str, FlatNetwork] = {"trunk": self.trunk, "head": self.head}
        for prefix, critics in (("", self.critics), ("target_", self.target_critics)):
            for k, critic in enumerate(critics, 1):
                named |= {f"{prefix}critic_{k}_{part}": n for part, n in critic.networks().items()}
        return named

    def optimizers(self) -> dict[str, Optimizer]:
        """One for the policies, one for each critic and its mixer."""
        first, second = self.critic_optimizers
        return {"actor": self.actor_optimizer, "critic_1": first, "critic_2": second}

    def policies(self, logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities and their logarithms, (S, K, B, N, n) both, that the losses see."""
        if self.config.policy_in_losses == "softmax":
            return distribution_of(masked(logits, mask))
        probability = policy_probabilities(logits, mask, self.epsilon, self.config.mask_first)
        return probability, log_of(probability)

    def critic_inputs(self, batch: Sequences) -> Tensor:
        """What the critics read, (S, K, B, N, in): a member's observation, and which it is."""
        if not self.config.see_member:
            return batch.observation
        who = self._identities.expand(*batch.observation.shape[:-1], -1)
        return torch.cat([batch.observation, who], -1)

    def soft_values(self, values: Tensor, batch: Sequences, gain: Tensor | None = None) -> Tensor:
        """v_i, (S, K, B, N), of q_i (S, K, B, N, n), to which `gain` of the same shape is added."""
        mask = batch.mask if self.config.soft_value == "allowed" else None
        return soft_value(values if gain is None else values + gain, mask, self.temperature)

    def actor_loss(
        self, batch: Sequences, logits: Tensor, gain: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """sum_a pi_i(a) [temperature log pi_i(a) - min q_i(a) - gain_i(a)], and the policies' entropy.

        Returns:
            (S,) both, means over members and steps; the entropy without gradient.
        """
        probability, log_p = self.policies(logits, batch.mask)
        with torch.no_grad():
            inputs = self.critic_inputs(batch)
            value = torch.minimum(*(critic.values.frozen(inputs) for critic in self.critics))
            value = value if gain is None else value + gain
            entropy = masked_mean(-(probability * log_p).sum(-1), batch.filled)
        each = (probability * (self.temperature * log_p - value)).sum(-1)
        return masked_mean(each, batch.filled), entropy

    @torch.no_grad()
    def targets(self, batch: Sequences, logits: Tensor, gain: Tensor | None = None) -> Tensor:
        """TD(lambda) of the lower target of Q_tot at sampled next actions, and their entropy, (S, K, B)."""
        c, inputs = self.config, self.critic_inputs(batch)
        probability, log_p = self.policies(logits.detach(), batch.mask)
        action = chosen(probability, self.draws_along(batch, "next action", self.team.n_agents))
        totals = []
        for critic in self.target_critics:
            values = critic.values.frozen(inputs)
            soft = self.soft_values(values, batch, gain)
            totals.append(critic.mixer.frozen(taken(values, action), soft, batch.state, action))
        total = torch.minimum(*totals)
        bonus = -self.temperature * taken(log_p, action)  # (S, K, B, N)
        bonus = bonus if gain is None else bonus + taken(gain, action)
        reward = batch.reward
        if c.entropy_target == "inside":
            reward = reward + c.discount * (1 - batch.terminated) * following(bonus.sum(-1))
        returns = lambda_returns(
            reward, following(total), batch.terminated, batch.filled, c.discount, c.trace
        )
        return (
            returns if c.entropy_target == "inside" else returns + following(bonus.sum(-1) / action.shape[-1])
        )

    def critic_loss(
        self, critic: FOPCritic, batch: Sequences, target: Tensor, gain: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(Q_tot - y)^2 of one critic averaged over steps, and its Q_tot's average, (S,) both."""
        values = critic.values(self.critic_inputs(batch))
        soft = self.soft_values(values, batch, gain)
        total = critic.mixer(taken(values, batch.action), soft, batch.state, batch.action)
        return masked_mean((total - target).square(), batch.filled), masked_mean(total.detach(), batch.filled)

    def length_of(self, batch: Sequences) -> int:
        """Steps to draw random numbers for: the same however long the batch's episodes are."""
        return max(batch.filled.shape[1], self.replay.longest)

    def draws_along(self, batch: Sequences, name: str, *shape: int) -> Tensor:
        """Uniform numbers (S, K, B, *shape) along sequences."""
        steps, size = batch.filled.shape[1:]
        return self.streams.uniform(name, self.length_of(batch), size, *shape, low=0)[:, :steps]

    def learn(self, batch: Sequences) -> dict[str, Tensor]:
        """One gradient step of the policies and of both critics."""
        return self.learn_from(batch, self.logits(batch))

    def learn_from(
        self, batch: Sequences, logits: Tensor, own: Tensor | None = None, gain: Tensor | None = None
    ) -> dict[str, Tensor]:
        """`learn` from logits (S, K, B, N, n), with what else actions are worth, (S, K, B, N, n).

        Args:
            batch: the episodes.
            logits: the policies'.
            own: to the policies.
            gain: to the critics' targets and soft values.
        """
        target = self.targets(batch, logits, gain)
        actor_loss, entropy = self.actor_loss(batch, logits, own)
        losses = [self.critic_loss(critic, batch, target, gain) for critic in self.critics]
        self.step_down(actor_loss, [self.trunk, self.head], self.actor_optimizer)
        for critic, stepper, (loss, _) in zip(self.critics, self.critic_optimizers, losses, strict=True):
            self.step_down(loss, list(critic.networks().values()), stepper)
        return {
            "actor_loss": actor_loss.detach(),
            "critic_loss": (losses[0][0] + losses[1][0]).detach() / 2,
            "value": losses[0][1],
            "entropy": entropy,
        }
