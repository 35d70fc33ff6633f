"""Leases: which process trains a run, so that several sweeps share one results folder without clashing.

A run's lease is a file `lease.<n>` in its folder, made with `O_EXCL`, which holds also on network disks. Its
holder touches it every few seconds. No clock is compared with another one: who waits for a lease watches, by
its own monotonic clock, whether the file still changes; a process of this machine that no longer exists is
known at once. Taking over lease n is making lease n + 1, so only one of many can; and as every holder looks
for a higher number, one that was only asleep learns that its run is in other hands.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...analysis.records import RecordError
from .holder import Holder

PATIENCE_SECONDS = 60.0
"""After so long without a sign of life a holder counts as dead."""
_NAME = re.compile(r"lease\.([0-9]+)")


class LeaseLost(Exception):  # noqa: N818  (an outcome rather than an error)
    """Another process has taken over a run because this one seemed dead."""


@dataclass(frozen=True)
class Sighting:
    """A lease as it lay in a folder.

    Attributes:
        path: the file.
        number: of the lease; each takeover raises it.
        holder: None if the file cannot be understood, e.g. because it is just being written.
        beat: changes with every sign of life (modification time in nanoseconds).
    """

    path: Path
    number: int
    holder: Holder | None
    beat: int

    @property
    def name(self) -> str:
        """Identifies the lease, from its making to its end."""
        return f"{self.number}:{self.holder.token if self.holder else ''}"

    @property
    def silent_seconds(self) -> float:
        """Time since the last sign of life, by this machine's clock: for people, not for decisions."""
        return max(time.time() - self.beat / 1e9, 0.0)


def look(folder: Path) -> Sighting | None:
    """The lease in force in a run's folder, None if there is none."""
    for _ in range(10):  # a lease may end between the listing and the reading
        numbers = _numbers(folder)
        if not numbers:
            return None
        if seen := _read(folder / f"lease.{max(numbers)}"):
            return seen
    return None


class Watch:
    """Judges, over time, which leases have a living holder.

    Args:
        patience: seconds without a sign of life after which a holder counts as dead.
        clock: seconds that never jump.
    """

    def __init__(
        self, patience: float = PATIENCE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience, self._clock = patience, clock
        self._seen: dict[Path, tuple[str, int, float]] = {}

    def is_alive(self, sighting: Sighting) -> bool:
        """Whether the holder has shown a sign of life within the patience, as far as this watch can know."""
        if sighting.holder is not None and sighting.holder.is_gone:
            return False
        name, beat, first = self._seen.get(sighting.path, ("", 0, 0.0))
        if (name, beat) != (sighting.name, sighting.beat):
            first = self._clock()
            self._seen[sighting.path] = sighting.name, sighting.beat, first
        return self._clock() - first < self._patience


@dataclass(frozen=True)
class Lease:
    """A lease that this process took."""

    path: Path
    token: str

    @property
    def is_mine(self) -> bool:
        """Whether nobody has taken over."""
        seen = look(self.path.parent)
        return seen is not None and seen.holder is not None and seen.holder.token == self.token

    def beat(self) -> None:
        """Give a sign of life.

        Raises:
            LeaseLost: too late.
        """
        if not self.is_mine:
            raise LeaseLost(f"{self.path.parent} has been taken over by another process")
        os.utime(self.path)

    def release(self) -> None:
        """Give it back, if it is still ours."""
        seen = _read(self.path)
        if seen and seen.holder and seen.holder.token == self.token:
            self.path.unlink(missing_ok=True)


def claim(folder: Path, holder: Holder, dead: Collection[str] = ()) -> Lease | None:
    """Take the lease of a run.

    Args:
        folder: of the run; made if need be.
        holder: this process.
        dead: `Sighting.name` of leases that a `Watch` found dead and that may be taken over.

    Returns:
        None if a living process, or one that was quicker, holds it.

    Raises:
        RecordError: the folder cannot be written.
    """
    before = look(folder)
    if before and not (before.name in dead or (before.holder and before.holder.is_gone)):
        return None
    number = before.number + 1 if before else 1
    lease = Lease(folder / f"lease.{number}", holder.token)
    is_made = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lease.path.open("x", encoding="utf-8") as file:  # O_EXCL
            is_made = True
            json.dump(asdict(holder), file)
    except FileExistsError:
        return None
    except OSError as error:
        if is_made:
            lease.path.unlink(missing_ok=True)
        raise RecordError(
            f"cannot write {lease.path}: {error.strerror}; mend its rights or free its disk"
        ) from error
    # whoever completed a takeover in between has removed what was seen before, or made a higher number
    was = _read(before.path) if before else None
    is_changed = before is not None and (was is None or was.name != before.name)
    if is_changed or not lease.is_mine:
        lease.release()
        return None
    for older in sorted(_numbers(folder) - {number}):
        (folder / f"lease.{older}").unlink(missing_ok=True)
    return lease


def claim_all(
    folders: Sequence[Path], holder: Holder, dead: Collection[str] = ()
) -> tuple[list[Lease], Path | None]:
    """The leases of several runs, or of none of them; then also the folder that is in other hands.

    Raises:
        RecordError: as `claim`.
    """
    leases: list[Lease] = []
    for folder in folders:
        try:
            lease = claim(folder, holder, dead)
        except RecordError:
            release_all(leases)
            raise
        if lease is None:
            release_all(leases)
            return [], folder
        leases.append(lease)
    return leases, None


def release_all(leases: Sequence[Lease]) -> None:
    """Give leases back."""
    for lease in leases:
        lease.release()


def _numbers(folder: Path) -> set[int]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    return {int(found[1]) for name in names if (found := _NAME.fullmatch(name))}


def _read(path: Path) -> Sighting | None:
    try:
        with path.open("rb") as file:  # opening asks a file server for the newest state
            number = int(path.suffix[1:])
            return Sighting(path, number, _holder(file.read()), os.fstat(file.fileno()).st_mtime_ns)
    except FileNotFoundError:
        return None


def _holder(content: bytes) -> Holder | None:
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        return None
