"""The records of a run: one folder of plain files, the only thing analysis ever reads.

``<results>/<suite>/<task>/<agent>-<settings hash>/seed_<n>/`` holds

- ``run.json``: settings, versions and machine; written once, atomically.
- ``evaluations.jsonl``: one line an evaluation with every episode's return; append-only, each line synced.
- ``positions.jsonl``: where members were after a few steps, where that says something; see `positions`.
- ``policy.safetensors``, ``best.safetensors``: what the run has learned at its end and at its best
  evaluation, if its agent can keep that; nothing here reads it.
- ``absolute.json``: the best weights evaluated once more; see `absolute`.
- ``done.json`` when the run reached its steps, ``failed.json`` when an error stopped it.

Field names and types: ``schema.py``. No name is random or dated, so the folder of a run can be computed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import schema
from .files import append_line, cut, remove_torn, write_atomically
from .reading import Evaluation, Run, Status, read_run, read_runs
from .schema import (
    ABSOLUTE_FILE,
    BEST_FILE,
    DONE_FILE,
    EVALUATIONS_FILE,
    FAILED_FILE,
    OLD_POLICY_FILE,
    POLICY_FILE,
    POSITIONS_FILE,
    RUN_FILE,
    RecordError,
)

__all__ = [
    "Evaluation",
    "RecordError",
    "Run",
    "RunFolder",
    "read_run",
    "read_runs",
    "run_folder",
    "settings_hash",
]


_FILES = (
    *(RUN_FILE, EVALUATIONS_FILE, POSITIONS_FILE, POLICY_FILE, BEST_FILE, ABSOLUTE_FILE),
    *(OLD_POLICY_FILE, DONE_FILE, FAILED_FILE),
)

_GROWING_FILES = (EVALUATIONS_FILE, POSITIONS_FILE)


def settings_hash(mapping: Mapping[str, Any]) -> str:
    """A short, stable hash of settings: ten hexadecimal digits of the SHA-256 of their canonical JSON.

    Args:
        mapping: plain values; the order of keys does not matter, ``1`` and ``1.0`` differ.
    """
    text = schema.to_json(mapping, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def run_folder(
    results: str | Path, suite: str, task: str, agent: str, settings_hash: str, seed: int
) -> RunFolder:
    """The folder of one run, whether or not it exists.

    Raises:
        ValueError: a name that cannot be part of a path, or a negative seed.
    """
    for kind, name in (("suite", suite), ("task", task), ("agent", agent), ("settings hash", settings_hash)):
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise ValueError(f"the {kind} {name!r} cannot name a folder: use letters, digits and . _ + -")
    if seed < 0:
        raise ValueError(f"seeds are 0 or more, got {seed}")
    return RunFolder(Path(results) / suite / task / f"{agent}-{settings_hash}" / f"seed_{seed}")


@dataclass(frozen=True)
class RunFolder:
    """Writes the records of one run.

    Every method that writes raises RecordError, one line, when the disk refuses.

    Attributes:
        path: the ``seed_<n>`` folder; made by ``start``.
    """

    path: Path

    @property
    def status(self) -> Status:
        """``missing`` (no run.json), ``running`` (begun, no end recorded), ``done`` or ``failed``."""
        if not (self.path / RUN_FILE).exists():
            return "missing"
        if (self.path / DONE_FILE).exists():
            return "done"
        return "failed" if (self.path / FAILED_FILE).exists() else "running"

    def start(self, run: Mapping[str, Any]) -> None:
        """Makes the folder and writes ``run.json``.

        Args:
            run: its content; ``format`` is added.

        Raises:
            RecordError: the folder already holds a run (``clear`` it first), or a field is missing or wrong.
        """
        if self.status != "missing":
            raise RecordError(f"{self.path} already holds a run ({self.status}); clear it before a restart")
        content = _checked({"format": schema.FORMAT, **run}, schema.check_run, self.path / RUN_FILE)
        self.clear()
        with _writing(self.path / RUN_FILE):
            write_atomically(self.path / RUN_FILE, schema.to_json(content, indent=2) + "\n")

    def append(self, evaluation: Mapping[str, Any]) -> None:
        """Appends one evaluation and waits until it is on the disk.

        Args:
            evaluation: ``step``, ``updates``, ``seconds``, ``return`` and ``episode_length`` (one number an
                episode), ``metrics`` (name to one number an episode), ``training`` (name to number). Arrays
                are welcome; metrics and training values that are not finite are written as null.

        Raises:
            RecordError: a field is missing or wrong, or a return is not finite.
        """
        path = self.path / EVALUATIONS_FILE
        content = _checked(evaluation, schema.check_evaluation, path)
        with _writing(path):
            append_line(path, schema.to_json(content))

    def keep_policy(self, content: bytes, *, best: bool = False) -> None:
        """Writes the policy of the end, or the best one; before ``finish``: a run that is done has them."""
        path = self.path / (BEST_FILE if best else POLICY_FILE)
        with _writing(path):
            write_atomically(path, content)

    def keep_absolute(self, absolute: Mapping[str, Any]) -> None:
        """Writes ``absolute.json``; before ``finish``.

        Args:
            absolute: ``step`` and ``chosen_return`` of the evaluation that was the best one, ``start_seed``,
                ``mode``, and ``return``, ``episode_length`` and ``metrics`` as ``append`` takes them.

        Raises:
            RecordError: a field is missing or wrong, or a return is not finite.
        """
        path = self.path / ABSOLUTE_FILE
        content = _checked(absolute, schema.check_absolute, path)
        with _writing(path):
            write_atomically(path, schema.to_json(content) + "\n")

    def cursor(self) -> dict[str, int]:
        """How far the records have come: the length in bytes of each file that grows."""
        return {
            name: path.stat().st_size if (path := self.path / name).exists() else 0 for name in _GROWING_FILES
        }

    def cut(self, cursor: Mapping[str, int]) -> None:
        """Drops what has been appended since a ``cursor`` was taken, and what killed writes have left.

        Raises:
            RecordError: the records do not reach as far as the cursor.
        """
        self._tidy()
        for name in _GROWING_FILES:
            with _writing(self.path / name):
                try:
                    cut(self.path / name, cursor.get(name, 0))
                except ValueError as error:
                    raise RecordError(f"{error}: records are missing") from error

    def finish(self, steps: int, updates: int, seconds: float, resumed_at: Sequence[int] = ()) -> None:
        """Marks the run as complete.

        Args:
            steps: environment steps.
            updates: gradient steps.
            seconds: wall time, that of all sittings together.
            resumed_at: environment steps at which the training went on after it had been stopped or killed.
        """
        done = {"steps": steps, "updates": updates, "seconds": seconds}
        done |= {"resumed_at": list(resumed_at)} if resumed_at else {}
        self._mark(DONE_FILE, _checked(done, schema.check_done, self.path / DONE_FILE))

    def fail(self, reason: str, step: int, traceback: str = "") -> None:
        """Marks the run as stopped by an error at environment step ``step``; its evaluations are kept."""
        failed = {"reason": reason, "step": step, "traceback": traceback}
        self._mark(FAILED_FILE, _checked(failed, schema.check_failed, self.path / FAILED_FILE))

    def reopen(self) -> None:
        """Makes a failed run one that is still to be done; its records stay."""
        with _writing(self.path / FAILED_FILE):
            (self.path / FAILED_FILE).unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes this run's records (nothing else in the folder), so that ``start`` can begin again."""
        self._tidy()
        for name in _FILES:
            with _writing(self.path / name):
                if self.path.is_dir():
                    (self.path / name).unlink(missing_ok=True)

    def _tidy(self) -> None:
        for name in _FILES:
            with _writing(self.path / name):
                remove_torn(self.path / name)

    def _mark(self, name: str, content: Mapping[str, Any]) -> None:
        with _writing(self.path / name):
            write_atomically(self.path / name, schema.to_json(content, indent=2) + "\n")


def _checked(
    content: Mapping[str, Any], check: Callable[[Mapping[str, Any]], None], path: Path
) -> dict[str, Any]:
    """``content`` as plain JSON values that passed ``check``."""
    values = schema.plain(content)
    try:
        check(values)
    except ValueError as error:
        raise RecordError(f"refused to write {path}: {error}") from error
    return values


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns what the disk says into one line that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecordError(
            f"cannot write {path}: {reason}; choose another folder, or mend its rights or free its disk"
        ) from error
