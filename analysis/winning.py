"""Win rates: what leads on a task whose episodes are won or lost; the return stands beside it.

Such a task names the metric that is 1 in an episode it has won and 0 in any other, and a run keeps that name
as ``task.win_metric`` of its ``run.json``. A run without it, and so every record from before there was one,
is scored by its return.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .schema import RecordError

if TYPE_CHECKING:
    from .absolute import Absolute
    from .reading import Evaluation, Run


def win_metric(run: Run) -> str | None:
    """Name of the metric that says which episodes were won; None where the return is what counts."""
    return run.meta["task"].get("win_metric")


def value_of(run: Run, found: Evaluation | Absolute) -> float:
    """What a run is scored by, at one of its evaluations: its win rate, or its mean return.

    Args:
        run: the run.
        found: an evaluation of it.

    Returns:
        The share of episodes that were won, in [0, 1], or the mean return in the task's unit.

    Raises:
        RecordError: the evaluation does not say for every episode whether it was won.
    """
    name = win_metric(run)
    if name is None:
        return found.mean_return
    wins = wins_in(found.metrics, name)
    if wins is None:
        raise RecordError(
            f"{run.path}: field {'metrics.' + name!r} of the evaluation at step {found.step} must hold a "
            "number from 0 to 1 an episode, for the task is scored by its win rate; restore the file, or "
            "remove the folder and repeat the run"
        )
    return sum(wins) / len(wins)


def wins_in(metrics: Mapping[str, Sequence[float | None]], name: str) -> list[float] | None:
    """Which episodes of an evaluation were won, 1 or 0; None if its metrics do not say so of all."""
    told = metrics.get(name, ())
    wins = [won for won in told if won is not None and 0 <= won <= 1]
    return wins if wins and len(wins) == len(told) else None


def told_in(evaluations: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str | None:
    """The first of some metrics that says of all episodes of all evaluations, as recorded, who won."""
    return next((name for name in names if all(wins_in(one["metrics"], name) for one in evaluations)), None)


def values_of(run: Run) -> np.ndarray:
    """(evaluations,) what a run is scored by at each of its evaluations; see `value_of`."""
    if win_metric(run) is None:
        return run.track.mean_return
    if run.track.won is not None:
        return run.track.won
    return np.array([value_of(run, one) for one in run.evaluations], dtype=float)
