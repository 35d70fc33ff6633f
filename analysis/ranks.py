"""Ranks with their uncertainty: how often is each agent first, over the bootstrap?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rank:
    """Where an agent stands.

    Attributes:
        rank: 1 is best; agents that are equal share the better rank.
        low: lower end of the percentile interval of its rank over the bootstrap.
        high: upper end.
        first: how often it is first; agents that are equal share it, so that all sum to 1.
    """

    rank: int
    low: float
    high: float
    first: float


def ranks(points: Mapping[str, float], draws: Mapping[str, np.ndarray], confidence: float) -> dict[str, Rank]:
    """Ranks of agents that were scored on the same tasks.

    Args:
        points: agent to its number, more is better; none is NaN.
        draws: agent to (repetitions,) bootstrap draws of it, agents independent of each other.
        confidence: level of the intervals.
    """
    if not points:
        return {}
    names = sorted(points)
    values = np.array([points[name] for name in names])
    drawn = np.stack([draws[name] for name in names], axis=1)
    best = drawn == drawn.max(axis=1, keepdims=True)
    first = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    places = 1 + drawn.shape[1] - _at_most(drawn)
    tail = (1 - confidence) / 2
    low, high = np.quantile(places, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return {
        name: Rank(
            1 + int((values > values[place]).sum()),
            float(low[place]),
            float(high[place]),
            float(first[place]),
        )
        for place, name in enumerate(names)
    }


def _at_most(drawn: np.ndarray) -> np.ndarray:
    """(repetitions, agents) how many agents of the same resample are at most as good, itself included."""
    ordered = np.sort(drawn, axis=1)
    found = np.zeros(drawn.shape, dtype=np.int32)
    for column in range(drawn.shape[1]):
        found += (drawn >= ordered[:, column : column + 1]).astype(np.int32)
    return found


def shared_tasks(tasks_of: Mapping[str, frozenset[str]]) -> tuple[frozenset[str], frozenset[str]]:
    """Whom to rank together on what: of all sets of tasks the one that holds most agents x tasks.

    Args:
        tasks_of: agent to the tasks it has results on.

    Returns:
        Tasks, and the agents that have results on all of them; both empty without agents. Of equally large
        sets, the one with more tasks, then the first by name.
    """
    best: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    for tasks in sorted({tasks for tasks in tasks_of.values() if tasks}, key=lambda found: sorted(found)):
        agents = frozenset(agent for agent, found in tasks_of.items() if tasks <= found)
        if (len(agents) * len(tasks), len(tasks)) > (len(best[0]) * len(best[1]), len(best[0])):
            best = (tasks, agents)
    return best
