"""Settings that agents with recurrent members and discrete actions share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..base import Config
from ..settings import SettingError


@dataclass(frozen=True)
class RecurrentConfig(Config):
    """Settings of recurrent agents; the values are PyMARL's.

    Source unless another is given: github.com/oxwhirl/pymarl, config/default.yaml, algs/qmix.yaml.
    """

    hidden: int = 64
    """Features of the members' layer and recurrent state (`rnn_hidden_dim`)."""
    learning_rate: float = 5e-4
    optimizer: Literal["rmsprop", "adam"] = "rmsprop"
    """RMSprop has PyMARL's constants; Adam torch's."""
    gradient_clip: float = 10.0
    """Largest norm of a gradient step, over all networks that it moves."""
    discount: float = 0.99
    share_parameters: bool = True
    """Whether all members share one network; shorter observations are padded with zeros."""
    see_last_action: bool = True
    """Whether members read what they did last (`obs_last_action`)."""
    see_member: bool = True
    """Whether members read which of the team they are (`obs_agent_id`)."""
    epsilon_start: float = 1.0
    epsilon_end: float = 0.05
    epsilon_steps: int = 50_000
    """Environment steps in which epsilon goes from start to end."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        self.require_ranges(
            ("hidden", 1, None),
            ("learning_rate", 0, None),
            ("gradient_clip", 0, None),
            ("discount", 0, 1),
            ("epsilon_start", 0, 1),
            ("epsilon_end", 0, 1),
            ("epsilon_steps", 0, None),
        )

    def require_ranges(self, *ranges: tuple[str, float, float | None]) -> None:
        """Refuse settings outside (name, least, most).

        Raises:
            SettingError: the first that is.
        """
        for name, low, high in ranges:
            value = getattr(self, name)
            if not value >= low or (high is not None and value > high):
                span = f"at least {low}" if high is None else f"between {low} and {high}"
                raise SettingError(f"setting {name!r} must be {span}, not {value!r}")


@dataclass(frozen=True)
class EpisodeReplayConfig(RecurrentConfig):
    """Settings of recurrent agents that learn from replayed episodes; sources as above."""

    batch_size: int = 32
    """Episodes a gradient step."""
    buffer_size: int = 5_000
    """Episodes kept a seed."""
    updates_per_step: float = 1 / 32
    """Gradient steps per environment step of one copy. PyMARL makes one after every episode of a single copy
    (or after every round of episodes of all copies); small maps' episodes last 20 to 60 steps."""
    warm_up: int = 1_000
    """Environment steps before learning starts, about 32 episodes."""
    target_interval: int = 200
    """Gradient steps between copies into the targets (`target_update_interval`, there in episodes)."""
    trace: float = 0.0
    """Lambda of TD(lambda) targets; 0: one step."""

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        super().__post_init__()
        self.require_ranges(
            ("batch_size", 1, None),
            ("buffer_size", self.batch_size, None),
            ("updates_per_step", 0, None),
            ("warm_up", 0, None),
            ("target_interval", 1, None),
            ("trace", 0, 1),
        )
