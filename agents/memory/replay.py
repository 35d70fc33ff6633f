"""Replay memory of single transitions, for all seeds of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Transition
from ..streams import Streams


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
    next_joint_action: Tensor | None = None  # (S, B, N * act), played at the successor, where asked for
    has_next: Tensor | None = None  # (S, B) float: 1 where the memory holds it; elsewhere it means nothing


class Replay:
    """A ring of the last `capacity` transitions of each seed.

    Memory is only touched as it fills. A transition takes, in 4-byte numbers a seed: N (obs + act + 1) + 1,
    and the successor's N obs where it is needed, 2 state where critics read the state, 1 where the following
    action is asked for.

    With E copies a step, what the same copy did next lies E places further in the ring.

    Args:
        team: sizes.
        n_seeds: S.
        capacity: transitions a seed.
        device: where the memory lives.
        critic_input: what `Batch.x` is.
        next_observation: whether members' next observations are needed even where critics read the state.
        extra: further rows to keep, and how many numbers of each.
        following: whether samples hold the actions played at the successor.
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
        following: bool = False,
    ) -> None:
        n, obs, act = team.n_agents, team.observation_size, team.action_size
        self.n_agents, self.n_seeds, self.capacity = n, n_seeds, capacity
        self.reads_state = critic_input == "state"
        widths = {"observation": n * obs, "action": n * act, "reward": n, "terminated": 1}
        if next_observation or not self.reads_state:
            widths["next_observation"] = n * obs
        if self.reads_state:
            widths |= {"state": team.state_size, "next_state": team.state_size}
        self.extra, self.following = tuple(extra or ()), following
        widths |= extra or {}
        if following:
            widths["over"] = 1
        self.rows = {name: torch.empty(n_seeds, capacity, k, device=device) for name, k in widths.items()}
        self.position = self.filled = self.copies = 0
        self._offset = torch.arange(n_seeds, device=device)[:, None] * capacity

    def __len__(self) -> int:
        """Transitions a seed."""
        return self.filled

    def add(self, step: Transition, extra: Mapping[str, Tensor] | None = None) -> None:
        """Store one step of E copies, (S, E, ...), and their further rows.

        Raises:
            ValueError: E has changed and following actions are asked for.
        """
        further = dict(extra or {})
        copies = step.action.shape[1]
        if self.following:
            if self.copies not in (0, copies):
                raise ValueError(f"a replay memory of {self.copies} copies was given a step of {copies}")
            further["over"] = step.terminated | step.truncated
        self.copies = copies
        at = (torch.arange(copies, device=step.action.device) + self.position) % self.capacity
        for name, memory in self.rows.items():
            given = further[name] if name in further else getattr(step, name)
            memory[:, at] = given.reshape(self.n_seeds, copies, -1).to(memory.dtype)
        self.position = (self.position + copies) % self.capacity
        self.filled = min(self.filled + copies, self.capacity)

    def sample(self, size: int, streams: Streams) -> Batch:
        """`size` transitions a seed, uniformly with replacement, from the stream "replay"."""
        place = streams.integers("replay", self.filled, size)
        chosen = {name: self._at(name, place) for name in self.rows}
        after = chosen.get("next_observation")
        next_action, has_next = (
            self._followed(place, chosen["over"][..., 0]) if self.following else (None, None)
        )
        return Batch(
            observation=self._per_member(chosen["observation"]),
            joint_action=chosen["action"],
            reward=chosen["reward"].transpose(1, 2),
            bootstrap=1 - chosen["terminated"].transpose(1, 2),
            next_observation=None if after is None else self._per_member(after),
            x=chosen["state" if self.reads_state else "observation"],
            next_x=chosen["next_state" if self.reads_state else "next_observation"],
            extra={name: chosen[name] for name in self.extra},
            next_joint_action=next_action,
            has_next=has_next,
        )

    def _at(self, name: str, place: Tensor) -> Tensor:
        """Rows (S, B, width) at places (S, B) of the ring."""
        rows = self.rows[name].flatten(0, 1).index_select(0, (place + self._offset).flatten())
        return rows.view(*place.shape, -1)

    def _followed(self, place: Tensor, over: Tensor) -> tuple[Tensor, Tensor]:
        """The joint actions (S, B, N * act) played next, and whether (S, B) the memory holds them."""
        age = (self.position - 1 - place) % self.capacity  # of the newest entry: 0
        has_next = (over == 0) & (age >= self.copies)
        following = torch.where(has_next, (place + self.copies) % self.capacity, place)
        return self._at("action", following), has_next.float()

    def _per_member(self, joint: Tensor) -> Tensor:
        return joint.unflatten(-1, (self.n_agents, -1)).transpose(1, 2).contiguous()

    def state_dict(self) -> dict[str, Any]:
        """The filled part of the memory, not copied, and the cursor."""
        rows = {name: value[:, : self.filled] for name, value in self.rows.items()}
        return {"rows": rows, "position": self.position, "copies": self.copies}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        self.position, self.copies = state["position"], state["copies"]
        for name, value in state["rows"].items():
            self.filled = value.shape[1]
            self.rows[name][:, : self.filled] = value
