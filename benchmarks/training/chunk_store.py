"""Large states on disk in pieces named by their content, so that only what has changed is written again.

A folder holds the generations of one state, the newest two of them: `generation_<n>.json` lists the chunks of
a state in order, `chunks/` holds them. A chunk is a file named by the SHA-256 of its bytes; one that an
earlier generation holds already is not written. Everything is on the disk before the list is renamed into
place, so whatever interrupts a write leaves the generations before it as they were.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...analysis.files import sync_folder, write_atomically

CHUNK_BYTES = 4 << 20
"""Size of a chunk. A smaller one finds more that has not changed and makes more files."""

KEPT = 2
"""Generations kept."""

_LIST = re.compile(r"generation_(\d+)\.json")


class DamagedError(Exception):
    """What is on the disk is not what was written."""


@dataclass(frozen=True)
class Generation:
    """A state that was written whole.

    Attributes:
        number: counts up.
        header: whatever describes the state, plain JSON.
        chunks: digest and length of each, in order.
    """

    number: int
    header: Any
    chunks: tuple[tuple[str, int], ...]


class ChunkStore:
    """The generations in one folder. One process writes into it at a time.

    Args:
        folder: made by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._chunks = folder / "chunks"
        self._damaged: set[str] = set()

    def numbers(self) -> list[int]:
        """Generations there are, newest first; cheap, nothing is read."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []
        return sorted((int(found[1]) for name in names if (found := _LIST.fullmatch(name))), reverse=True)

    def generation(self, number: int) -> Generation:
        """The list of a generation.

        Raises:
            DamagedError: it cannot be read, or is not as it was written.
        """
        path = self._path(number)
        try:
            digest, _, body = path.read_bytes().partition(b"\n")
        except OSError as error:
            raise DamagedError(f"{path.name} cannot be read: {error.strerror or error}") from error
        if digest.decode(errors="replace") != hashlib.sha256(body).hexdigest():
            raise DamagedError(f"{path.name} is damaged")
        content = json.loads(body)
        return Generation(number, content["header"], tuple((str(d), int(n)) for d, n in content["chunks"]))

    def pieces(self, generation: Generation) -> Iterator[bytes]:
        """The contents of its chunks in order, each checked.

        Raises:
            DamagedError: a chunk is missing or is not as it was written.
        """
        for digest, length in generation.chunks:
            try:
                content = (self._chunks / digest).read_bytes()
            except OSError as error:
                raise DamagedError(f"chunk {digest[:10]} cannot be read: {error.strerror}") from error
            if len(content) != length or hashlib.sha256(content).hexdigest() != digest:
                self._damaged.add(digest)
                raise DamagedError(f"chunk {digest[:10]} is damaged")
            yield content

    def write(self, pieces: Iterable[memoryview], header: Callable[[], Any]) -> int:
        """Write a generation and drop all but the newest `KEPT`.

        Args:
            pieces: contents of the chunks, each asked for when the one before it has been dealt with.
            header: called after the last piece.

        Returns:
            Bytes of the chunks that had to be written.

        Raises:
            OSError: the disk refused. After any error the generations before are as they were, and what is
                new has been removed.
        """
        self._chunks.mkdir(parents=True, exist_ok=True)
        kept = self._readable()
        stored = {digest for generation in kept for digest, _ in generation.chunks} - self._damaged
        chunks: list[tuple[str, int]] = []
        new: dict[str, int] = {}
        try:
            for piece in pieces:
                digest = hashlib.sha256(piece).hexdigest()
                chunks.append((digest, piece.nbytes))
                if digest not in new and not (digest in stored and self._is_whole(digest, piece.nbytes)):
                    self._put(digest, piece)
                    new[digest] = piece.nbytes
            self._sync(new)
            number = max(self.numbers(), default=0) + 1
            body = json.dumps({"header": header(), "chunks": chunks}).encode()
            write_atomically(self._path(number), hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        except BaseException:
            for digest in new.keys() - {digest for generation in kept for digest, _ in generation.chunks}:
                (self._chunks / digest).unlink(missing_ok=True)
            raise
        self._damaged -= new.keys()
        self._drop_all_but([Generation(number, None, tuple(chunks)), *kept][:KEPT])
        return sum(new.values())

    def remove(self) -> None:
        """Remove the folder; the lists go first, so that half of it is never taken for a state."""
        for number in self.numbers():
            self._path(number).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"generation_{number:06d}.json"

    def _readable(self) -> list[Generation]:
        """The generations whose lists are whole, newest first."""
        found = []
        for number in self.numbers():
            try:
                found.append(self.generation(number))
            except DamagedError:
                continue  # is dropped by the next write
        return found

    def _is_whole(self, digest: str, length: int) -> bool:
        try:
            return (self._chunks / digest).stat().st_size == length
        except OSError:
            return False

    def _put(self, digest: str, content: memoryview) -> None:
        """Write a chunk under another name first: a file with a chunk's name has the chunk's length."""
        aside = self._chunks / f".{os.getpid()}.tmp"
        try:
            with aside.open("wb") as file:
                file.write(content)
            os.replace(aside, self._chunks / digest)
        finally:
            aside.unlink(missing_ok=True)

    def _sync(self, digests: Iterable[str]) -> None:
        """Wait until these chunks are on the disk, after all have been written: it is quicker so."""
        for digest in digests:
            descriptor = os.open(self._chunks / digest, os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(self._chunks)

    def _drop_all_but(self, kept: list[Generation]) -> None:
        numbers = {generation.number for generation in kept}
        wanted = {digest for generation in kept for digest, _ in generation.chunks}
        for number in self.numbers():
            if number not in numbers:
                self._path(number).unlink(missing_ok=True)
        torn = list(self.folder.glob(".*.tmp"))  # of writes that were killed
        for path in [*torn, *(path for path in self._chunks.iterdir() if path.name not in wanted)]:
            path.unlink(missing_ok=True)


def in_chunks(parts: Iterable[memoryview]) -> Iterator[memoryview]:
    """Bytes in chunks; small parts are gathered, one that fills a chunk or more begins a new one.

    So a large tensor's chunks do not move when something before it in the state changes its size.

    Args:
        parts: flat views of bytes, each asked for when the one before it has been dealt with.
    """
    gathered = bytearray()
    for part in parts:
        if gathered and len(gathered) + part.nbytes > CHUNK_BYTES:
            yield memoryview(gathered)
            gathered = bytearray()
        if part.nbytes < CHUNK_BYTES:
            gathered += part
            continue
        for start in range(0, part.nbytes, CHUNK_BYTES):
            yield part[start : start + CHUNK_BYTES]
    if gathered:
        yield memoryview(gathered)
