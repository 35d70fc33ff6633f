"""The part of a suite that a command is about, from what the user typed."""

from __future__ import annotations

from dataclasses import dataclass

from ..choices import parse_names, parse_seeds, parse_set
from .cell import Cell
from .suite import Suite
from .suite_file import read_suite


@dataclass(frozen=True)
class Selection:
    """Cells and seeds of a suite.

    Attributes:
        suite: with the user's settings.
        cells: resolved.
        seeds: of every cell.
        agents: names asked for.
        tasks: ids asked for.
    """

    suite: Suite
    cells: list[Cell]
    seeds: tuple[int, ...]
    agents: list[str]
    tasks: list[str]

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return len(self.cells) * len(self.seeds)


def select(
    suite: str,
    budget: str | None = None,
    agents: str | None = None,
    tasks: str | None = None,
    seeds: str | None = None,
    settings: tuple[str, ...] = (),
) -> Selection:
    """Resolve a choice; what is None is the suite's own.

    Args:
        suite: name, or path of a TOML file.
        budget: name.
        agents: names with commas between.
        tasks: ids with commas between.
        seeds: as in `0-6`.
        settings: assignments, see `choices.parse_set`.

    Raises:
        ValueError: a choice that makes no sense.
    """
    found = read_suite(suite)
    names = parse_names(agents) or list(found.agents)
    ids = parse_names(tasks) or [task.id for task in found.tasks]
    numbers = found.seeds if seeds is None else parse_seeds(seeds)
    found = found.with_overrides(parse_set(text, names, ids) for text in settings)
    return Selection(found, found.cells(budget, ids, names), numbers, names, ids)
