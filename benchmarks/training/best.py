"""The best weights of every run so far, and the absolute metric: their evaluation at the end.

Gorsane et al., "Towards a Standardised Performance Evaluation Protocol for Cooperative MARL", NeurIPS 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import envs
from ...agents import Agent
from ...agents.stored import StoredPolicy, stored_policy
from ...analysis.records import RunFolder
from ...envs import TeamSpec
from ..suites.cell import Cell
from .evaluate import ABSOLUTE_SEED, Episodes, evaluate_many

FACTOR = 10
"""Episodes of the absolute metric, in those of an evaluation (Gorsane et al. 2022)."""


class Best:
    """Remembers, for every run of a stack, what it had learned when its mean return was highest.

    Where the task's episodes are won or lost, the win rate decides, and the return between equal ones.

    Args:
        cell: what is trained.
        seeds: one run each.
        team: the task.
    """

    def __init__(self, cell: Cell, seeds: tuple[int, ...], team: TeamSpec) -> None:
        self.cell, self.seeds, self.team = cell, seeds, team
        self.returns, self.win_rates = np.full(len(seeds), -np.inf), np.zeros(len(seeds))
        self.policies: list[StoredPolicy | None] = [None] * len(seeds)

    def note(self, step: int, agent: Agent, episodes: Episodes, alive: np.ndarray) -> None:
        """Take in an evaluation after so many steps; of equal ones the first stays the best.

        Args:
            step: environment steps of training.
            agent: was evaluated.
            episodes: what came of it.
            alive: (S,) bool, the runs that go on.
        """
        if not self.cell.evaluation.absolute:
            return
        returns, won = episodes.returns.mean(1), self.team.win_metric
        win_rates = np.zeros(len(self.seeds)) if won is None else episodes.metrics[won].mean(1)
        is_better = (win_rates > self.win_rates) | (win_rates == self.win_rates) & (returns > self.returns)
        for row in np.flatnonzero(alive & is_better):
            self.policies[row] = stored_policy(agent, int(row), self.cell.agent, step)
            self.returns[row], self.win_rates[row] = returns[row], win_rates[row]

    def finish(self, row: int, folder: RunFolder) -> None:
        """Keep the best weights of a run and what they return; nothing for agents that keep none."""
        stored = self.policies[row]
        if stored is None:
            return
        folder.keep_policy(stored.to_bytes(), best=True)
        episodes = FACTOR * self.cell.evaluation.episodes
        found = evaluate_stored(stored, self.cell, episodes)
        folder.keep_absolute(
            {
                "step": stored.step,
                "chosen_return": self.returns[row],
                "start_seed": ABSOLUTE_SEED,
                "mode": self.cell.evaluation.mode,
                "return": found.returns[0],
                "episode_length": found.lengths[0],
                "metrics": {name: values[0] for name, values in found.metrics.items()},
            }
        )

    def state_dict(self) -> dict[str, Any]:
        """The best returns and win rates, and the policies that had them: plain values, arrays, tensors."""
        changing = ("step", "tensors", "outline", "versions")
        policies = [p and {name: getattr(p, name) for name in changing} for p in self.policies]
        return {"returns": self.returns.copy(), "win_rates": self.win_rates.copy(), "policies": policies}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        self.returns, self.win_rates = state["returns"].copy(), state["win_rates"].copy()
        name, settings = self.cell.agent, self.cell.agent_settings
        self.policies = [
            policy and StoredPolicy(name, settings, self.team, seed, **policy)
            for seed, policy in zip(self.seeds, state["policies"], strict=True)
        ]


def evaluate_stored(stored: StoredPolicy, cell: Cell, episodes: int) -> Episodes:
    """Episodes of a policy of a cell from the start states of the absolute metric; on the CPU, by itself."""
    settings = {**cell.task_settings, **cell.evaluation_settings}
    return evaluate_many(
        lambda copies: envs.make(cell.task, num_envs=copies, **settings),
        stored.restored(cell.agent),
        cell.evaluation.mode,
        episodes,
        ABSOLUTE_SEED,
    )
