"""Writing files so that a crash leaves either the old content or the new, never half of it."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file through a temporary neighbour, fsync and rename; makes missing folders.

    Args:
        path: the file; an existing one is replaced in one step.
        content: all of it; text is written as UTF-8.

    Raises:
        OSError: the folder or the file cannot be written; the old content is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def remove_torn(path: Path) -> None:
    """Removes what killed calls of ``write_atomically`` have left beside a file that nobody else writes.

    Raises:
        OSError: the folder cannot be written.
    """
    for temporary in path.parent.glob(f".{path.name}.*.tmp"):
        temporary.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Appends one line and waits until it is on the disk; what a crash left of a torn last line is cut off.

    Args:
        path: the file; made when it does not exist.
        line: text without a newline.

    Raises:
        OSError: the file cannot be written (a part of the line may be there: the next call removes it).
    """
    is_new = not path.exists()
    with path.open("a+b") as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def cut(path: Path, length: int) -> None:
    """Cuts a file to its first `length` bytes and waits until that is on the disk.

    Raises:
        ValueError: the file is shorter; one that does not exist has length 0.
        OSError: the file cannot be written.
    """
    size = path.stat().st_size if path.exists() else 0
    if size < length:
        raise ValueError(f"{path} holds {size} bytes, {length} are expected")
    if size > length:
        with path.open("r+b") as file:
            file.truncate(length)
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes a rename or a new file in ``folder`` durable; Windows cannot open folders and needs no call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
