"""What the comparison of two agents says, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from ..analysis.pairs import ALL_TASKS
from ..analysis.rank_tests import MOST_SEEDS
from .board import Leaderboard
from .standing import SCRIPTED
from .text import Row, interval, number, picked, rows_of

MOST_PAIRS = 66
"""Pairs told in words on a page, those of 12 agents; the others are in ``pairs.csv``."""


def pair_rows(board: Leaderboard, task: str = ALL_TASKS) -> list[Row]:
    """Pairs of agents that learn, turned so that the one that stands higher comes first, in that order.

    Args:
        board: the numbers.
        task: a task, or ``ALL_TASKS`` for the comparison over all of them.
    """
    order = {agent: place for place, agent in enumerate(board.agents["agent"])}
    learn = {row["agent"] for row in rows_of(board.agents) if row["agent_id"] not in SCRIPTED}
    chosen = picked(board.pairs, "task", task)
    rows = [
        row if order[row["agent_a"]] < order[row["agent_b"]] else turned(row)
        for row in rows_of(chosen)
        if {row["agent_a"], row["agent_b"]} <= learn
    ]
    return sorted(rows, key=lambda row: (order[row["agent_a"]], order[row["agent_b"]]))


def told_pairs(board: Leaderboard) -> tuple[list[Row], int]:
    """The pairs to be told in words, and how many there are: all of few, else neighbours in the table."""
    rows = pair_rows(board)
    if len(rows) <= MOST_PAIRS:
        return rows, len(rows)
    names = [row["agent"] for row in rows_of(board.agents) if row["agent_id"] not in SCRIPTED]
    neighbours = set(pairwise(names))
    return [row for row in rows if (row["agent_a"], row["agent_b"]) in neighbours], len(rows)


def comparable(board: Leaderboard) -> list[Row]:
    """The ranked agents, rivals for the best aggregate; none where aggregates are over different tasks."""
    ranked: list[Row] = [row for row in rows_of(board.agents) if not math.isnan(row["rank"])]
    if any(row["tasks"] != len(board.standing.tasks) for row in ranked):
        return []
    return ranked


def turned(row: Row) -> dict[str, object]:
    """The same pair seen from the other agent."""
    other = {"better": "worse", "worse": "better"}
    return {
        **row,
        **{"agent_a": row["agent_b"], "agent_b": row["agent_a"]},
        **{"seeds_a": row["seeds_b"], "seeds_b": row["seeds_a"]},
        "probability": 1 - row["probability"],
        **{"probability_low": 1 - row["probability_high"], "probability_high": 1 - row["probability_low"]},
        **{"shift": -row["shift"], "shift_low": -row["shift_high"], "shift_high": -row["shift_low"]},
        "verdict": other.get(row["verdict"], row["verdict"]),
        **{"better_on": row["worse_on"], "worse_on": row["better_on"]},
    }


def sentence(row: Row) -> str:
    """A pair over all its tasks in words.

    Example: ``vm3ac better than ma_ac on 2 of 4 tasks, worse on none; over all: undecided, P(better) = 0.70
    [0.60, 0.80], p = 0.13; about 16 seeds each would settle it.``
    """
    a, b = row["agent_a"], row["agent_b"]
    if row["tasks"] == 0:
        return f"{a} and {b}: not compared, they have no task in common."
    tasks = f"{row['tasks']} task{'s' if row['tasks'] > 1 else ''}"
    counts = f"better than {b} on {_count(row['better_on'])} of {tasks}, worse on {_count(row['worse_on'])}"
    chance = number(row["probability"], 2)
    within = interval(row["probability_low"], row["probability_high"], 2)
    told = f"{a} {counts}; over all: {row['verdict']}, P(better) = {chance} {within}"
    told += f", p = {p_text(row['p_holm'])}".replace("= <", "<")
    return told + (f"; {seeds_text(row)}." if row["verdict"] == "undecided" else ".")


def seeds_text(row: Row) -> str:
    """How many seeds would settle an undecided pair."""
    if math.isnan(row["seeds_needed"]):
        return "how many seeds would settle it is not known"
    if math.isinf(row["seeds_needed"]):
        return f"more than {MOST_SEEDS:,} seeds each would be needed to tell them apart"
    return f"about {row['seeds_needed']:.0f} seeds each would settle it"


def p_text(value: float) -> str:
    """A p-value with two digits after the point, three where it is small, never 0."""
    if math.isnan(value):
        return "n/a"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _count(value: float) -> str:
    return f"{value:.0f}" if value else "none"


def ranking(board: Leaderboard) -> Sequence[str]:
    """Who is ranked on what, and who is not and why: one sentence each."""
    tasks = board.standing.tasks
    if not tasks:
        return ["Nobody is ranked: no agent that learns has a score."]
    many = board.tasks["task"].nunique()
    over = "all tasks" if len(tasks) == many else f"{len(tasks)} of {many} tasks ({', '.join(tasks)})"
    said = [f"Ranks are by IQM over {over}; *first*: how often an agent is first over the bootstrap."]
    return said + [
        f"{agent} is not ranked: {reason}." for agent, reason in sorted(board.standing.unranked.items())
    ]
