"""VDAC: value decomposition actor-critics, on-policy learners with one advantage for the team.

Source: Su, Adams, Beling, "Value-Decomposition Multi-Agent Actor-Critics", AAAI 2021; code
github.com/hahayonghuming/VDACs, learners/policy_gradient_v2.py, config/algs/vmix_a2c.yaml. Members' policies
pi_i and local values v_i share a recurrent network; V_tot is the sum of the v_i or QMIX's mixture of them,
and every member's policy gradient has the advantage TD(lambda) - V_tot.

Deviations:
- An update follows after `rollout` steps of every copy, on these steps alone, and fragments of episodes
  bootstrap where they are cut (see `fragments.py`); the source waits until eight whole episodes are over.
- Time limits bootstrap.
- The source's configuration leaves the weight of the entropy empty, so it has none, and its entropy takes
  probabilities for logits: it gives 1.278 for (.97, .01, .01, .01), whose entropy is .168. The default here
  is the true entropy with the weight of PyMARL2, whose authors mark it as very important; preset "published"
  is the source as it is, masks after the softmax included.

Budgets: on-policy learning needs more steps than QMIX; PyMARL2's results take ten million.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..memory.episodes import Sequences
from ..networks.flat import FlatNetwork
from ..networks.mixing import Mixer, MonotonicMixer, SumMixer, prefixed
from ..networks.optimizing import Optimizer
from .fragment_agent import FragmentAgent
from .returns import following, lambda_returns, masked_mean
from .schedules import entropy, log_of, policy_probabilities
from .settings import RecurrentConfig
from .stochastic import taken


@dataclass(frozen=True)
class VDACConfig(RecurrentConfig):
    """Settings of VDAC; the values are the source's unless another is given."""

    epsilon_start: float = 0.5
    """Epsilon is the floor under the policies, in acting and in the losses."""
    epsilon_end: float = 0.01
    epsilon_steps: int = 100_000
    mixer: Literal["monotonic", "sum"] = "monotonic"
    """VDAC-mix, or VDAC-sum."""
    mixing_embedding: int = 32
    hypernet_hidden: int = 0
    """Hidden layer of the hypernetworks; 0: none."""
    trace: float = 0.8
    """Lambda of TD(lambda)."""
    value_coef: float = 0.1
    """Weight of the values' loss."""
    entropy_coef: float = 0.01
    """Weight of the policies' entropy (github.com/hijkzzz/pymarl2, config/algs/vmix.yaml)."""
    entropy: Literal["true", "published"] = "true"
    """The policies' entropy, or the source's, which takes their probabilities for logits."""
    mask_first: bool = True
    """Whether masks come before the softmax."""
    rollout: int = 32
    """Steps of a copy between two updates, at most the horizon; ours, about the length of an episode."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "published": {"entropy_coef": 0.0, "entropy": "published", "mask_first": False},
        # Ours.
        "small": {"epsilon_steps": 20_000},
    }

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        self.require_ranges(
            ("mixing_embedding", 1, None),
            ("hypernet_hidden", 0, None),
            ("trace", 0, 1),
            ("value_coef", 0, None),
            ("entropy_coef", 0, None),
            ("rollout", 1, None),
        )


class VDAC(FragmentAgent):
    """Value decomposition actor-critic."""

    config_class = VDACConfig
    config: VDACConfig

    def __init__(
        self,
        team: TeamSpec,
        config: VDACConfig,
        seeds: tuple[int, ...],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.make_members(beside=1)  # the local value, behind the logits
        self.mixer: Mixer = SumMixer()
        if config.mixer == "monotonic":
            self.mixer = MonotonicMixer(
                team.n_agents,
                team.state_size,
                config.mixing_embedding,
                config.hypernet_hidden,
                self.streams["init mixer"],
            )
        self.optimizer = self.optimizer_of(list(self.networks().values()))
        self.begin(config.rollout)

    def networks(self) -> dict[str, FlatNetwork]:
        """All networks by name; there are no targets."""
        return {"trunk": self.trunk, "head": self.head, **prefixed("mixer", self.mixer)}

    def optimizers(self) -> dict[str, Optimizer]:
        """The one optimiser."""
        return {"all": self.optimizer}

    def logits(self, batch: Sequences) -> Tensor:
        """Members' logits along sequences, (S, K, B, N, n)."""
        return super().logits(batch)[..., :-1]

    def outputs(self, hidden: Tensor) -> Tensor:
        """Members' logits."""
        return super().outputs(hidden)[..., :-1]

    @property
    def masks_first(self) -> bool:
        """Whether masks come before the softmax."""
        return self.config.mask_first

    def losses(self, batch: Sequences) -> dict[str, Tensor]:
        """The losses by name, (S,) each: that of the policies, of V_tot, and the entropy."""
        output = self.head(self.states_along(self.trunk, batch))
        probability = policy_probabilities(output[..., :-1], batch.mask, self.epsilon, self.config.mask_first)
        total = self.mixer(output[..., -1], batch.state)  # (S, K, B)
        advantage = self.returns(batch, total.detach()) - total
        # Floor and mask can make what was played impossible only in padding.
        log_p = log_of(taken(probability, batch.action))
        return {
            "policy_loss": masked_mean(-advantage.detach()[..., None] * log_p, batch.filled),
            "value_loss": masked_mean(advantage.square(), batch.filled),
            "entropy": masked_mean(self.entropy(probability), batch.filled),
        }

    def returns(self, batch: Sequences, total: Tensor) -> Tensor:
        """TD(lambda) of the team's values (S, K, B) by the live network."""
        c = self.config
        return lambda_returns(
            batch.reward, following(total), batch.terminated, batch.filled, c.discount, c.trace
        )

    def entropy(self, probability: Tensor) -> Tensor:
        """Entropies (...) of policies (..., n), or what the source takes for them."""
        is_true = self.config.entropy == "true"
        return entropy(probability if is_true else torch.softmax(probability, -1))

    def learn(self, batch: Sequences) -> dict[str, Tensor]:
        """One gradient step."""
        c, losses = self.config, self.losses(batch)
        loss = losses["policy_loss"] + c.value_coef * losses["value_loss"]
        loss = loss - c.entropy_coef * losses["entropy"]
        norm = self.step_down(loss, list(self.networks().values()), self.optimizer)
        return {name: value.detach() for name, value in losses.items()} | {"gradient_norm": norm}
