"""Runs of others, from the JSON of marl-eval that Mava, BenchMARL and many more write.

The file comes from a stranger: whatever is wrong with it is one line that names the place. Numbers that are
not finite are kept as missing, but for returns, which must be numbers. ``absolute_metrics`` are left alone:
some writers put the best single episode there, which is not what the name says.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..schema import RecordError

MAX_BYTES = 1 << 29
"""A longer file is refused."""

RETURN_METRICS = ("return", "mean_episode_return", "episode_return")
"""Metrics taken for the return, the first that a file has: BenchMARL's, Mava's, older Mava's."""


@dataclass(frozen=True)
class ExternalRun:
    """One run of somebody else's.

    Attributes:
        file: where it stands.
        sha256: of the file.
        environment: name in the file.
        task: name in the file.
        algorithm: name in the file.
        run: name in the file.
        seed: the number in a name like ``seed_3``, else its place among the algorithm's runs.
        metric: which metric was taken for the return.
        evaluations: lines of an ``evaluations.jsonl``, in order of steps; ``updates`` and
            ``episode_length`` are 0, for the file does not say.
    """

    file: str
    sha256: str
    environment: str
    task: str
    algorithm: str
    run: str
    seed: int
    metric: str
    evaluations: tuple[Mapping[str, Any], ...]

    @property
    def steps(self) -> int:
        """Environment steps at the last evaluation."""
        return self.evaluations[-1]["step"]

    @property
    def every(self) -> int:
        """Environment steps between evaluations, the shortest time there is."""
        steps = [one["step"] for one in self.evaluations]
        return min((b - a for a, b in pairwise(steps)), default=max(self.steps, 1))

    @property
    def episodes(self) -> int:
        """Numbers an evaluation, the fewest there are; 1 where a file holds means alone."""
        return min(len(one["return"]) for one in self.evaluations)

    @property
    def metrics(self) -> list[str]:
        """Names of the other metrics of episodes."""
        return sorted({name for one in self.evaluations for name in one["metrics"]})


def read_marl_eval(path: Path, metric: str | None = None) -> list[ExternalRun]:
    """All runs of a file.

    Args:
        path: the file.
        metric: the one that is the return; the first of `RETURN_METRICS` that is there if None.

    Raises:
        RecordError: no such file, or not what marl-eval writes; the message names the place in it.
    """
    content, sha256 = _load(path)
    runs = []
    for environment, tasks in _objects(content, str(path)):
        if environment == "extra":  # added by marl-eval's pipeline
            continue
        for task, algorithms in _objects(tasks, f"{path}: {_short(environment)}"):
            for algorithm, found in _objects(algorithms, f"{path}: {_short(task)}"):
                seeds = _seeds(list(_object(found, f"{path}: {_short(task)}/{_short(algorithm)}")))
                for run, steps in found.items():
                    place = f"{path}: {'/'.join(map(_short, (environment, task, algorithm, run)))}"
                    taken, lines = _evaluations(_object(steps, place), metric, place)
                    runs.append(
                        ExternalRun(
                            *(path.name, sha256, environment, task, algorithm, run),
                            *(seeds[run], taken, lines),
                        )
                    )
    if not runs:
        raise RecordError(f"{path}: it holds no runs")
    return runs


def _load(path: Path) -> tuple[Any, str]:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RecordError(f"{path} has {size / 2**20:,.0f} MiB, more than {MAX_BYTES >> 20}; split it")
        text = path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return json.loads(text, object_pairs_hook=_unique), hashlib.sha256(text).hexdigest()
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise RecordError(f"{path} is no JSON of marl-eval: {reason}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{_short(twice)} stands twice in one object")
    return found


def _evaluations(
    steps: Mapping[str, Any], metric: str | None, place: str
) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """The metric that is the return, and the lines."""
    lines: dict[int, Mapping[str, Any]] = {}
    taken = metric.lower() if metric else None
    for name, step in steps.items():
        if "absolute" in name.lower():
            continue
        here = f"{place}/{_short(name)}"
        values = {key.lower(): value for key, value in _object(step, here).items()}
        taken = taken or next((known for known in RETURN_METRICS if known in values), None)
        if taken is None or taken not in values:
            known = ", ".join(map(_short, sorted(values)[:10]))
            raise RecordError(f"{here} has no {taken or 'return'}; name one with --metric; it has: {known}")
        line = _line(values, taken, here)
        if line["step"] in lines:
            raise RecordError(f"{here}: another evaluation has the same step_count, {line['step']}")
        lines[line["step"]] = line
    if taken is None or not lines:
        raise RecordError(f"{place} holds no evaluation")
    return taken, tuple(lines[step] for step in sorted(lines))


def _line(values: Mapping[str, Any], metric: str, place: str) -> dict[str, Any]:
    step = _number(values.get("step_count"))
    if step is None or step != int(step) or not 0 <= step < 2**53:
        shown = _short(values.get("step_count"))
        raise RecordError(f"{place}: step_count must be a whole number from 0, got {shown}")
    returns = _numbers(values[metric])
    if not returns or None in returns:
        raise RecordError(f"{place}: {metric} must be a list of finite numbers, got {_short(values[metric])}")
    lists = {
        name: found
        for name, value in values.items()
        if name not in (metric, "step_count", "elapsed_time")
        and (found := _numbers(value)) is not None
        and len(found) == len(returns)
    }
    lengths = lists.pop("episode_length", None)
    return {
        "step": int(step),
        "updates": 0,
        "seconds": max(_number(values.get("elapsed_time")) or 0.0, 0.0),
        "return": returns,
        "episode_length": [0] * len(returns) if lengths is None or None in lengths else lengths,
        "metrics": lists,
        "training": {},
    }


def _number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond all floats
        return None


def _numbers(value: Any) -> list[float | None] | None:
    """A list of numbers, None for those not finite; a number as a list of one; None for anything else."""
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, bool) or not isinstance(one, int | float | None) for one in values):
        return None
    return [_number(one) for one in values]


def _seeds(names: list[str]) -> dict[str, int]:
    found = {name: re.fullmatch(r"(?:seed|run)_([0-9]{1,15})", name, re.IGNORECASE) for name in names}
    seeds = {name: int(match[1]) for name, match in found.items() if match}
    if len(seeds) == len(names) == len(set(seeds.values())):
        return seeds
    return {name: number for number, name in enumerate(names)}


def _objects(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    yield from _object(value, place).items()


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RecordError(f"{place} must be an object, got {_short(value)}")
    return value


def _short(value: Any) -> str:
    """Text that fits a line, whatever the value."""
    try:
        text = value if isinstance(value, str) and value.isprintable() else repr(value)
    except (ValueError, RecursionError):  # an integer of too many digits, a deep list
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
