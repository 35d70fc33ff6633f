"""The learning curves that travel inside the page: rounded, and thinned where there are many.

Nothing is averaged here: a thinned curve keeps some of its evaluations, first and last among them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...analysis.reading import Run
from ...analysis.variants import cell_of, variant_labels
from ...analysis.winning import values_of
from ..board import Leaderboard
from ..leading import is_won

MOST_MEANS, MOST_SEEDS = 120_000, 400_000
"""Points of mean curves and of single seeds in one table; beyond that, curves are thinned evenly."""
_LEADING, _RETURN = ("mean", "low", "high"), ("return_mean", "return_low", "return_high")


def page_curves(board: Leaderboard) -> dict[str, list[dict[str, Any]]]:
    """Task to one curve an agent, as the page's script reads them.

    Each has ``agent``; ``x`` with the steps, gradient steps and seconds of its points; ``mean``, ``low``,
    ``high``, ``n`` (seeds at each point); ``seeds``, one ``[seed, steps, returns]`` a run; ``of``, how many
    points it had before thinning; and ``seedsOf``, the most points a run had. Where the task is scored by its
    win rate, that is what all these are, and ``returns`` holds ``mean``, ``low``, ``high`` and ``seeds`` of
    the return.
    """
    labels = variant_labels(board.runs)
    runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in board.runs:
        runs[run.task_id, labels[cell_of(run)]].append(run)
    n_curves = max(1, len(runs))
    most = max(12, MOST_MEANS // n_curves)
    most_of_seed = max(8, MOST_SEEDS // max(1, len(board.runs)))
    made: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for task, frame in board.curves.groupby("task", sort=False):
        digits = _digits(frame, _LEADING)
        won = is_won({str(name): value for name, value in frame.iloc[0].items()})
        return_digits = _digits(frame, _RETURN) if won else 0
        for agent, curve in frame.groupby("agent", sort=False):
            mine = sorted(runs[str(task), str(agent)], key=lambda run: run.seed)
            returns = (
                {
                    **_three(curve, _RETURN, most, return_digits),
                    "seeds": [
                        _seed_curve(run, run.track.mean_return, most_of_seed, return_digits - 1)
                        for run in mine
                    ],
                }
                if won
                else None
            )
            made[str(task)].append(
                {
                    "agent": str(agent),
                    **_mean_curve(curve, most, digits),
                    "seeds": [_seed_curve(run, values_of(run), most_of_seed, digits - 1) for run in mine],
                    "seedsOf": max((len(run.evaluations) for run in mine), default=0),
                    **({"returns": returns} if returns else {}),
                }
            )
    return made


def thinned(count: int, most: int) -> list[int]:
    """Places of at most ``most`` (two or more) of ``count`` points, evenly, first and last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})


def _mean_curve(curve: pd.DataFrame, most: int, digits: int) -> Mapping[str, Any]:
    kept = thinned(len(curve), most)
    named = {
        name: curve[name].to_numpy(dtype=float)[kept] for name in ("step", "updates", "seconds", "seeds")
    }
    axes = {"steps": 0, "updates": 0, "seconds": 1}
    return {
        "x": {name: _rounded(named["step" if name == "steps" else name], axes[name]) for name in axes},
        **_three(curve, _LEADING, most, digits),
        "n": [int(count) for count in named["seeds"]],
        "of": len(curve),
    }


def _three(curve: pd.DataFrame, columns: Sequence[str], most: int, digits: int) -> dict[str, Any]:
    """Mean, lower and upper end of a thinned curve."""
    kept = thinned(len(curve), most)
    pairs = zip(_LEADING, columns, strict=True)
    return {name: _rounded(curve[column].to_numpy(dtype=float)[kept], digits) for name, column in pairs}


def _seed_curve(run: Run, values: np.ndarray, most: int, digits: int) -> list[Any]:
    kept = thinned(len(values), most)
    return [run.seed, run.track.step[kept].tolist(), _rounded(values[kept], digits)]


def _digits(frame: pd.DataFrame, columns: Sequence[str]) -> int:
    """Decimals that resolve a ten-thousandth of the range of a task's values."""
    values = frame[list(columns)].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    span = float(np.ptp(values)) if len(values) else 0.0
    return 4 - math.floor(math.log10(span)) if span > 0 else 4


def _rounded(values: Sequence[float] | np.ndarray, digits: int) -> list[float | int | None]:
    """Rounded numbers, None where there is none; whole numbers without a point, for they are shorter."""
    found: list[float | int | None] = []
    for value in values:
        number = round(float(value), digits) if math.isfinite(value) else None
        found.append(int(number) if number is not None and number == int(number) else number)
    return found
