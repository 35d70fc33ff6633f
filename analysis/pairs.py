"""Every two agents compared, task by task and over the tasks that both have.

The numbers of a pair come from the runs of the two alone; only ``p_holm``, ``tests``, ``verdict`` and
``seeds_needed`` depend on how many pairs are compared, for that is what a correction corrects for.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from .rank_tests import holm, probability_better, rank_test, seeds_needed, shift
from .resampling import counts, percentile_interval, stream

ALL_TASKS = "(all)"
"""Stands in the column ``task`` for a comparison over all tasks that both agents have."""

COLUMNS = [
    *("task", "agent_a", "agent_b", "tasks", "seeds_a", "seeds_b"),
    *("probability", "probability_low", "probability_high"),
    *("shift", "shift_low", "shift_high", "return_unit"),
    *("p", "p_holm", "tests", "verdict", "seeds_needed", "better_on", "worse_on"),
]

Returns = Mapping[tuple[str, str], np.ndarray]
"""(task, agent) to the returns of its complete runs, (runs,), at least one."""
Key = tuple[str, str, str]
_ROWS = 500
"""Resamples multiplied at once."""


def pair_table(
    returns: Returns, units: Mapping[str, str], seed: int, repetitions: int, confidence: float
) -> pd.DataFrame:
    """All pairs of agents on all tasks.

    Args:
        returns: those of the agents that are to be compared, on one task only under one protocol.
        units: task to what a return is, e.g. ``team (shared reward)``.
        seed: of the bootstrap of probabilities.
        repetitions: of this bootstrap.
        confidence: level of intervals; 1 - ``confidence`` is the error rate of a family of tests.

    Returns:
        Columns ``COLUMNS``. First one row a pair over all its tasks (task ``ALL_TASKS``; no shift, for tasks
        have other units), then one row a task and pair. ``probability``: that a run of ``agent_a`` beats one
        of ``agent_b`` on the same task, ties half. ``verdict`` speaks of ``agent_a``: better, worse,
        undecided, or not compared. A family is the pairs of one task, or all pairs over all tasks.
    """
    agents = sorted({agent for _, agent in returns})
    tasks = sorted({task for task, _ in returns})
    intervals = _intervals(returns, agents, tasks, seed, repetitions, confidence)
    single: dict[str, list[dict[str, object]]] = {}
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for task in tasks:
        there = [agent for agent in agents if (task, agent) in returns]
        rows = [
            _on_task(task, a, b, returns[task, a], returns[task, b], confidence)
            | {"return_unit": units[task]}
            for a, b in combinations(there, 2)
        ]
        for a, b in combinations(there, 2):
            shared[a, b].append(task)
        single[task] = _judged(rows, intervals, confidence)
    verdicts = {
        (row["agent_a"], row["agent_b"], row["task"]): row for rows in single.values() for row in rows
    }
    together: list[dict[str, object]] = []
    for a, b in combinations(agents, 2):
        names = shared[a, b]
        found = [verdicts[a, b, task]["verdict"] for task in names]
        row = _over_tasks(a, b, [(returns[task, a], returns[task, b]) for task in names])
        together.append(row | {"better_on": found.count("better"), "worse_on": found.count("worse")})
    rows = _judged(together, intervals, confidence)
    return pd.DataFrame([*rows, *(row for task in tasks for row in single[task])], columns=pd.Index(COLUMNS))


def _on_task(task: str, a: str, b: str, x: np.ndarray, y: np.ndarray, confidence: float) -> dict[str, object]:
    middle, low, high = shift(x, y, confidence)
    return {
        **{"task": task, "agent_a": a, "agent_b": b, "tasks": 1, "seeds_a": len(x), "seeds_b": len(y)},
        **{"probability": probability_better(x, y), "p": rank_test([(x, y)])},
        **{"shift": middle, "shift_low": low, "shift_high": high},
    }


def _over_tasks(a: str, b: str, groups: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, object]:
    return {
        **{"task": ALL_TASKS, "agent_a": a, "agent_b": b, "tasks": len(groups)},
        "seeds_a": max((len(x) for x, _ in groups), default=0),
        "seeds_b": max((len(y) for _, y in groups), default=0),
        "probability": float(np.mean([probability_better(x, y) for x, y in groups])) if groups else math.nan,
        "p": rank_test(groups) if groups else math.nan,
        **{"shift": math.nan, "shift_low": math.nan, "shift_high": math.nan, "return_unit": ""},
    }


def _judged(
    rows: list[dict[str, object]], intervals: Mapping[Key, tuple[float, float]], confidence: float
) -> list[dict[str, object]]:
    """The rows of one family with intervals, corrected p-values, verdicts and seeds needed."""
    adjusted = holm(np.array([row["p"] for row in rows], dtype=float))
    n_tests = int(np.count_nonzero(~np.isnan(adjusted)))
    judged: list[dict[str, object]] = []
    for row, p_holm in zip(rows, adjusted, strict=True):
        key = (str(row["task"]), str(row["agent_a"]), str(row["agent_b"]))
        low, high = intervals.get(key, (math.nan, math.nan))
        chance = float(row["probability"])  # type: ignore[arg-type]
        verdict = "undecided"
        if math.isnan(chance):
            verdict = "not compared: no task in common"
        elif p_holm <= 1 - confidence:
            verdict = "better" if chance > 0.5 else "worse"
        needed = math.nan
        if n_tests:
            needed = seeds_needed(chance, max(int(str(row["tasks"])), 1), n_tests, 1 - confidence)
        judged.append(
            {
                **row,
                **{"probability_low": low, "probability_high": high, "p_holm": float(p_holm)},
                **{"tests": n_tests, "verdict": verdict, "seeds_needed": needed},
            }
        )
    return judged


def _intervals(
    returns: Returns, agents: list[str], tasks: list[str], seed: int, repetitions: int, confidence: float
) -> dict[Key, tuple[float, float]]:
    """Intervals of the probabilities: both agents' runs are resampled within tasks, independently.

    With the runs' counts in a resample as weights, a resampled probability is a quadratic form in the table
    of who beats whom; that makes it two matrix products for all rivals of an agent together.
    """
    found: dict[Key, tuple[float, float]] = {}
    sums: dict[tuple[str, str], np.ndarray] = {}
    tasks_of: dict[tuple[str, str], int] = defaultdict(int)
    blocked: set[tuple[str, str]] = set()
    for task in tasks:
        there = [agent for agent in agents if (task, agent) in returns]
        data = {agent: np.sort(returns[task, agent]) for agent in there}
        weights = _weights(data, seed, repetitions)
        for place, a in enumerate(there[:-1]):
            rivals = there[place + 1 :]
            drawn = _drawn(data, weights, a, rivals)
            low, high = percentile_interval(drawn, confidence)
            for column, b in enumerate(rivals):
                if min(len(data[a]), len(data[b])) < 2:
                    blocked.add((a, b))
                else:
                    found[task, a, b] = (float(low[column]), float(high[column]))
                sums[a, b] = sums.get((a, b), 0) + drawn[:, column]
                tasks_of[a, b] += 1
    for (a, b), total in sums.items():
        if (a, b) not in blocked:
            low, high = percentile_interval(total / tasks_of[a, b], confidence)
            found[ALL_TASKS, a, b] = (float(low), float(high))
    return found


def _weights(data: Mapping[str, np.ndarray], seed: int, repetitions: int) -> dict[str, np.ndarray]:
    """(repetitions, runs) counts of each agent; agents with the same data get other rows of the same."""
    made: dict[bytes, tuple[np.ndarray, int]] = {}
    weights: dict[str, np.ndarray] = {}
    for agent, values in data.items():
        drawn, times = made.get(values.tobytes(), (None, 0))
        if drawn is None:
            drawn = counts(len(values), repetitions, stream(seed, values))
        made[values.tobytes()] = (drawn, times + 1)
        weights[agent] = np.roll(drawn, times, axis=0)
    return weights


def _drawn(
    data: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray], a: str, rivals: list[str]
) -> np.ndarray:
    """(repetitions, rivals) resampled probabilities that ``a`` beats each rival."""
    others = np.concatenate([data[b] for b in rivals])
    differences = np.subtract.outer(data[a], others)
    beats = ((differences > 0) + 0.5 * (differences == 0)).astype(np.float32)
    sizes = np.array([len(data[b]) for b in rivals])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    mine = weights[a]
    result = np.empty((len(mine), len(rivals)), dtype=np.float32)
    for start in range(0, len(mine), _ROWS):
        rows = slice(start, start + _ROWS)
        theirs = np.concatenate([weights[b][rows] for b in rivals], axis=1)
        theirs *= mine[rows] @ beats
        result[rows] = np.add.reduceat(theirs, starts, axis=1)
    return result / (sizes * len(data[a])).astype(np.float32)
