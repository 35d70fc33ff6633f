"""What recurrent agents share that learn from replayed episodes: memory, the schedule of gradient steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Transition
from ..memory.episodes import EpisodeReplay, Sequences
from .agent import RecurrentAgent
from .settings import EpisodeReplayConfig


class EpisodeReplayAgent(RecurrentAgent):
    """Base of recurrent agents that learn from replayed episodes, by a schedule in environment steps.

    Seeds of a stack finish their episodes at different times, so schedules count environment steps and
    gradient steps, which all seeds make together, and not episodes.
    """

    config_class = EpisodeReplayConfig
    config: EpisodeReplayConfig

    def __init__(
        self,
        team: TeamSpec,
        config: EpisodeReplayConfig,
        seeds: tuple[int, ...],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.replay = EpisodeReplay(
            team, len(self.seeds), config.buffer_size, self.device, self.further_rows()
        )

    @property
    def least_lanes(self) -> int:
        """Sequences that batches must be laid in, at least."""
        return 1

    @abstractmethod
    def learn(self, batch: Sequences) -> dict[str, Tensor]:
        """One gradient step; metrics of shape (S,)."""

    def further_rows(self) -> dict[str, tuple[int, ...]]:
        """Shapes of what is stored with a whole episode."""
        return {}

    def observe(self, transition: Transition) -> None:
        """Store one step of all copies."""
        self.remember(transition, {})

    def remember(self, transition: Transition, further: Mapping[str, Tensor]) -> None:
        """Store one step of all copies, with `further_rows` (S, E, ...) for the episodes that end."""
        self.replay.add(self.cleaned(transition), further)
        self.n_steps += transition.action.shape[1]

    def update(self) -> dict[str, Tensor]:
        """Do the gradient steps due: `updates_per_step` for every step since the warm-up.

        None is done before every copy has had the time for one whole episode; those steps are made up for.
        """
        c = self.config
        due = int(max(self.n_steps - c.warm_up, 0) * c.updates_per_step) - self._n_updates
        if due <= 0 or not self.replay.is_ready:
            return {}
        metrics = []
        for _ in range(due):
            metrics.append(self.learn(self.replay.sample(c.batch_size, self.streams, self.least_lanes)))
            self._n_updates += 1
            if self._n_updates % c.target_interval == 0:
                self.retarget()
        return {name: torch.stack([m[name] for m in metrics], -1).mean(-1) for name in metrics[0]}

    def state_dict(self) -> dict[str, Any]:
        """All of the agent, its memory included."""
        return super().state_dict() | {"replay": self.replay.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        super().load_state_dict(state)
        self.replay.load_state_dict(state["replay"])
