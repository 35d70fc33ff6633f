"""Numbers as text, the same in Markdown and on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .standing import SCRIPTED

Row = Mapping[str, Any]

SMALLER_IS_BETTER = ("optimality_gap",)


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries, in order."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def picked(frame: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """The rows of a frame with a value in a column."""
    return frame.loc[frame[column] == value, :]


def number(value: float, digits: int) -> str:
    """A number with a fixed count of decimals, ``n/a`` for NaN; never ``-0.0``."""
    return "n/a" if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"


def interval(low: float, high: float, digits: int) -> str:
    """``[low, high]``, or ``[n/a]`` where there is no interval."""
    if math.isnan(low) or math.isnan(high):
        return "[n/a]"
    return f"[{number(low, digits)}, {number(high, digits)}]"


def return_digits(values: Sequence[float]) -> int:
    """Decimals for the returns of a task: two below 10, one above."""
    return 2 if max((abs(value) for value in values if not math.isnan(value)), default=0.0) < 10 else 1


def best_and_tied(
    rows: Sequence[Row], name: str, low: str, high: str, digits: int
) -> tuple[set[str], set[str]]:
    """Which agents are best in a column, and which are not separated from the best.

    Args:
        rows: rows with ``agent`` and ``agent_id``; scripted policies do not compete.
        name: column of the number.
        low: column of the lower end of its interval.
        high: column of the upper end.
        digits: decimals shown; agents that read the same as the best are best too.

    Returns:
        Labels of the best, and labels of the others whose interval overlaps that of one of the best.
    """
    sign = -1.0 if name in SMALLER_IS_BETTER else 1.0
    rivals = [row for row in rows if row["agent_id"] not in SCRIPTED and not math.isnan(row[name])]
    if not rivals:
        return set(), set()
    top = max(round(sign * row[name], digits) for row in rivals)
    best = [row for row in rivals if round(sign * row[name], digits) == top]
    tied = {
        row["agent"]
        for row in rivals
        if row not in best and any(row[low] <= one[high] and one[low] <= row[high] for one in best)
    }
    return {row["agent"] for row in best}, tied
