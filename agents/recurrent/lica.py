"""LICA: policies climb a centralised critic through their probabilities, with entropy of adaptive weight.

Source: Zhou, Liu, Sui, Li, Chung, "Learning Implicit Credit Assignment for Cooperative Multi-Agent
Reinforcement Learning", NeurIPS 2020; code github.com/mzho7212/LICA, learners/lica_learner.py,
modules/critics/lica.py. A critic Q(s, a), whose weights on the joint action are made from the state, learns
TD(lambda) on the one-hot actions that were played; the policies then follow its gradient at their
probabilities, Q(s, pi_1 .. pi_N). The weight of their entropy H is c / sg(H), so that the term is worth c
always and its gradient is the greater the surer the policies are.

Deviations:
- An update follows after `rollout` steps of every copy, on these steps alone, and fragments of episodes
  bootstrap where they are cut, from an action drawn there (see `fragments.py`); the source waits until 32
  copies have ended an episode each.
- The first layer of the network that makes the weights is as wide as its N n 64 outputs in the source, and so
  has (N n 64)^2 weights. Here it is `hypernet_hidden`; 0 gives the source's.
- Masks come before softmax and entropy. Time limits bootstrap.

Budgets: published results are those of 32 and 64 million steps; at two million LICA is near the start of its
curve. With few copies a fragment says little about the critic's slope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor

from ...envs.base import TeamSpec
from ..distributions.categorical import chosen, distribution_of, masked, one_hot
from ..memory.episodes import Sequences
from ..networks.flat import FlatNetwork
from ..networks.optimizing import Optimizer, optimizer
from ..networks.sequences import SequenceMLP
from .fragment_agent import FragmentAgent
from .returns import following, lambda_returns, masked_mean
from .settings import RecurrentConfig


@dataclass(frozen=True)
class LICAConfig(RecurrentConfig):
    """Settings of LICA; the values are the source's (config/algs/lica.yaml) unless another is given."""

    optimizer: Literal["rmsprop", "adam"] = "adam"
    learning_rate: float = 2.5e-3
    critic_learning_rate: float = 5e-4
    epsilon_start: float = 0.0
    """The source lists an epsilon and does not use it."""
    epsilon_end: float = 0.0
    entropy_coef: float = 0.11
    """c, what the entropy term is worth; the source's file suggests .06, and .03 on its hardest map."""
    mixing_embedding: int = 64
    """Width of the critic's hidden layer."""
    hypernet_hidden: int = 64
    """Hidden layer of the network that makes the critic's first weights (github.com/hijkzzz/pymarl2); 0: as
    wide as its outputs, as in the source."""
    trace: float = 0.8
    """Lambda of TD(lambda)."""
    target_interval: int = 200
    """Gradient steps between copies into the target."""
    rollout: int = 32
    """Steps of a copy between two updates, at most the horizon; ours, about the length of an episode."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "published": {"hypernet_hidden": 0},
        # Ours: small budgets make few gradient steps.
        "small": {"critic_learning_rate": 2e-3, "target_interval": 20, "rollout": 8},
    }

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        self.require_ranges(
            ("critic_learning_rate", 0, None),
            ("entropy_coef", 0, None),
            ("mixing_embedding", 1, None),
            ("hypernet_hidden", 0, None),
            ("trace", 0, 1),
            ("target_interval", 1, None),
            ("rollout", 1, None),
        )


class JointCritic:
    """Q(s, a) = w2(s) relu(W1(s) a + b1(s)) + b2(s), of all members' action vectors.

    Args:
        actions: numbers in a, N n.
        state_size: numbers in the state.
        embedding: width of the hidden layer.
        hypernet_hidden: width of the layer between s and W1.
        generators: S generators.
    """

    def __init__(
        self,
        actions: int,
        state_size: int,
        embedding: int,
        hypernet_hidden: int,
        generators: Sequence[Generator],
    ) -> None:
        self.parts = {
            "weight_1": SequenceMLP((state_size, hypernet_hidden, actions * embedding), generators),
            "weight_2": SequenceMLP((state_size, embedding, embedding), generators),
            "bias_1": SequenceMLP((state_size, embedding), generators),
            "bias_2": SequenceMLP((state_size, embedding, 1), generators),
        }

    def __call__(self, action: Tensor, state: Tensor) -> Tensor:
        """Values (S, K, B) of action vectors (S, K, B, N, n) at states (S, K, B, state)."""
        return self._value(action, {name: part(state) for name, part in self.parts.items()})

    def frozen(self, action: Tensor, state: Tensor) -> Tensor:
        """As a call, but the parameters get no gradient."""
        return self._value(action, {name: part.frozen(state) for name, part in self.parts.items()})

    def _value(self, action: Tensor, made: Mapping[str, Tensor]) -> Tensor:
        joint = action.flatten(-2)
        weight = made["weight_1"].unflatten(-1, (joint.shape[-1], -1))
        hidden = torch.relu((joint[..., None] * weight).sum(-2) + made["bias_1"])
        return (hidden * made["weight_2"]).sum(-1) + made["bias_2"][..., 0]

    def copy(self) -> JointCritic:
        """A copy that shares nothing, for targets."""
        other = object.__new__(JointCritic)
        other.parts = {name: part.copy() for name, part in self.parts.items()}
        return other


class LICA(FragmentAgent):
    """Learning implicit credit assignment."""

    config_class = LICAConfig
    config: LICAConfig

    def __init__(
        self, team: TeamSpec, config: LICAConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.actor_optimizer = self.optimizer_of(self.make_members())
        actions = team.n_agents * team.action_size
        between = config.hypernet_hidden or actions * config.mixing_embedding
        widths = (actions, team.state_size, config.mixing_embedding, between)
        self.critic = JointCritic(*widths, self.streams["init critic"])
        self.target_critic = self.critic.copy()
        self.critics = list(self.critic.parts.values())
        self.critic_optimizer = optimizer(config.optimizer, self.critics, config.critic_learning_rate)
        self.begin(config.rollout)

    def networks(self) -> dict[str, FlatNetwork]:
        """All networks by name."""
        named: dict[str, FlatNetwork] = {"trunk": self.trunk, "head": self.head}
        named |= {f"critic_{name}": part for name, part in self.critic.parts.items()}
        return named | {f"target_critic_{name}": part for name, part in self.target_critic.parts.items()}

    def optimizers(self) -> dict[str, Optimizer]:
        """One for the policies, one for the critic."""
        return {"actor": self.actor_optimizer, "critic": self.critic_optimizer}

    @torch.no_grad()
    def targets(self, batch: Sequences, probability: Tensor) -> Tensor:
        """TD(lambda) of the target's values of what was played next, (S, K, B).

        Where nothing was, behind the last step of an episode or fragment, an action is drawn from the
        policies (S, K, B, N, n).
        """
        steps, copies, members = batch.action.shape[1:]
        draws = self.streams.uniform("last action", max(steps, self.fragments.length), copies, members, low=0)
        drawn = chosen(probability, draws[:, :steps])
        action = torch.where(batch.filled[..., None] > 0, batch.action, drawn)
        value = self.target_critic.frozen(one_hot(action, self.team.action_size), batch.state)
        c = self.config
        return lambda_returns(
            batch.reward, following(value), batch.terminated, batch.filled, c.discount, c.trace
        )

    def critic_loss(self, batch: Sequences, target: Tensor) -> tuple[Tensor, Tensor]:
        """(Q(s, one-hot a) - y)^2 averaged over steps, and Q's average, (S,) both."""
        value = self.critic(one_hot(batch.action, self.team.action_size), batch.state)
        return masked_mean((value - target).square(), batch.filled), masked_mean(value.detach(), batch.filled)

    def actor_loss(self, batch: Sequences, logits: Tensor) -> dict[str, Tensor]:
        """-Q(s, pi_1 .. pi_N) and -(c / sg(H)) H, the critic frozen; and H itself, (S,) each."""
        probability, log_p = distribution_of(masked(logits, batch.mask))
        value = masked_mean(self.critic.frozen(probability, batch.state), batch.filled)
        entropy = masked_mean(-(probability * log_p).sum(-1), batch.filled)
        weight = self.config.entropy_coef / entropy.detach().clamp(min=torch.finfo(entropy.dtype).eps)
        return {"actor_loss": -value, "entropy_loss": -weight * entropy, "entropy": entropy.detach()}

    def learn(self, batch: Sequences) -> dict[str, Tensor]:
        """A gradient step of the critic, then one of the policies."""
        logits = self.logits(batch)
        with torch.no_grad():
            probability, _ = distribution_of(masked(logits, batch.mask))
        critic_loss, value = self.critic_loss(batch, self.targets(batch, probability))
        self.step_down(critic_loss, self.critics, self.critic_optimizer)
        losses = self.actor_loss(batch, logits)
        loss = losses["actor_loss"] + losses.pop("entropy_loss")
        self.step_down(loss, [self.trunk, self.head], self.actor_optimizer)
        if (self._n_updates + 1) % self.config.target_interval == 0:
            self.retarget()
        metrics = {name: term.detach() for name, term in losses.items()}
        return metrics | {"critic_loss": critic_loss.detach(), "value": value}
