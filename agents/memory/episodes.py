"""Episodes of all seeds of a stack as padded sequences: replayed ones, and fragments fresh from acting.

In a sequence row t + 1 is the true successor of row t wherever `filled` is 1 at t: the observation after the
last step of an episode stands there too, in a row without action. Padding holds zeros, is never filled and
allows every action, so that no softmax over it is undefined; no loss may count it.

A sequence may hold several episodes one after another, `starting` says where they begin: see `lanes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Transition
from ..networks.blocks import padded_length
from ..streams import Streams
from .lanes import EPISODES_A_LANE, laid_out, n_lanes


class Sequences(NamedTuple):
    """A batch of B sequences a seed; actions, rewards and ends mean something at filled rows only."""

    observation: Tensor  # (S, K, B, N, obs)
    state: Tensor  # (S, K, B, state)
    mask: Tensor  # (S, K, B, N, n) bool
    action: Tensor  # (S, K, B, N) int64
    reward: Tensor  # (S, K, B), the mean over members
    terminated: Tensor  # (S, K, B) float: 1 at true ends
    filled: Tensor  # (S, K, B) float: 1 where a step was taken
    starting: Tensor | None = None  # (S, K, B) bool: episodes begin here; None: at the first row only
    carried: Tensor | None = None  # (S, B, N, hidden), recurrent states before the first row; None: zero
    before: Tensor | None = None  # (S, B, N) int64, the actions before the first row, -1: none
    extra: Mapping[str, Tensor] = {}  # (S, K or 1, B, ...), what belongs to the episode that a row is of


def row_types(team: TeamSpec) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and type of what memories keep of each row."""
    n = team.n_agents
    small = torch.uint8 if team.action_size <= 256 else torch.int16
    return {
        "observation": ((n, team.observation_size), torch.float32),
        "state": ((team.state_size,), torch.float32),
        "mask": ((n, team.action_size), torch.bool),
        "action": ((n,), small),
        "reward": ((), torch.float32),
        "terminated": ((), torch.bool),
    }


def batch_of(rows: Mapping[str, Tensor], filled: Tensor, valid: Tensor, **others: Any) -> Sequences:
    """A batch of rows (S, K, B, ...), of which `valid` (S, K, B) ones hold something."""
    return Sequences(
        observation=rows["observation"],
        state=rows["state"],
        mask=rows["mask"] | ~valid[..., None, None],
        action=rows["action"].long(),
        reward=rows["reward"],
        terminated=rows["terminated"].float(),
        filled=filled.float(),
        **others,
    )


