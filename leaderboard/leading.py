"""What leads on a task: the win rate where episodes are won or lost, the return beside it; else the return.

Tables of which no task is scored by its win rate have neither the columns nor the words of this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.scores import Scale, WinRate
from .protocol import RETURN, WIN_RATE

if TYPE_CHECKING:
    from .board import Leaderboard
    from .outcomes import RunOutcome
    from .rows import TaskNumbers

COLUMN = "scored_by"
"""Of the frames of tasks and curves: what a task's value is."""
_MOST_NAMED = 3


@dataclass(frozen=True)
class Lead:
    """Where the numbers that lead stand in a row of ``tasks.csv``.

    Attributes:
        title: for headings.
        value: column of the number, with its interval in ``low`` and ``high``.
        low: see ``value``.
        high: see ``value``.
        short: column of the mean of short runs.
        random: column of what the random policy reaches.
        reference: column of what the scripted policy reaches.
    """

    title: str
    value: str
    low: str
    high: str
    short: str
    random: str
    reference: str

    @property
    def columns(self) -> tuple[str, str, str]:
        """Value, lower and upper end."""
        return self.value, self.low, self.high


BY_RETURN = Lead("Return", "return", "low", "high", "short_return", "random", "reference")
BY_WIN_RATE = Lead(
    *("Win rate", "win_rate", "win_rate_low", "win_rate_high"),
    *("short_win_rate", "random_win_rate", "reference_win_rate"),
)


def is_won(row: Mapping[str, Any]) -> bool:
    """Whether a row of a task, or of its curve, is scored by the win rate."""
    return row.get(COLUMN, RETURN) == WIN_RATE


def lead_of(row: Mapping[str, Any]) -> Lead:
    """What leads in a row of ``tasks.csv``."""
    return BY_WIN_RATE if is_won(row) else BY_RETURN


def win_columns(group: Sequence[RunOutcome], scale: Scale | None, numbers: TaskNumbers) -> dict[str, Any]:
    """The further columns of one agent on one task, in a table with tasks that are won or lost.

    Args:
        group: the agent's expected runs on the task.
        scale: of the task.
        numbers: its estimates.
    """
    won = isinstance(scale, WinRate)
    measured = scale.measured if isinstance(scale, WinRate) else None
    rate = numbers.mean if won else None
    best = numbers.absolute if won else None
    return {
        COLUMN: WIN_RATE if won else RETURN,
        **_three("win_rate", rate),
        "random_win_rate": _or_nan(measured and measured.random_wins),
        "reference_win_rate": _or_nan(measured and measured.reference_wins),
        **_three("absolute_win_rate", best),
        "short_win_rate": _mean(run.win_rate for run in group if run.outcome == "short"),
        "apart_win_rate": _mean(run.win_rate for run in group if run.outcome == "apart"),
    }


def tasks_won(board: Leaderboard) -> list[str]:
    """The tasks of a table that are scored by their win rate, in order."""
    if COLUMN not in board.tasks:
        return []
    return sorted(set(board.tasks.loc[board.tasks[COLUMN] == WIN_RATE, "task"]))


def scale_words(board: Leaderboard, words: str) -> str:
    """What scores are, for all tasks of a table.

    Args:
        board: the table.
        words: what they are where returns are scored.
    """
    won, count = tasks_won(board), board.tasks["task"].nunique()
    if not won:
        return words
    rate = "the win rate (0 no episode won, 1 all)"
    if len(won) == count:
        return rate
    named = ", ".join(won) if len(won) <= _MOST_NAMED else f"{len(won)} of {count} tasks"
    return f"{words}; on {named} {rate}"


def lead_words(board: Leaderboard) -> str:
    """``Return``, ``Win rate``, or both for tables of both kinds of tasks."""
    won = tasks_won(board)
    if not won:
        return BY_RETURN.title
    return BY_WIN_RATE.title if len(won) == board.tasks["task"].nunique() else "Win rate or return"


def _three(name: str, found: Any) -> dict[str, float]:
    values = (found.point, found.low, found.high) if found is not None else (math.nan,) * 3
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _mean(values: Any) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
