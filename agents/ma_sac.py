"""MA-SAC: soft actor-critic with centralised critics, MA-AC plus each member's entropy.

Source: Kim et al., AAMAS 2023, section 6.1, which extends Haarnoja et al. 2018 (the form with a value
network, so that it nests inside VM3-AC). Equation numbers are that paper's; of (17) and (20) the entropy
terms are kept, those in q dropped.

Choices the paper leaves open, ours: as in MA-AC, but without its remedies, which entropy makes needless.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .ma_ac import MAAC, Fresh, MAACConfig
from .replay import Batch
from .settings import SettingError


@dataclass(frozen=True)
class MASACConfig(MAACConfig):
    """Settings of MA-SAC."""

    beta: float = 0.1
    """Temperature. The paper finds 0.05 to 0.1 good on multi-walker; 0.1 elsewhere is ours."""
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


class MASAC(MAAC):
    """Multi-agent soft actor-critic."""

    config_class = MASACConfig
    config: MASACConfig

    @property
    def temperature(self) -> float:
        """Weight of the entropy."""
        return self.config.beta * self.config.entropy_coef

    def value_bonus(self, batch: Batch, fresh: Fresh) -> Tensor:
        """The entropy term of (17): -beta log pi_i(a_i | o_i), only the member's own, (S, N, B)."""
        return super().value_bonus(batch, fresh) - self.temperature * fresh.log_prob.detach()

    def policy_bonus(self, batch: Batch, fresh: Fresh) -> Tensor:
        """The entropy term of (20), (S, N, B)."""
        return super().policy_bonus(batch, fresh) - self.temperature * fresh.log_prob