class EpisodeReplay:
    """A ring of the last `capacity` finished episodes of each seed, and those in progress.

    An episode takes, in bytes, for each of its rows (one more than its steps): 4 (N obs + state + 1) +
    N n + N + 1. Pages of memory are only touched as they fill.

    Args:
        team: sizes; no episode may be longer than its horizon.
        n_seeds: S.
        capacity: episodes a seed.
        device: where the memory lives.
        extra: shapes of what `add` is given for a whole episode, float32.
    """

    def __init__(
        self,
        team: TeamSpec,
        n_seeds: int,
        capacity: int,
        device: torch.device,
        extra: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        self.team, self.n_seeds, self.capacity, self.device = team, n_seeds, capacity, device
        self.length = padded_length(team.horizon + 1)
        self.types = row_types(team)
        self.rows = self._rows(capacity, torch.empty)
        self.steps = torch.zeros(n_seeds, capacity, dtype=torch.int64, device=device)
        self.extra = {
            name: torch.zeros(n_seeds, capacity, *shape, device=device)
            for name, shape in (extra or {}).items()
        }
        self.n_episodes = torch.zeros(n_seeds, dtype=torch.int64, device=device)
        self.n_rounds = 0
        self.present: dict[str, Tensor] = {}
        self.position = torch.zeros(n_seeds, 0, dtype=torch.int64, device=device)

    def _rows(self, count: int, make: Any) -> dict[str, Tensor]:
        lead = (self.n_seeds, count, self.length)
        return {
            name: make(*lead, *shape, dtype=dtype, device=self.device)
            for name, (shape, dtype) in self.types.items()
        }

    @property
    def longest(self) -> int:
        """No batch has more rows in time."""
        return EPISODES_A_LANE * self.length

    @property
    def is_ready(self) -> bool:
        """Whether every copy has come to the end of an episode, however long: the same for all seeds."""
        return self.n_rounds >= self.team.horizon

    def add(self, step: Transition, extra: Mapping[str, Tensor] | None = None) -> None:
        """Take in one step of E copies, (S, E, ...), and what belongs to its whole episode.

        Raises:
            ValueError: E has changed, or an episode is longer than the task's horizon.
        """
        copies = step.action.shape[1]
        if not self.present:
            self.present = self._rows(copies, torch.zeros)
            self.position = torch.zeros(self.n_seeds, copies, dtype=torch.int64, device=self.device)
        if self.position.shape[1] != copies:
            raise ValueError(f"a memory of {self.position.shape[1]} copies was given a step of {copies}")
        if int(self.position.max()) >= self.team.horizon:
            raise ValueError(f"an episode is longer than {self.team.task_id}'s horizon {self.team.horizon}")
        seed = torch.arange(self.n_seeds, device=self.device)[:, None]
        copy = torch.arange(copies, device=self.device)
        write(self.present, (seed, copy, self.position), step)
        self.position += 1
        self.n_rounds += 1
        over = step.terminated | step.truncated
        if over.any():
            write_end(self.present, (seed, copy, self.position), step, over)
            self._keep(over, extra or {})

    def _keep(self, over: Tensor, extra: Mapping[str, Tensor]) -> None:
        seed, copy = over.nonzero(as_tuple=True)
        place = ((self.n_episodes[:, None] + over.cumsum(1) - 1) % self.capacity)[seed, copy]
        for name, memory in self.rows.items():
            memory[seed, place] = self.present[name][seed, copy]
            self.present[name][seed, copy] = 0
        for name, memory in self.extra.items():
            memory[seed, place] = extra[name][seed, copy].to(memory.dtype)
        self.steps[seed, place] = self.position[seed, copy]
        self.position[seed, copy] = 0
        self.n_episodes += over.sum(1)

    def sample(self, size: int, streams: Streams, least_lanes: int = 1) -> Sequences:
        """`size` episodes a seed, uniformly with replacement, from the stream "replay".

        They are laid in B = `n_lanes(size, least_lanes)` sequences. PyMARL draws without replacement. A seed
        without any episode gets padding alone.
        """
        kept = self.n_episodes.clamp(max=self.capacity)[:, None]
        place = (streams.uniform("replay", size, low=0) * kept).long().minimum(kept - 1).clamp(min=0)
        return self._batch(place, kept.expand_as(place) > 0, least_lanes)

    def latest(self, size: int, least_lanes: int = 1) -> Sequences:
        """The last `size` episodes of each seed, laid as by `sample`; padding where there are fewer."""
        age = torch.arange(size, device=self.device)
        there = age < self.n_episodes[:, None].clamp(max=self.capacity)
        return self._batch((self.n_episodes[:, None] - 1 - age) % self.capacity, there, least_lanes)

    def _batch(self, place: Tensor, there: Tensor, least_lanes: int) -> Sequences:
        """Episodes at places (S, size) of the memory, those that are `there` (S, size)."""
        at = place + torch.arange(self.n_seeds, device=self.device)[:, None] * self.capacity
        steps = self.steps.flatten()
        episode, time, valid = laid_out((steps[at] + 1) * there, n_lanes(place.shape[1], least_lanes))
        of = at.gather(1, episode.flatten(1)).view_as(episode)
        source = (of * self.length + time).flatten()

        def blank(chosen: Tensor) -> Tensor:
            """Zeros at padding."""
            return chosen.masked_fill_(~valid.view(*of.shape, *(1,) * (chosen.dim() - 3)), 0)

        rows = {
            name: blank(memory.flatten(0, 2).index_select(0, source).unflatten(0, of.shape))
            for name, memory in self.rows.items()
        }
        return batch_of(
            rows,
            valid & (time < steps[of]),
            valid,
            starting=valid & (time == 0),
            extra={name: blank(memory.flatten(0, 1)[of]) for name, memory in self.extra.items()},
        )

    def state_dict(self) -> dict[str, Any]:
        """The filled part of the memory, the episodes in progress and the counters."""
        filled = int(self.n_episodes.max().clamp(max=self.capacity))
        return {
            "rows": {name: memory[:, :filled].clone() for name, memory in self.rows.items()},
            "extra": {name: memory[:, :filled].clone() for name, memory in self.extra.items()},
            "steps": self.steps[:, :filled].clone(),
            "present": {name: memory.clone() for name, memory in self.present.items()},
            "position": self.position.clone(),
            "n_episodes": self.n_episodes.clone(),
            "n_rounds": self.n_rounds,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        filled = state["steps"].shape[1]
        for mine, given in ((self.rows, state["rows"]), (self.extra, state["extra"])):
            for name, values in given.items():
                mine[name][:, :filled] = values
        self.steps.zero_()
        self.steps[:, :filled] = state["steps"]
        self.present = {name: memory.clone() for name, memory in state["present"].items()}
        self.position = state["position"].clone()
        self.n_episodes = state["n_episodes"].clone()
        self.n_rounds = state["n_rounds"]


Place = tuple[Tensor, Tensor, Tensor]
"""Indices that broadcast to (S, E) of the first three axes of a memory."""


def write(rows: Mapping[str, Tensor], at: Place, step: Transition) -> None:
    """Write a step (S, E, ...) into rows of a memory."""
    observed = {"observation": step.observation, "state": step.state, "mask": step.mask}
    done = {"action": step.action, "reward": step.reward.mean(-1), "terminated": step.terminated}
    for name, value in (observed | done).items():
        rows[name][at] = torch.ones_like(rows[name][at]) if value is None else value.to(rows[name].dtype)


def write_end(rows: Mapping[str, Tensor], at: Place, step: Transition, where: Tensor) -> None:
    """Write the successors of a step into rows of a memory, for those copies (S, E) that `where` marks."""
    seed, copy, position = (index.expand(where.shape)[where] for index in at)
    for name, value in (
        ("observation", step.next_observation),
        ("state", step.next_state),
        ("mask", step.next_mask),
    ):
        given = True if value is None else value[where].to(rows[name].dtype)
        rows[name][seed, copy, position] = given
