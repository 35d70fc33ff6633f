"""Who is ranked with whom, and how sure the ranks are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..analysis.ranks import Rank, ranks, shared_tasks
from ..analysis.scores import Scales
from .bootstrap import Bootstrap, Resampled, resampled
from .outcomes import RunOutcome
from .rows import score_matrix

SCRIPTED = ("random", "reference")
"""Agents that do not learn: the fixed points of every score. They are listed, and never ranked."""

_NO_RANK = Rank(0, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Standing:
    """Ranks.

    Attributes:
        tasks: the tasks the overall ranks are about: every ranked agent has complete runs on all of them.
        overall: agent to its rank by interquartile mean over these tasks.
        unranked: agents that learn but lack some of these tasks, with the reason.
        first: (task, agent) to how often the agent has the best mean on the task.
    """

    tasks: tuple[str, ...]
    overall: Mapping[str, Rank]
    unranked: Mapping[str, str]
    first: Mapping[tuple[str, str], float] = field(repr=False)

    def of_agent(self, agent: str) -> dict[str, Any]:
        """The columns ``rank``, ``rank_low``, ``rank_high`` and ``first``; NaN for those without a rank."""
        found = self.overall.get(agent, _NO_RANK)
        return {
            "rank": found.rank or math.nan,
            "rank_low": found.low,
            "rank_high": found.high,
            "first": found.first,
        }

    def first_on(self, task: str, agent: str) -> float:
        """How often the agent has the best mean on the task; NaN where it has none."""
        return self.first.get((task, agent), math.nan)


def standing(
    agents: Sequence[str],
    expected: Mapping[tuple[str, str], Sequence[RunOutcome]],
    references: Scales,
    drawn: Mapping[str, Resampled | None],
    bootstrap: Bootstrap,
) -> Standing:
    """Ranks agents over the tasks they share, and on each task.

    Args:
        agents: labels of those that learn.
        expected: (task, agent) to its runs.
        references: how tasks are scored; those that are not are in no rank.
        drawn: agent to its bootstrap on all its tasks.
        bootstrap: how to resample where the ranked tasks are not all of an agent's.
    """
    tasks = sorted({task for task, _ in expected})
    mine = {name: {task: expected[task, name] for task in tasks} for name in agents}
    tasks_of = {name: frozenset(score_matrix(mine[name], references)[1]) for name in agents}
    ranked_tasks, ranked = shared_tasks(tasks_of)
    points: dict[str, float] = {}
    samples: dict[str, np.ndarray] = {}
    for name in sorted(ranked):
        found = drawn[name]
        if found is None or tasks_of[name] != ranked_tasks:
            chosen = {task: mine[name][task] for task in sorted(ranked_tasks)}
            found = resampled(score_matrix(chosen, references)[0], bootstrap)
        points[name], samples[name] = found.aggregates["iqm"].point, found.iqm_draws
    unranked = {
        name: "no complete run on " + ", ".join(sorted(ranked_tasks - tasks_of[name]))
        for name in agents
        if name not in ranked
    }
    overall = ranks(points, _independent(samples), bootstrap.confidence)
    return Standing(
        tuple(sorted(ranked_tasks)), overall, unranked, _first(tasks, mine, references, drawn, bootstrap)
    )


def _first(
    tasks: Sequence[str],
    mine: Mapping[str, Mapping[str, Sequence[RunOutcome]]],
    references: Scales,
    drawn: Mapping[str, Resampled | None],
    bootstrap: Bootstrap,
) -> dict[tuple[str, str], float]:
    """How often each agent has the best mean on each task, by the draws of all its tasks."""
    places = {name: score_matrix(mine[name], references)[1] for name in mine}
    first: dict[tuple[str, str], float] = {}
    for task in tasks:
        points: dict[str, float] = {}
        samples: dict[str, np.ndarray] = {}
        for name, names in places.items():
            found = drawn[name]
            if found is not None and task in names:
                points[name] = found.means[names.index(task)].point
                samples[name] = found.mean_draws[:, names.index(task)]
        for name, rank in ranks(points, _independent(samples), bootstrap.confidence).items():
            first[task, name] = rank.first
    return first


def _independent(samples: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draws of agents with identical data are the same: each further one is shifted."""
    times: dict[bytes, int] = {}
    shifted: dict[str, np.ndarray] = {}
    for name in sorted(samples):
        key = samples[name][:50].tobytes()
        shifted[name] = np.roll(samples[name], times.get(key, 0))
        times[key] = times.get(key, 0) + 1
    return shifted
