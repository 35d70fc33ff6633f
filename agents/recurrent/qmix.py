"""QMIX: the team's action value as a monotonic mixture of its members' values.

Source: Rashid et al., "QMIX: Monotonic Value Function Factorisation for Deep Multi-Agent Reinforcement
Learning", ICML 2018; code github.com/oxwhirl/pymarl, learners/q_learner.py.

Deviations:
- Gradient steps and copies into the targets are counted in environment and gradient steps, not in episodes:
  `updates_per_step`. With PyMARL's parallel runner of 8 copies there are eight times fewer gradient steps
  than with one copy; maps that it solves with one copy are then not solved (issues 17 and 71 there).
- Episodes are sampled with replacement.
- Time limits bootstrap; PyMARL does so too, but only where an environment names them `episode_limit`.

Budgets: published results take 2 million steps, and ten with the tuned settings of PyMARL2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Policy
from ..distributions.categorical import masked
from ..memory.episodes import Sequences
from ..networks.flat import FlatNetwork
from ..networks.mixing import Mixer, MonotonicMixer, SumMixer, prefixed
from ..networks.optimizing import Optimizer
from ..networks.sequences import SequenceMLP
from .acting import EpsilonGreedyPolicy, GreedyPolicy
from .episode_agent import EpisodeReplayAgent
from .returns import following, lambda_returns, masked_mean
from .settings import EpisodeReplayConfig


@dataclass(frozen=True)
class QMIXConfig(EpisodeReplayConfig):
    """Settings of QMIX; sources as in `RecurrentConfig`."""

    mixer: Literal["monotonic", "sum"] = "monotonic"
    """How values are mixed; the sum is VDN (Sunehag et al. 2018)."""
    mixing_embedding: int = 32
    hypernet_hidden: int = 64
    """Hidden layer of the hypernetworks; 0: none."""
    double_q: bool = True
    """Whether the online network chooses the actions that the targets value."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # github.com/hijkzzz/pymarl2, README and config/algs/qmix.yaml.
        "pymarl2": {
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "batch_size": 128,
            "trace": 0.6,
            "epsilon_steps": 100_000,
        },
        # Ours.
        "small": {
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "trace": 0.6,
            "epsilon_steps": 20_000,
            "updates_per_step": 1 / 32,
            "buffer_size": 2_000,
        },
    }

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        self.require_ranges(("mixing_embedding", 1, None), ("hypernet_hidden", 0, None))


class QMIX(EpisodeReplayAgent):
    """Monotonic value function factorisation."""

    config_class = QMIXConfig
    config: QMIXConfig

    def __init__(
        self,
        team: TeamSpec,
        config: QMIXConfig,
        seeds: tuple[int, ...],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.trunk = self.new_trunk()
        self.head = self.new_head()
        self.mixer = self.new_mixer(team.state_size)
        self.target_trunk, self.target_head = self.trunk.copy(), self.head.copy()
        self.target_mixer = self.mixer.copy()
        self.learned = self.trained_networks()
        self.optimizer = self.optimizer_of(list(self.learned.values()))

    def new_head(self) -> SequenceMLP:
        """From hidden states to what `action_values` reads."""
        sizes = (self.config.hidden, self.team.action_size)
        return SequenceMLP(sizes, self.streams["init head"], self.n_networks)

    def new_mixer(self, state_size: int) -> Mixer:
        """The configured mixer of values."""
        c = self.config
        if c.mixer == "sum":
            return SumMixer()
        generators = self.streams["init mixer"]
        return MonotonicMixer(
            self.team.n_agents, state_size, c.mixing_embedding, c.hypernet_hidden, generators
        )

    def trained_networks(self) -> dict[str, FlatNetwork]:
        """What the optimiser steps."""
        return {"trunk": self.trunk, "head": self.head, **prefixed("mixer", self.mixer)}

    def networks(self) -> dict[str, FlatNetwork]:
        """All networks by name."""
        targets = {"target_trunk": self.target_trunk, "target_head": self.target_head}
        return {**self.learned, **targets, **prefixed("target_mixer", self.target_mixer)}

    def optimizers(self) -> dict[str, Optimizer]:
        """The one optimiser."""
        return {"all": self.optimizer}

    def action_values(self, batch: Sequences) -> Tensor:
        """Members' values of all actions, (S, K, B, N, n)."""
        return self.values_of(self.head(self.states_along(self.trunk, batch)), batch)

    def target_values(self, batch: Sequences) -> Tensor:
        """As `action_values`, of the targets."""
        states = self.states_along(self.target_trunk, batch, frozen=True)
        return self.values_of(self.target_head.frozen(states), batch)

    def values_of(self, output: Tensor, batch: Sequences) -> Tensor:
        """Members' values of all actions, (S, K, B, N, n), from the head's outputs."""
        del batch
        return output

    def mixer_state(self, batch: Sequences) -> Tensor:
        """What mixers read, (S, K, B, in)."""
        return batch.state

    def targets(self, batch: Sequences, values: Tensor) -> Tensor:
        """Y_t = TD(lambda) of the targets' mixed values of greedy allowed actions, (S, K, B), no gradient.

        Args:
            batch: the episodes.
            values: (S, K, B, N, n), the online networks' values.
        """
        with torch.no_grad():
            target = masked(self.target_values(batch), batch.mask)
            if self.config.double_q:
                greedy = masked(values.detach(), batch.mask).argmax(-1, keepdim=True)
                target = target.gather(-1, greedy)[..., 0]
            else:
                target = target.amax(-1)
            mixed = self.target_mixer.frozen(target, self.mixer_state(batch))
            c = self.config
            return lambda_returns(
                batch.reward, following(mixed), batch.terminated, batch.filled, c.discount, c.trace
            )

    def td_loss(self, batch: Sequences, values: Tensor) -> tuple[Tensor, Tensor]:
        """(Q_tot - y)^2 averaged over filled steps, and Q_tot's average, (S,) both."""
        played = values.gather(-1, batch.action[..., None])[..., 0]
        total = self.mixer(played, self.mixer_state(batch))
        error = total - self.targets(batch, values)
        return masked_mean(error.square(), batch.filled), masked_mean(total.detach(), batch.filled)

    def learn(self, batch: Sequences) -> dict[str, Tensor]:
        """One gradient step."""
        loss, value = self.td_loss(batch, self.action_values(batch))
        norm = self.step_down(loss, list(self.learned.values()), self.optimizer)
        return {"loss": loss.detach(), "value": value, "gradient_norm": norm}

    def outputs(self, hidden: Tensor) -> Tensor:
        """Members' values of all actions."""
        return self.head.frozen(hidden)

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """`"explore"`: epsilon-greedy; `"greedy"`: the allowed action of the largest value."""
        kind = EpsilonGreedyPolicy if self._check_mode(mode) == "explore" else GreedyPolicy
        return kind(self, self.trunk, seed)
