"""The absolute metric of a run: its best weights, evaluated once more.

Gorsane et al., "Towards a Standardised Performance Evaluation Protocol for Cooperative MARL", NeurIPS 2022:
the weights of the best evaluation are evaluated again at the end, on ten times the episodes. The start states
are not those of the evaluations that chose them, so the choice does not flatter the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from .reading import Run, read_object
from .schema import ABSOLUTE_FILE, check_absolute
from .winning import value_of


@dataclass(frozen=True)
class Absolute:
    """The best weights of a run, evaluated once more.

    Attributes:
        step: environment steps of training at the evaluation with the highest mean return, or win rate.
        chosen_return: its mean return; too high on average, for it is the highest of many.
        start_seed: of the start states.
        mode: the agent's way to act.
        returns: (episodes,) undiscounted team returns, in the task's ``return_unit``.
        episode_length: (episodes,) steps.
        metrics: task metric name to (episodes,) values, None where undefined.
    """

    step: int
    chosen_return: float
    start_seed: int
    mode: str
    returns: tuple[float, ...]
    episode_length: tuple[float, ...]
    metrics: Mapping[str, tuple[float | None, ...]]

    @property
    def mean_return(self) -> float:
        """Mean return over the episodes."""
        return sum(self.returns) / len(self.returns)


def read_absolute(run: Run) -> Absolute | None:
    """The absolute metric of a run that is done.

    Args:
        run: as `read_run` gives it.

    Returns:
        None if there is none: the run is not done or from before it was recorded, its suite wants none, or
        its agent keeps no policies.

    Raises:
        RecordError: the record is corrupt.
    """
    path = run.path / ABSOLUTE_FILE
    if run.status != "done" or not path.exists():
        return None
    found = read_object(path, check_absolute)
    return Absolute(
        step=found["step"],
        chosen_return=float(found["chosen_return"]),
        start_seed=found["start_seed"],
        mode=found["mode"],
        returns=tuple(map(float, found["return"])),
        episode_length=tuple(map(float, found["episode_length"])),
        metrics={name: tuple(values) for name, values in found["metrics"].items()},
    )


def absolute_return(run: Run) -> float:
    """The mean return of the best weights, NaN where there is none."""
    found = read_absolute(run)
    return math.nan if found is None else found.mean_return


def absolute_value(run: Run) -> float:
    """The absolute metric: mean return, or win rate, of the best weights; NaN where there is none."""
    found = read_absolute(run)
    return math.nan if found is None else value_of(run, found)
