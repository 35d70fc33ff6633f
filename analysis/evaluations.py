"""The evaluations of a run: their columns as arrays, and everything else about them when it is asked for.

A sweep has millions of evaluations, and a leaderboard wants a few numbers of each. So these are what a run
holds; episodes and metrics are read from its file again by those who look at them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import overload

import numpy as np

from .schema import check_words, refuse_constant

_PLAIN = 1e15
"""What is smaller is a number that no check minds."""
_DECODER = json.JSONDecoder(parse_constant=refuse_constant)


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a run.

    Attributes:
        step: environment steps of training so far.
        updates: gradient updates so far.
        seconds: wall time so far.
        returns: (episodes,) undiscounted team returns, in the task's ``return_unit``.
        episode_length: (episodes,) steps.
        metrics: task metric name to (episodes,) values, None where undefined.
        training: training metric name to value, None where it was not finite.
    """

    step: int
    updates: int
    seconds: float
    returns: tuple[float, ...]
    episode_length: tuple[float, ...]
    metrics: Mapping[str, tuple[float | None, ...]]
    training: Mapping[str, float | None]

    @property
    def mean_return(self) -> float:
        """Mean return over the episodes."""
        return sum(self.returns) / len(self.returns)


@dataclass(frozen=True, eq=False)
class Track:
    """The columns of a run's evaluations, each (evaluations,).

    Attributes:
        step: environment steps of training so far, ascending.
        updates: gradient updates so far.
        seconds: wall time so far.
        mean_return: mean over the episodes, in the task's ``return_unit``.
        won: share of the episodes that were won; None where that was not asked for.
    """

    step: np.ndarray
    updates: np.ndarray
    seconds: np.ndarray
    mean_return: np.ndarray
    won: np.ndarray | None = None


def track(evaluations: Sequence[Evaluation]) -> Track:
    """The columns of evaluations."""
    if isinstance(evaluations, Recorded):
        return evaluations.track
    return Track(
        np.array([one.step for one in evaluations], dtype=np.int64),
        np.array([one.updates for one in evaluations], dtype=np.int64),
        np.array([one.seconds for one in evaluations], dtype=float),
        np.array([one.mean_return for one in evaluations], dtype=float),
    )


class Recorded(Sequence[Evaluation]):
    """Evaluations whose columns are known; what else they hold is loaded when one is looked at, and kept."""

    def __init__(self, columns: Track, load: Callable[[], tuple[Evaluation, ...]]) -> None:
        self.track = columns
        self._load = load

    @cached_property
    def _items(self) -> tuple[Evaluation, ...]:
        return self._load()

    def __len__(self) -> int:
        return len(self.track.step)

    @overload
    def __getitem__(self, place: int) -> Evaluation: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Evaluation, ...]: ...
    def __getitem__(self, place: int | slice) -> Evaluation | tuple[Evaluation, ...]:
        return self._items[place]

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


def plain_track(lines: Sequence[bytes], win_metric: str | None) -> Track | None:
    """The columns of the lines of an ``evaluations.jsonl`` that are beyond doubt; None where any is not.

    It must never take what `schema.check_evaluation` refuses, and may well leave to it what that takes.

    Args:
        lines: complete ones.
        win_metric: the metric that says which episodes were won, None where there is none.
    """
    try:
        return _track_of(lines, win_metric)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None


def _track_of(lines: Sequence[bytes], win_metric: str | None) -> Track | None:
    whole: list[int] = []
    seconds: list[float] = []
    means: list[float] = []
    won: list[float] = []
    numbers: list[float] = []
    maybe: list[float | None] = []
    names: set[str] = set()
    for text in b"\n".join(lines).decode().split("\n") if lines else ():
        one, end = _DECODER.raw_decode(text)
        returns, metrics, training = one["return"], one["metrics"], one["training"]
        episodes = len(returns)
        told = [returns, one["episode_length"], *metrics.values()]
        if end != len(text) or set(map(len, told)) != {episodes}:
            return None
        names.update(metrics, training)
        numbers += returns
        numbers += told[1]
        for values in told[2:]:
            maybe += values
        maybe += training.values()
        whole += (one["step"], one["updates"])
        seconds.append(one["seconds"])
        means.append(sum(returns) / episodes)
        if win_metric is not None:
            found = metrics[win_metric]
            if not (min(found) >= 0 and max(found) <= 1):
                return None
            won.append(sum(found) / episodes)
    if not (
        _are(whole, {int}) and _are(numbers + seconds, {int, float}) and _are(maybe, {int, float, NoneType})
    ):
        return None
    check_words(list(names))
    step, updates = np.array(whole, dtype=np.int64).reshape(-1, 2).T.copy()
    if (np.diff(step) <= 0).any():
        return None
    columns = (step, updates, np.array(seconds, dtype=float), np.array(means, dtype=float))
    return Track(*columns, None if win_metric is None else np.array(won, dtype=float))


def _are(values: Sequence[float | None], kinds: set[type]) -> bool:
    """Whether all values are of these types, and small where they are numbers."""
    return set(map(type, values)) <= kinds and not (np.abs(np.array(values, dtype=float)) >= _PLAIN).any()
