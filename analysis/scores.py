"""Scores: returns normalised by fixed, versioned reference scores, never by who else is in the table.

``score = (return - random) / (reference - random)``: the random policy has 0, the scripted reference 1.
Scores are not clipped: an agent may do worse than random, and a script is not an optimum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import schema
from .files import write_atomically
from .reading import Run
from .schema import RecordError

REFERENCE_SCORES_FILE = Path(__file__).with_name("reference_scores.json")
"""The reference scores that come with the package."""


@dataclass(frozen=True)
class TaskReference:
    """Returns of the two fixed policies on one task.

    Attributes:
        random: mean return of uniformly random actions, score 0.
        reference: mean return of the task's scripted policy, score 1.
        episodes: evaluation episodes behind each number.
        evaluation_settings: settings of the task in these evaluations that differ from its defaults.
        seed: seed of the evaluations.
    """

    random: float
    reference: float
    episodes: int
    evaluation_settings: Mapping[str, Any]
    seed: int

    def __post_init__(self) -> None:
        """Raises ValueError unless the two returns are finite and the reference is the better one."""
        if not (math.isfinite(self.random) and math.isfinite(self.reference)):
            raise ValueError(f"reference scores must be finite, got {self.random} and {self.reference}")
        if self.reference <= self.random:
            raise ValueError(
                f"the reference policy ({self.reference}) must do better than random ({self.random})"
            )

    def score(self, value: float) -> float:
        """A return in the task's unit as a score; NaN stays NaN."""
        return (value - self.random) / (self.reference - self.random)


@dataclass(frozen=True)
class ReferenceScores:
    """Reference scores of all known tasks.

    Attributes:
        version: raised whenever a number changes; printed under every table.
        tasks: task id to its references.
    """

    version: int
    tasks: Mapping[str, TaskReference]


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
    content = {"version": version, "tasks": {name: asdict(tasks[name]) for name in sorted(tasks)}}
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
    trained = tuple(item for item in run.evaluations if item.step > 0) or run.evaluations
    window = trained[-int(run.meta["evaluation"]["score_last"]) :]
    return sum(item.mean_return for item in window) / len(window) if window else math.nan
