"""Which runs speak for a side of a claim, and why none do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...analysis.claims.claim import ClaimError, Side
from ...analysis.reading import Run
from ...analysis.variants import Cell, cell_of, is_external, variant_labels
from ..outcomes import RunOutcome, outcomes, summary
from ..protocol import common_protocols


class NotTestable(Exception):  # noqa: N818 - nothing is wrong: records that are not there say nothing
    """Why a comparison cannot be made, in one line."""


@dataclass(frozen=True)
class Selected:
    """The runs of a side on a task.

    Attributes:
        cell: what they share.
        runs: the complete ones, at least one, in order of seeds.
        remark: what became of the others; empty where all are complete.
    """

    cell: Cell
    runs: tuple[Run, ...]
    remark: str


@dataclass(frozen=True)
class Evidence:
    """The records of one suite, of one version and budget, as a leaderboard sees them.

    Attributes:
        suite: name of the suite.
        version: its version.
        budget: name of the budget.
        runs: all there are.
        metas: cell to the ``run.json`` of one of its runs.
        names: cell to the name of its agent, as a claim writes it.
        labels: cell to the name of its agent and variant.
        expected: (task, label) to what became of its runs, one a seed of the table.
    """

    suite: str
    version: str
    budget: str
    runs: tuple[Run, ...]
    metas: Mapping[Cell, Mapping[str, Any]] = field(repr=False)
    names: Mapping[Cell, str] = field(repr=False)
    labels: Mapping[Cell, str] = field(repr=False)
    expected: Mapping[tuple[str, str], Sequence[RunOutcome]] = field(repr=False)

    def select(self, side: Side, task: str) -> Selected:
        """The runs of a side on a task.

        Raises:
            NotTestable: there are none, or they are not of one variant.
            ClaimError: a setting that looks misspelled.
        """
        if task not in {cell[0] for cell in self.metas}:
            raise NotTestable(f"no runs on {task} at budget {self.budget}")
        everywhere = {cell: meta for cell, meta in self.metas.items() if self.names[cell] == side.agent}
        of_agent = {cell: meta for cell, meta in everywhere.items() if cell[0] == task}
        if not of_agent:
            raise NotTestable(f"no runs of {side.agent} on {task} at budget {self.budget}")
        _check_settings(side, everywhere.values())
        fitting = [cell for cell, meta in of_agent.items() if _fits(meta["agent"]["settings"], side.settings)]
        if not fitting:
            named = ", ".join(sorted(self.labels[cell] for cell in of_agent))
            raise NotTestable(f"no runs of {side.label} on {task} at budget {self.budget}, but of {named}")
        if len(fitting) > 1:
            named = ", ".join(sorted(self.labels[cell] for cell in fitting))
            raise NotTestable(
                f"{side.label} is not one agent on {task}: name settings that tell apart {named}"
            )
        group = self.expected[task, self.labels[fitting[0]]]
        runs = tuple(run.run for run in group if run.outcome == "done" and run.run is not None)
        label = self.labels[fitting[0]]
        reasons = sorted({run.reason for run in group if run.outcome == "apart"})
        told = "; ".join([summary(group), *reasons])
        if not runs:
            raise NotTestable(f"no complete run of {label} on {task} at budget {self.budget}: {told}")
        return Selected(fitting[0], runs, "" if len(runs) == len(group) else f"{label}: {told}")


def evidence(runs: Sequence[Run]) -> Evidence:
    """What runs of one suite, suite version and budget have to say."""
    labels = variant_labels(runs)
    seeds = {run.seed for run in runs if not is_external(run)}
    wanted: dict[tuple[str, str], set[int]] = {}
    for run in runs:
        found = wanted.setdefault((run.task_id, labels[cell_of(run)]), set())
        found |= {run.seed} if is_external(run) else seeds
    by_place = {(run.task_id, labels[cell_of(run)], run.seed): run for run in runs}
    expected = outcomes(
        {key: sorted(found) for key, found in wanted.items()}, by_place, common_protocols(runs)
    )
    metas = {cell_of(run): run.meta for run in runs}
    names = {cell_of(run): run.agent_id + (" (external)" if is_external(run) else "") for run in runs}
    first = runs[0]
    about = (first.suite, str(first.meta["suite_version"]), first.budget)
    return Evidence(*about, tuple(runs), metas, names, labels, expected)


def _check_settings(side: Side, metas: Iterable[Mapping[str, Any]]) -> None:
    """ClaimError for a setting that no run of the agent has and that is almost one; else NotTestable."""
    known = sorted({name for meta in metas for name in meta["agent"]["settings"]})
    for name in side.settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, cutoff=0.8) or [
                other for other in known if sorted(other) == sorted(name)
            ]
            if near:
                raise ClaimError(f"{side.agent} has no setting {name!r}; did you mean {near[0]!r}?")
            raise NotTestable(f"no run of {side.agent} has the setting {name}")


def _fits(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether all wanted settings are recorded with these values; 1 and 1.0 are the same, true is not."""
    return all(name in recorded and _plain(recorded[name]) == _plain(wanted[name]) for name in wanted)


def _plain(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    return json.dumps(value, sort_keys=True)
