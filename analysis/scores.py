"""Scores: returns normalised by fixed, versioned reference scores, never by who else is in the table.

``score = (return - random) / (reference - random)``: the random policy has 0, the scripted reference 1.
Scores are not clipped: an agent may do worse than random, and a script is not an optimum. Where a task's
episodes are won or lost, the score is the win rate itself, as the field reports it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import schema
from .files import write_atomically
from .reading import Run
from .schema import RecordError
from .winning import values_of

REFERENCE_SCORES_FILE = Path(__file__).with_name("reference_scores.json")
"""The reference scores that come with the package."""


@dataclass(frozen=True)
class TaskReference:
    """What the two fixed policies reach on one task.

    Attributes:
        random: mean return of uniformly random actions, score 0.
        reference: mean return of the task's scripted policy, score 1.
        episodes: evaluation episodes behind each number.
        evaluation_settings: settings of the task in these evaluations that differ from its defaults.
        seed: seed of the evaluations.
        random_wins: win rate of the random policy; None where episodes are not won or lost.
        reference_wins: win rate of the scripted policy.
    """

    random: float
    reference: float
    episodes: int
    evaluation_settings: Mapping[str, Any]
    seed: int
    random_wins: float | None = None
    reference_wins: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError unless the numbers are ones, and the reference's return is the better one."""
        wins = (self.random_wins, self.reference_wins)
        if (wins[0] is None) != (wins[1] is None):
            raise ValueError(f"there are both win rates or neither, got {wins[0]} and {wins[1]}")
        if not all(0 <= rate <= 1 for rate in wins if rate is not None):
            raise ValueError(f"win rates are numbers from 0 to 1, got {wins[0]} and {wins[1]}")
        if not (math.isfinite(self.random) and math.isfinite(self.reference)):
            raise ValueError(f"reference scores must be finite, got {self.random} and {self.reference}")
        if self.reference <= self.random:
            raise ValueError(
                f"the reference policy ({self.reference}) must do better than random ({self.random})"
            )

    def score(self, value: float) -> float:
        """A return in the task's unit as a score; NaN stays NaN."""
        return (value - self.random) / (self.reference - self.random)

    def value(self, score: float) -> float:
        """A score as a return in the task's unit."""
        return self.random + (self.reference - self.random) * score


@dataclass(frozen=True)
class WinRate:
    """The scale of a task that is scored by its win rate: the score is the win rate.

    Attributes:
        measured: what the two fixed policies reach, to stand beside it; None where that is not known.
    """

    measured: TaskReference | None = None

    def score(self, value: float) -> float:
        """A win rate as a score."""
        return value

    def value(self, score: float) -> float:
        """A score as a win rate."""
        return score


Scale = TaskReference | WinRate
"""How the values of a task become scores."""


@dataclass(frozen=True)
class ReferenceScores:
    """Reference scores of all known tasks.

    Attributes:
        version: raised whenever a number changes; printed under every table.
        tasks: task id to its references.
    """

    version: int
    tasks: Mapping[str, TaskReference]


@dataclass(frozen=True)
class Scales:
    """How the tasks of one table are scored.

    Attributes:
        version: of the reference scores.
        tasks: task id to its scale; a task without has no scores.
    """

    version: int
    tasks: Mapping[str, Scale]


def scales(references: ReferenceScores, won: Collection[str]) -> Scales:
    """The scales of the tasks ``won``, whose score is their win rate, and of all others that are known."""
    rates = {task: WinRate(references.tasks.get(task)) for task in won}
    return Scales(references.version, {**references.tasks, **rates})


def reference_scores(path: str | Path = REFERENCE_SCORES_FILE) -> ReferenceScores:
    """Reads reference scores, by default those of the package.

    Raises:
        RecordError: the file is absent or not understood; one line says which file and why.
    """
    try:
        content = schema.from_json(Path(path).read_bytes())
        tasks = {name: TaskReference(**entry) for name, entry in content["tasks"].items()}
        return ReferenceScores(int(content["version"]), tasks)
    except OSError as error:
        raise RecordError(
            f"cannot read the reference scores {path}: {error.strerror}; `bench references` measures them"
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"{path} holds no reference scores ({error}); `bench references` writes them anew"
        ) from error


def write_reference_scores(path: str | Path, tasks: Mapping[str, TaskReference], version: int) -> None:
    """Writes reference scores atomically, tasks in alphabetical order.

    Args:
        path: the file, ``REFERENCE_SCORES_FILE`` for the package's own.
        tasks: task id to its references.
        version: must rise whenever a number changes.

    Raises:
        RecordError: the file cannot be written.
    """
    known = {name: asdict(tasks[name]) for name in sorted(tasks)}
    entries = {
        task: {name: value for name, value in entry.items() if value is not None}
        for task, entry in known.items()
    }
    content = {"version": version, "tasks": entries}
    try:
        write_atomically(Path(path), schema.to_json(content, indent=2) + "\n")
    except OSError as error:
        raise RecordError(f"cannot write {path}: {error.strerror or error}") from error


def run_return(run: Run) -> float:
    """A run's return: the mean over its last ``score_last`` evaluations of the mean over episodes.

    The evaluation before training, step 0, counts only when there is no other.

    Args:
        run: one with fewer evaluations is averaged over those it has.

    Returns:
        The return in the task's unit, NaN when there is no evaluation.
    """
    return _last(run, run.track.mean_return)


def run_value(run: Run) -> float:
    """What a run is scored by, over the same evaluations: its win rate, or its return.

    Raises:
        RecordError: an evaluation does not say which episodes were won.
    """
    return _last(run, values_of(run))


def _last(run: Run, values: np.ndarray) -> float:
    trained = values[run.track.step > 0]
    window = (trained if len(trained) else values)[-int(run.meta["evaluation"]["score_last"]) :].tolist()
    return sum(window) / len(window) if window else math.nan
