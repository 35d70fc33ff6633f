"""Replay memory of single transitions, for all seeds of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ..envs.base import TeamSpec
from .base import Transition
from .streams import Streams


class Batch(NamedTuple):
    """A minibatch a seed. `x` is what centralised critics read: all observations joined, or the state."""

    observation: Tensor  # (S, N, B, obs)
    joint_action: Tensor  # (S, B, N * act)
    reward: Tensor  # (S, N, B)
    bootstrap: Tensor  # (S, 1, B): 0 after a true end, 1 otherwise (also at a time limit)
    next_observation: Tensor | None  # (S, N, B, obs), where it is kept
    x: Tensor  # (S, B, N * obs) or (S, B, state)
    next_x: Tensor  # the same of the successor
    extra: Mapping[str, Tensor] = {}  # (S, B, width) of each further row


class Replay:
    """A ring of the last `capacity` transitions of each seed.

    Memory is only touched as it fills. A transition takes, in 4-byte numbers a seed: N (obs + act + 1) + 1,
    and the successor's N obs where it is needed, and 2 state where critics read the state.

    Args:
        team: sizes.
        n_seeds: S.
        capacity: transitions a seed.
        device: where the memory lives.
        critic_input: what `Batch.x` is.
        next_observation: whether members' next observations are needed even where critics read the state.
        extra: further rows to keep, and how many numbers of each.
    """

    def __init__(
        self,
        team: TeamSpec,
        n_seeds: int,
        capacity: int,
        device: torch.device,
        critic_input: Literal["observations", "state"] = "observations",
        next_observation: bool = True,
        extra: Mapping[str, int] | None = None,
    ) -> None:
        n, obs, act = team.n_agents, team.observation_size, team.action_size
        self.n_agents, self.n_seeds, self.capacity = n, n_seeds, capacity
        self.reads_state = critic_input == "state"
        widths = {"observation": n * obs, "action": n * act, "reward": n, "terminated": 1}
        if next_observation or not self.reads_state:
            widths["next_observation"] = n * obs
        if self.reads_state:
            widths |= {"state": team.state_size, "next_state": team.state_size}
        self.extra = tuple(extra or ())
        widths |= extra or {}
        self.rows = {name: torch.empty(n_seeds, capacity, k, device=device) for name, k in widths.items()}
        self.position = self.filled = 0
        self._offset = torch.arange(n_seeds, device=device)[:, None] * capacity

    def __len__(self) -> int:
        """Transitions a seed."""
        return self.filled

    def add(self, step: Transition, extra: Mapping[str, Tensor] | None = None) -> None:
        """Store one step of E copies, (S, E, ...), and their further rows."""
        further = extra or {}
        copies = step.action.shape[1]
        at = (torch.arange(copies, device=step.action.device) + self.position) % self.capacity
        for name, memory in self.rows.items():
            given = further[name] if name in self.extra else getattr(step, name)
            memory[:, at] = given.reshape(self.n_seeds, copies, -1).to(memory.dtype)
        self.position = (self.position + copies) % self.capacity
        self.filled = min(self.filled + copies, self.capacity)

    def sample(self, size: int, streams: Streams) -> Batch:
        """`size` transitions a seed, uniformly with replacement, from the stream "replay"."""
        index = (streams.integers("replay", self.filled, size) + self._offset).flatten()
        chosen = {
            name: rows.flatten(0, 1).index_select(0, index).view(self.n_seeds, size, -1)
            for name, rows in self.rows.items()
        }
        after = chosen.get("next_observation")
        return Batch(
            observation=self._per_member(chosen["observation"]),
            joint_action=chosen["action"],
            reward=chosen["reward"].transpose(1, 2),
            bootstrap=1 - chosen["terminated"].transpose(1, 2),
            next_observation=None if after is None else self._per_member(after),
            x=chosen["state" if self.reads_state else "observation"],
            next_x=chosen["next_state" if self.reads_state else "next_observation"],
            extra={name: chosen[name] for name in self.extra},
        )

    def _per_member(self, joint: Tensor) -> Tensor:
        return joint.unflatten(-1, (self.n_agents, -1)).transpose(1, 2).contiguous()

    def state_dict(self) -> dict[str, Any]:
        """The filled part of the memory and the cursor."""
        rows = {name: value[:, : self.filled].clone() for name, value in self.rows.items()}
        return {"rows": rows, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        self.position = state["position"]
        for name, value in state["rows"].items():
            self.filled = value.shape[1]
            self.rows[name][:, : self.filled] = value
