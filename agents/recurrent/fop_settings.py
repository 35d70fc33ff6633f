"""Settings of FOP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..settings import SettingError
from .settings import EpisodeReplayConfig


@dataclass(frozen=True)
class FOPConfig(EpisodeReplayConfig):
    """Settings of FOP; the values are the source's (config/algs/fop.yaml) unless another is given.

    Epsilon is the floor under the policies while they explore.
    """

    warm_up: int = 3_000
    """Environment steps before learning starts, about 100 episodes."""
    trace: float = 0.8
    """Lambda of TD(lambda)."""
    critic_learning_rate: float = 5e-4
    critic_hidden: int = 64
    """Width of the critics' two hidden layers."""
    mixing_embedding: int = 32
    """Width of the hidden layer of the state's value."""
    heads: int = 4
    """Of the mixers' weights."""
    temperature_start: float = 0.5
    temperature_end: float = 0.05
    temperature_steps: int = 90_000
    """Environment steps in which the temperature goes from start to end: max(.05, .5 - steps / 200 000)."""
    entropy_target: Literal["inside", "outside"] = "inside"
    """Where the critics' target counts entropy: inside TD(lambda), or after it, as in the source."""
    soft_value: Literal["allowed", "all"] = "allowed"
    """Actions that v_i is taken over."""
    policy_in_losses: Literal["softmax", "floored"] = "softmax"
    """Policies that the losses see: without or with the floor under them."""
    mask_first: bool = True
    """Whether masks come before the softmax, where policies have a floor."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "published": {
            "entropy_target": "outside",
            "soft_value": "all",
            "policy_in_losses": "floored",
            "mask_first": False,
        },
        # Ours. Entropy inside TD(lambda) adds up over steps: the published temperatures outweigh rewards.
        "small": {
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "critic_learning_rate": 1e-3,
            "epsilon_steps": 20_000,
            "temperature_start": 0.05,
            "temperature_end": 0.02,
            "temperature_steps": 20_000,
            "updates_per_step": 1 / 32,
            "buffer_size": 2_000,
            "warm_up": 1_000,
        },
    }

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        self.require_ranges(
            ("critic_learning_rate", 0, None),
            ("critic_hidden", 1, None),
            ("mixing_embedding", 1, None),
            ("heads", 1, None),
            ("temperature_steps", 0, None),
        )
        for name in ("temperature_start", "temperature_end"):
            if not getattr(self, name) > 0:
                raise SettingError(f"setting {name!r} must be positive, not {getattr(self, name)!r}")
