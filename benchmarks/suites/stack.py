"""Stacks: runs of one cell that are trained together in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from ... import envs
from ...analysis.records import RunFolder, run_folder
from .cell import Cell


@dataclass(frozen=True)
class Stack:
    """Runs of one cell that are trained together in one process.

    Attributes:
        cell: what they have in common.
        seeds: one run each.
    """

    cell: Cell
    seeds: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Environment steps of all its runs."""
        return self.cell.steps * len(self.seeds)

    @cached_property
    def cost(self) -> int:
        """Estimate of its duration, in no particular unit: steps x members."""
        return self.steps * _n_agents(self.cell.task)

    @property
    def key(self) -> tuple[str, str, tuple[int, ...]]:
        """Tells it apart from all others of a results folder."""
        return self.cell.suite, self.cell.place, self.seeds

    @property
    def title(self) -> str:
        """Agent, task and seeds."""
        return f"{self.cell.title} on {self.cell.task}, {span(self.seeds)}"

    def folders(self, results: Path) -> dict[int, RunFolder]:
        """Seed to the folder of its run."""
        return {seed: folder_of(self.cell, seed, results) for seed in self.seeds}


def folder_of(cell: Cell, seed: int, results: Path) -> RunFolder:
    """The folder of a run."""
    return run_folder(results, cell.suite, cell.task, cell.agent_label, cell.settings_hash, seed)


def cell_folder(cell: Cell, results: Path) -> Path:
    """The folder of a cell's runs."""
    return results / cell.suite / cell.place


def span(seeds: Sequence[int]) -> str:
    """Seeds in short: `seed 3`, `seeds 0-3`, `seeds 0,2,5`."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]}-{seeds[-1]}"
    return f"seeds {','.join(map(str, seeds))}"


@cache
def _n_agents(task: str) -> int:
    return envs.spec(task).n_agents
