"""What the present policy has just done, once: memory of on-policy learners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...envs.base import TeamSpec
from ..base import Transition
from ..networks.blocks import padded_length
from .episodes import Sequences, batch_of, row_types, write, write_end


class Fragments:
    """The steps of every copy since the last update, `steps` of each; `take` gives them and forgets them.

    A copy's fragment is one sequence, which may begin and end within episodes and hold the ends of several:
    `starting` marks the rows where recurrent states begin anew, and after the last step of an episode or of
    the fragment stands a row with the true successor and without action. Nothing is left for a second update,
    and nothing waits for an episode to end, so that no seed depends on how long another's episodes are.
    PyMARL's on-policy learners wait for whole episodes of all copies instead.

    Args:
        team: sizes.
        n_seeds: S.
        steps: of each copy between two updates.
        device: where the memory lives.
    """

    def __init__(self, team: TeamSpec, n_seeds: int, steps: int, device: torch.device) -> None:
        self.team, self.n_seeds, self.steps, self.device = team, n_seeds, steps, device
        self.length = padded_length(2 * steps)
        self.rows: dict[str, Tensor] = {}
        self.position = torch.zeros(n_seeds, 0, dtype=torch.int64, device=device)
        self.over = torch.ones(n_seeds, 0, dtype=torch.bool, device=device)
        self.carried: Tensor | None = None
        self.before: Tensor | None = None
        self.last: Transition | None = None
        self.n_rounds = 0

    @property
    def is_due(self) -> bool:
        """Whether the fragments are complete."""
        return self.n_rounds >= self.steps

    def add(self, step: Transition) -> None:
        """Take in one step of E copies, (S, E, ...).

        Raises:
            ValueError: E has changed, or the fragments are complete and have not been taken.
        """
        copies = step.action.shape[1]
        if not self.rows:
            self._make(copies)
        if self.position.shape[1] != copies:
            raise ValueError(f"a memory of {self.position.shape[1]} copies was given a step of {copies}")
        if self.is_due:
            raise ValueError(f"update() must follow after {self.steps} steps of each copy")
        at = self._place()
        write(self.rows, at, step)
        self.rows["filled"][at] = torch.ones_like(self.over)
        self.rows["starting"][at] = self.over
        self.position += 1
        self.over = step.terminated | step.truncated
        if self.over.any():
            write_end(self.rows, self._place(), step, self.over)
            self.position += self.over
        self.last = step
        self.n_rounds += 1

    def take(self, carried: Tensor | None = None, before: Tensor | None = None) -> Sequences:
        """The fragments of all copies, B = E; new ones begin.

        Args:
            carried: (S, E, N, hidden), recurrent states that the new fragments begin with.
            before: (S, E, N) int64, the actions before them.
        """
        assert self.last is not None, "nothing has been added"
        write_end(self.rows, self._place(), self.last, ~self.over)
        length = padded_length(int(self.position.max()) + 1)
        valid = torch.arange(length, device=self.device)[:, None] < (self.position + ~self.over)[:, None]
        rows = {
            name: memory[:, :, :length].transpose(1, 2).contiguous() for name, memory in self.rows.items()
        }
        batch = batch_of(
            rows,
            rows["filled"],
            valid,
            starting=rows["starting"],
            carried=self.carried,
            before=self.before,
        )
        for memory in self.rows.values():
            memory.zero_()
        self.position.zero_()
        self.n_rounds, self.last = 0, None
        self.carried, self.before = carried, before
        return batch

    def _place(self) -> tuple[Tensor, Tensor, Tensor]:
        seed = torch.arange(self.n_seeds, device=self.device)[:, None]
        return seed, torch.arange(self.position.shape[1], device=self.device), self.position

    def _make(self, copies: int) -> None:
        lead = (self.n_seeds, copies, self.length)
        types = row_types(self.team) | {"filled": ((), torch.bool), "starting": ((), torch.bool)}
        self.rows = {
            name: torch.zeros(*lead, *shape, dtype=dtype, device=self.device)
            for name, (shape, dtype) in types.items()
        }
        self.position = torch.zeros(lead[:2], dtype=torch.int64, device=self.device)
        self.over = torch.ones(lead[:2], dtype=torch.bool, device=self.device)

    def state_dict(self) -> dict[str, Any]:
        """Everything since the last update."""
        return {
            "rows": {name: memory.clone() for name, memory in self.rows.items()},
            "position": self.position.clone(),
            "over": self.over.clone(),
            "carried": self.carried,
            "before": self.before,
            "last": None if self.last is None else list(self.last),
            "n_rounds": self.n_rounds,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        self.rows = {name: memory.clone() for name, memory in state["rows"].items()}
        self.position, self.over = state["position"].clone(), state["over"].clone()
        self.carried, self.before = state["carried"], state["before"]
        self.last = None if state["last"] is None else Transition(*state["last"])
        self.n_rounds = state["n_rounds"]
