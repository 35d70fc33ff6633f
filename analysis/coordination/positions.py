"""Where members are a few steps into an episode, and whether they have split into pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import schema
from ..files import append_line
from ..schema import POSITIONS_FILE, RecordError

"""One line an evaluation that was measured."""

POSITIONS_AFTER = 5
"""Steps from the start of an episode, as in figure 6 of the VM3-AC paper (AAMAS 2023)."""

PAIR_REACH = 2.0
"""Team mates are together within so many radii R of predator-prey, as in its metric ``pair_split``."""


@dataclass(frozen=True)
class Positions:
    """Positions at one evaluation, of a team that explores.

    Attributes:
        step: environment steps of training so far.
        updates: gradient updates so far.
        places: (episodes, N, 2), in the task's own coordinates.
        low: lower left corner of what there is to see.
        high: upper right corner.
        marks: (k, 4) rectangles at the start of an episode, such as preys: centre x, y, width, height.
    """

    step: int
    updates: int
    places: np.ndarray
    low: tuple[float, float]
    high: tuple[float, float]
    marks: np.ndarray


class PositionsFile:
    """Writes ``positions.jsonl`` of one run.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / POSITIONS_FILE

    def append(self, line: Mapping[str, Any]) -> None:
        """Append one evaluation: the fields of ``Positions``, ``places`` under the name ``positions``."""
        try:
            append_line(self.path, schema.to_json(line))
        except OSError as error:
            raise RecordError(f"cannot write {self.path}: {error.strerror or error}") from error


def read_positions(folder: Path) -> list[Positions]:
    """The positions that a run recorded, in order of steps; none if there is no file.

    Raises:
        RecordError: a line that is not understood. A torn last line is left out.
    """
    path = folder / POSITIONS_FILE
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(_parse(schema.from_json(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(
                f"{path} line {number}: no positions ({error}); remove the file, or repeat the run"
            ) from error
    return found


def _parse(fields: Mapping[str, Any]) -> Positions:
    episodes = fields["positions"]
    places = np.array(episodes, float).reshape(len(episodes), -1 if episodes else 0, 2)
    low, high = (_corner(fields[name]) for name in ("low", "high"))
    marks = np.array(fields["marks"], float).reshape(-1, 4)
    return Positions(int(fields["step"]), int(fields["updates"]), places, low, high, marks)


def _corner(values: Sequence[float]) -> tuple[float, float]:
    x, y = values
    return float(x), float(y)


def paired_members(places: np.ndarray, reach: float) -> np.ndarray:
    """How many members have exactly one team mate within ``reach``.

    Args:
        places: (..., N, 2).
        reach: largest distance of members that are together.

    Returns:
        (...,) integers.
    """
    gap = np.linalg.norm(places[..., :, None, :] - places[..., None, :, :], axis=-1)
    mates = (gap <= reach).sum(-1) - 1
    return (mates == 1).sum(-1)


def pair_split(places: np.ndarray, reach: float) -> np.ndarray:
    """Whether the whole team has split into pairs: every member has exactly one team mate within ``reach``.

    The paper's figure 6 shows it and gives no number; this reading of it is ours.

    Args:
        places: (..., N, 2); N is even, and more than 2.
        reach: largest distance of members that are together.

    Returns:
        (...,) bool.

    Raises:
        ValueError: a team that cannot split into two or more pairs.
    """
    n = places.shape[-2]
    if n < 4 or n % 2:
        raise ValueError(f"a team of {n} cannot split into pairs: it takes 4, 6, 8 ... members")
    return paired_members(places, reach) == n
