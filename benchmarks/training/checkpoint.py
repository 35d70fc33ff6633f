"""Checkpoints: all that a training needs to go on as if nothing had happened, bit for bit.

A checkpoint belongs to the runs that are trained together, a stack of a cell, and lies beside their folders:
``<results>/<suite>/<task>/<agent>-<settings hash>/checkpoint_0-3/`` for the seeds 0 to 3. The newest two are
kept in a `ChunkStore`: what has not changed since the last one is not written again. Nothing is ever
unpickled.

The cost is bounded: after a write the next one waits at least `PAUSES` times as long as the write took.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SuiteError
from .chunk_store import ChunkStore, DamagedError, Generation, in_chunks

if TYPE_CHECKING:
    import torch

FORMAT = 1
"""Version of the checkpoints' format; one of another format is not read."""

CHECKPOINT_MINUTES = 10.0
"""Time between checkpoints, if the user does not say."""

PAUSES = 20
"""Training takes at least so many times as long as the checkpoint before it took: less than 5 % are lost."""

DECISIVE = ("coordbench", "torch", "numpy", "numba")
"""Packages of which another version may give other numbers."""

_NAME = re.compile(r"checkpoint_(\d+)-(\d+)|checkpoint_(\d+(?:,\d+)*)")


class CheckpointError(SuiteError):
    """A checkpoint cannot be used here; one line that names it and the remedy."""


def checkpoint_folder(cell_folder: Path, seeds: tuple[int, ...]) -> Path:
    """Where the checkpoint of these seeds, trained together, lies."""
    first, last = min(seeds), max(seeds)
    is_range = len(seeds) > 1 and seeds == tuple(range(first, last + 1))
    name = f"{first}-{last}" if is_range else ",".join(map(str, seeds))
    return cell_folder / f"checkpoint_{name}"


def find_checkpoints(cell_folder: Path) -> dict[tuple[int, ...], Path]:
    """The stacks of a cell that can go on from a checkpoint; only names of files are looked at.

    `train` goes on only with exactly the seeds of a checkpoint, so a sweep must plan those as one stack.
    Among them may be runs that are done or marked as failed by now: they are trained along with the others
    and their records left as they are (`RunFolder.reopen` makes a failed one go on). Where every run of a
    checkpoint is done, or nobody wants to go on with those that failed, `remove_checkpoint` frees the disk.

    Args:
        cell_folder: ``<results>/<suite>/<task>/<agent>-<settings hash>``; it need not exist.

    Returns:
        Seeds to the checkpoint's folder.
    """
    try:
        names = sorted(os.listdir(cell_folder))
    except OSError:
        return {}
    found = {}
    for name in names:
        match = _NAME.fullmatch(name)
        if match and ChunkStore(cell_folder / name).numbers():
            first, last, listed = match.groups()
            seeds = map(int, listed.split(",")) if listed else range(int(first), int(last) + 1)
            found[tuple(seeds)] = cell_folder / name
    return found


def remove_checkpoint(folder: Path) -> None:
    """Remove one of `find_checkpoints`: its runs start over unless they are done."""
    ChunkStore(folder).remove()


class Checkpoints:
    """The checkpoints of one stack.

    Args:
        folder: from `checkpoint_folder`.
        identity: what the stack is, plain JSON; a checkpoint of anything else is refused.
        minutes: between checkpoints; 0: none are written.
        clock: seconds, never set back.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        minutes: float = CHECKPOINT_MINUTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self.minutes = folder, minutes
        self._clock = clock
        self._identity = {**identity, "versions": {name: version(name) for name in DECISIVE}}
        self._store = ChunkStore(folder)
        self._due = clock() + 60 * minutes
        self._told = ""

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next one."""
        return self.minutes > 0 and self._clock() >= self._due

    def write(self, step: int, state: Callable[[], Any]) -> bool:
        """Write a checkpoint. If that fails the last ones stay, the user is told, and the training can go on.

        Args:
            step: environment steps so far.
            state: gives the state; it is done with when this returns.

        Returns:
            Whether there is a new checkpoint.
        """
        from .state_tree import Encoder

        if self.minutes <= 0:
            return False
        began = self._clock()
        try:
            encoder = Encoder(state())
            header = {"format": FORMAT, "step": step, **self._identity}
            self._store.write(in_chunks(encoder.parts()), lambda: {**header, "state": encoder.tree})
        except OSError as error:
            self._tell(f"cannot be written: {error.strerror or error}; the last one stays")
            return False
        except TypeError as error:
            self._tell(f"cannot be written: {error}; a run that is stopped starts over")
            return False
        finally:
            now = self._clock()
            self._due = now + max(60 * self.minutes, PAUSES * (now - began))
        self._told = ""
        return True

    def read(self, device: torch.device | str = "cpu") -> Any:
        """The state of the newest checkpoint that is whole; None if there is none.

        A damaged one is passed over, and the user told.

        Args:
            device: where tensors belong that were not on the CPU.

        Raises:
            CheckpointError: it is another stack's, or of another version.
        """
        damage = ""
        for number in self._store.numbers():
            try:
                generation = self._store.generation(number)
                self._check(generation.header)
                state = self._decoded(generation, device)
            except DamagedError as error:
                damage = damage or str(error)
                continue
            if damage:
                self._tell(f"{damage}; going on from the one before, at step {generation.header['step']}")
            return state
        if damage:
            self._tell(f"{damage}, and there is no other; its runs start over")
        return None

    def refusal(self, reason: object, or_else: str = "") -> CheckpointError:
        """An error that says why the checkpoint cannot be used, and what to do."""
        remedy = f"{or_else}remove that folder to start its runs over"
        return CheckpointError(f"checkpoint {self.folder}: {reason}; {remedy}")

    def remove(self) -> None:
        """Remove it: the runs have ended."""
        self._store.remove()

    def _check(self, header: Mapping[str, Any]) -> None:
        if header["format"] != FORMAT:
            raise self.refusal(f"it has format {header['format']}, this version of coordbench reads {FORMAT}")
        for name, ours in self._identity["versions"].items():
            theirs = header["versions"].get(name)
            if theirs != ours:
                raise self.refusal(
                    f"it was written with {name} {theirs}, and {ours} may give other numbers",
                    f"install {name}=={theirs} to go on, or ",
                )
        for name, ours in self._identity.items():
            if header[name] != ours:
                raise self.refusal(f"it was written for {name} {header[name]}, not {ours}")

    def _decoded(self, generation: Generation, device: torch.device | str) -> Any:
        from .state_tree import decode

        pieces = self._store.pieces(generation)
        rest = memoryview(b"")

        def read(view: memoryview) -> None:
            nonlocal rest
            done = 0
            while done < len(view):
                if not rest:
                    try:
                        rest = memoryview(next(pieces))
                    except StopIteration:
                        raise DamagedError(f"generation {generation.number} ends too early") from None
                n = min(len(rest), len(view) - done)
                view[done : done + n] = rest[:n]
                done, rest = done + n, rest[n:]

        try:
            return decode(generation.header["state"], read, device, self.folder)
        except ValueError as error:
            raise self.refusal(error) from error

    def _tell(self, what: str) -> None:
        """Say something once."""
        if what != self._told:
            print(f"bench: checkpoint {self.folder}: {what}", file=sys.stderr, flush=True)
        self._told = what
