"""MA-SAC: soft actor-critic with centralised critics, MA-AC plus each member's entropy.

Source: Kim et al., AAMAS 2023, section 6.1, which extends Haarnoja et al. 2018 (the form with a value
network, so that it nests inside VM3-AC). Equation numbers are that paper's; of (17) and (20) the entropy
terms are kept, those in q dropped.

Choices the paper leaves open, ours: as in MA-AC, but without its remedies, which entropy makes needless.
With `target_entropy` each run's temperature is tuned to it (Haarnoja et al., "Soft Actor-Critic Algorithms
and Applications", 2018, (18), but its logarithm makes the step); the paper's is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import log
from typing import Any

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..memory.replay import Batch
from ..settings import SettingError
from .fresh import Fresh
from .ma_ac import MAAC, MAACConfig


@dataclass(frozen=True)
class MASACConfig(MAACConfig):
    """Settings of MA-SAC."""

    beta: float = 0.1
    """Temperature. The paper finds 0.05 to 0.1 good on multi-walker; 0.1 elsewhere is ours."""
    target_entropy: float | None = None
    """Entropy, in nats per number of an action, that beta is tuned to from where it is; fixed if None."""
    entropy_coef: float = 1.0
    """Factor on the entropy beside beta: 1 is the paper's (11); N would be its (10)."""
    log_std_min: float = -20.0
    """Lower bound of log std (github.com/haarnoja/sac)."""
    exploration_noise: float = 0.0
    mean_penalty: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        if not self.beta >= 0:
            raise SettingError(f"setting 'beta' must be at least 0, not {self.beta}")
        if self.target_entropy is not None and self.beta == 0:
            raise SettingError("setting 'target_entropy' needs a 'beta' above 0 to begin with")


class MASAC(MAAC):
    """Multi-agent soft actor-critic."""

    config_class = MASACConfig
    config: MASACConfig

    def __init__(
        self, team: TeamSpec, config: MASACConfig, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.log_beta: Tensor | None = None
        if config.target_entropy is not None:
            self.log_beta = torch.full((len(seeds), 1, 1), log(config.beta), device=device)
            self.beta_optimizer = torch.optim.Adam([self.log_beta], config.learning_rate, foreach=False)

    @property
    def beta(self) -> Tensor | float:
        """The temperature at present, (S, 1, 1) where it is tuned."""
        if self.log_beta is None:
            return self.config.beta
        # Run by run: the exponential of a tensor's last few numbers may differ in its last bits.
        return torch.stack([row.exp() for row in self.log_beta])

    @property
    def temperature(self) -> Tensor | float:
        """Weight of the entropy."""
        return self.beta * self.config.entropy_coef

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step, and one of the temperature where it is tuned."""
        metrics, beta = super().learn(batch), self.beta
        return metrics | {"beta": beta.flatten()} if isinstance(beta, Tensor) else metrics

    def losses(self, batch: Batch, fresh: Fresh) -> dict[str, Tensor]:
        """MA-AC's; where the temperature is tuned it makes its step, which the next losses see."""
        losses = super().losses(batch, fresh)
        if self.log_beta is not None:
            self.tune(fresh.log_prob.detach())
        return losses

    def tune(self, log_prob: Tensor) -> None:
        """A gradient step of log beta on -log beta E[log pi + target], from densities (S, N, B)."""
        assert self.log_beta is not None
        assert self.config.target_entropy is not None
        target = self.config.target_entropy * self.team.action_size
        self.log_beta.grad = -(log_prob + target).mean((1, 2), keepdim=True)
        self.beta_optimizer.step()

    def value_bonus(self, batch: Batch, fresh: Fresh) -> Tensor:
        """The entropy term of (17): -beta log pi_i(a_i | o_i), only the member's own, (S, N, B)."""
        return super().value_bonus(batch, fresh) - self.temperature * fresh.log_prob.detach()

    def policy_bonus(self, batch: Batch, fresh: Fresh) -> Tensor:
        """The entropy term of (20), (S, N, B)."""
        return super().policy_bonus(batch, fresh) - self.temperature * fresh.log_prob

    def state_dict(self) -> dict[str, Any]:
        """MA-AC's, and the tuned temperature."""
        if self.log_beta is None:
            return super().state_dict()
        tuned = {"log_beta": self.log_beta.clone(), "optimizer": self.beta_optimizer.state_dict()}
        return super().state_dict() | {"temperature": tuned}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        super().load_state_dict(state)
        if self.log_beta is not None:
            self.log_beta.copy_(state["temperature"]["log_beta"])
            self.beta_optimizer.load_state_dict(deepcopy(state["temperature"]["optimizer"]))
