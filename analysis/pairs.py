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

from .pair_draws import ALL_TASKS, Key, Returns, probability_intervals
from .rank_tests import Ranked, holm, ranked, ranked_test, seeds_needed, shift

COLUMNS = [
    *("task", "agent_a", "agent_b", "tasks", "seeds_a", "seeds_b"),
    *("probability", "probability_low", "probability_high"),
    *("shift", "shift_low", "shift_high", "return_unit"),
    *("p", "p_holm", "tests", "verdict", "seeds_needed", "better_on", "worse_on"),
]


def pair_table(
    returns: Returns, units: Mapping[str, str], seed: int, repetitions: int, confidence: float
) -> pd.DataFrame:
    """All pairs of agents on all tasks.

    Args:
        returns: those of the agents that are to be compared, on one task only under one protocol; win rates
            where these lead.
        units: task to what a return is, e.g. ``team (shared reward)`` or ``win rate``.
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
    intervals = probability_intervals(returns, seed, repetitions, confidence)
    single: dict[str, list[dict[str, object]]] = {}
    shared: dict[tuple[str, str], dict[str, Ranked]] = defaultdict(dict)
    for task in tasks:
        rows: list[dict[str, object]] = []
        for a, b in combinations([agent for agent in agents if (task, agent) in returns], 2):
            x, y = returns[task, a], returns[task, b]
            shared[a, b][task] = found = ranked(x, y)
            middle, low, high = shift(x, y, confidence)
            shifts = {"shift": middle, "shift_low": low, "shift_high": high, "return_unit": units[task]}
            rows.append(_row(task, a, b, [found]) | shifts)
        single[task] = _judged(rows, intervals, confidence)
    verdicts = {
        (row["agent_a"], row["agent_b"], row["task"]): row["verdict"]
        for rows in single.values()
        for row in rows
    }
    together: list[dict[str, object]] = []
    for a, b in combinations(agents, 2):
        found = [verdicts[a, b, task] for task in shared[a, b]]
        row = _row(ALL_TASKS, a, b, list(shared[a, b].values())) | {
            **{"shift": math.nan, "shift_low": math.nan, "shift_high": math.nan, "return_unit": ""},
            **{"better_on": found.count("better"), "worse_on": found.count("worse")},
        }
        together.append(row)
    rows = _judged(together, intervals, confidence)
    return pd.DataFrame([*rows, *(row for task in tasks for row in single[task])], columns=pd.Index(COLUMNS))


def _row(task: str, a: str, b: str, groups: list[Ranked]) -> dict[str, object]:
    """What the runs of a pair say, task by task ranked together."""
    return {
        **{"task": task, "agent_a": a, "agent_b": b, "tasks": len(groups)},
        "seeds_a": max((group.n for group in groups), default=0),
        "seeds_b": max((group.m for group in groups), default=0),
        "probability": float(np.mean([group.probability for group in groups])) if groups else math.nan,
        "p": ranked_test(groups) if groups else math.nan,
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
