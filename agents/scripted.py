"""Agents that do not learn: the fixed points of every score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..envs import reference_policy
from .base import Agent, Policy
from .streams import Streams


class Random(Agent):
    """Uniformly random actions (allowed ones, where actions are discrete)."""

    action_kinds = ("continuous", "discrete")

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """Random actions in every mode."""
        self._check_mode(mode)
        return _RandomPolicy(self, Streams(self.seeds, self.device, f"random {mode} {seed}"))


class Reference(Agent):
    """The task's scripted reference policy."""

    action_kinds = ("continuous", "discrete")

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """The script, in every mode."""
        del seed
        self._check_mode(mode)
        return _ReferencePolicy(self)


class _RandomPolicy(Policy):
    def __init__(self, agent: Random, streams: Streams) -> None:
        self.team, self.streams = agent.team, streams

    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        del starting
        copies = observation.shape[1]
        if self.team.action_kind == "continuous":
            return self.streams.uniform("actions", copies, self.team.n_agents, self.team.action_size)
        draw = self.streams.uniform("actions", copies, self.team.n_agents, self.team.action_size, low=0)
        return (draw if mask is None else draw.masked_fill(~mask, -1)).argmax(-1)

    def state_dict(self) -> dict[str, Any]:
        return self.streams.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.streams.load_state_dict(state)


class _ReferencePolicy(Policy):
    def __init__(self, agent: Reference) -> None:
        self.script = reference_policy(agent.team)
        self.is_discrete = agent.team.action_kind == "discrete"

    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        del mask, starting
        actions = torch.from_numpy(self.script(observation.flatten(0, 1).cpu().numpy()))
        dtype = torch.int64 if self.is_discrete else observation.dtype
        return actions.to(observation.device, dtype).unflatten(0, observation.shape[:2])
