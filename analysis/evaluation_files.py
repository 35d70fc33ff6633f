"""Reading files of records: text that is checked, and errors that name the file, the line and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from . import schema
from .evaluations import Evaluation, Recorded, plain_track
from .schema import RecordError


def read_evaluations(path: Path, win_metric: str | None = None) -> tuple[Sequence[Evaluation], bool]:
    """The complete lines of an ``evaluations.jsonl``, and whether a torn one follows them.

    Args:
        path: the file; none is as good as an empty one.
        win_metric: the metric that says which episodes were won.

    Raises:
        RecordError: a line that is no evaluation.
    """
    if not path.exists():
        return (), False
    *lines, rest = read_bytes(path).split(b"\n")
    found = plain_track(lines, win_metric)
    if found is None:
        return _checked(lines, path), bool(rest)
    return Recorded(found, partial(_read_again, path, len(lines))), bool(rest)


def _read_again(path: Path, count: int) -> tuple[Evaluation, ...]:
    lines = read_bytes(path).split(b"\n")[:-1]
    if len(lines) < count:
        raise RecordError(f"{path}: it had {count} lines and has {len(lines)} now; {remedy(path.parent)}")
    return _checked(lines[:count], path)


def _checked(lines: Sequence[bytes], path: Path) -> tuple[Evaluation, ...]:
    evaluations: list[Evaluation] = []
    for number, line in enumerate(lines, start=1):
        place = f"{path} line {number}"
        fields = parse(line, schema.check_evaluation, place, path.parent)
        if evaluations and fields["step"] <= evaluations[-1].step:
            raise RecordError(
                f"{place}: step {fields['step']} does not follow step {evaluations[-1].step}; "
                f"{remedy(path.parent)}"
            )
        evaluations.append(_evaluation(fields))
    return tuple(evaluations)


def _evaluation(fields: Mapping[str, Any]) -> Evaluation:
    return Evaluation(
        step=fields["step"],
        updates=fields["updates"],
        seconds=float(fields["seconds"]),
        returns=tuple(map(float, fields["return"])),
        episode_length=tuple(map(float, fields["episode_length"])),
        metrics={name: tuple(values) for name, values in fields["metrics"].items()},
        training=dict(fields["training"]),
    )


def read_object(path: Path, check: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """The JSON object in a run's file; RecordError, one line, unless it is there and passes ``check``."""
    return parse(read_bytes(path), check, str(path), path.parent)


def parse(
    text: bytes, check: Callable[[Mapping[str, Any]], None], place: str, folder: Path
) -> dict[str, Any]:
    """The JSON object in a text that passes ``check``; RecordError, one line that begins with ``place``."""
    try:
        content = schema.from_json(text)
        check(content)
    except ValueError as error:
        raise RecordError(f"{place}: {error}; {remedy(folder)}") from error
    return content


def read_bytes(path: Path) -> bytes:
    """A file's content; RecordError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from error


def remedy(folder: Path) -> str:
    """What to do about a corrupt record of a run."""
    return f"restore the file, or remove {folder} and repeat the run"
