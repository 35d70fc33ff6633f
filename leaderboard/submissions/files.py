"""Walking through the folder of a submission without trusting it: names, kinds, sizes.

Nothing is followed, opened or read before its kind and size are known to be those of a record.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...analysis.schema import ABSOLUTE_FILE, DONE_FILE, EVALUATIONS_FILE, FAILED_FILE, RUN_FILE
from .report import Report

MANIFEST = "submission.toml"
KIB, MIB = 1 << 10, 1 << 20
LARGEST: Mapping[str, int] = {
    MANIFEST: 16 * KIB,
    RUN_FILE: 64 * KIB,
    EVALUATIONS_FILE: 16 * MIB,
    ABSOLUTE_FILE: MIB,
    DONE_FILE: 64 * KIB,
    FAILED_FILE: 64 * KIB,
}
"""Bytes of each file that may be there."""
LARGEST_SUM = 128 * MIB
"""Bytes of all files together."""
MOST_ENTRIES, LONGEST_NAME = 20_000, 100
"""Files and folders; letters of a name."""
_LEVELS = ("suite", "task", "agent and hash", "seed")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$)(\..*)?")


@dataclass
class Files:
    """What may be read of a submission.

    Attributes:
        manifest: whether there is one.
        runs: path of a run's folder, as suite, task, agent with hash, and seed, to its files.
        count: of files.
        size: bytes of all of them.
    """

    manifest: bool = False
    runs: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    count: int = 0
    size: int = 0


def survey(folder: Path, report: Report) -> Files:
    """Looks at every entry of a submission, opens none, and reports those that do not belong there.

    Args:
        folder: the submission; a link to a folder is welcome here, and nowhere below.
        report: gets what is wrong with names and files.
    """
    found = Files()
    entries = Counter[str]()
    _look_into(folder, (), found, entries, report)
    if not found.manifest:
        report.error("files", MANIFEST, "is missing; docs/submitting.md says what it holds")
    if found.size > LARGEST_SUM:
        text = f"{found.size / MIB:,.0f} MiB are more than {LARGEST_SUM // MIB}; no record is read"
        report.error("files", ".", text)
        found.runs.clear()
    for parts, names in found.runs.items():
        place = "/".join(parts)
        for name in sorted({RUN_FILE, EVALUATIONS_FILE} - set(names)):
            report.error("files", f"{place}/{name}", "is missing; copy the whole run, or leave it out")
        if (DONE_FILE in names) == (FAILED_FILE in names):
            text = f"holds not exactly one of {DONE_FILE} and {FAILED_FILE}; finish the run with `bench run`"
            report.error("files", place, text)
    report.looked_at["names"] = f"{entries['all']:,} files and folders"
    report.looked_at["files"] = f"{found.count:,} files, {found.size / MIB:.1f} MiB, {len(found.runs)} runs"
    return found


def read(folder: Path, parts: tuple[str, ...]) -> bytes:
    """The content of a file that `survey` has passed.

    Raises:
        ValueError: it is not what it was.
    """
    limit = LARGEST[parts[-1]]
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(folder.joinpath(*parts), flags | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is no file any more")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"is larger than {limit:,} bytes")
    return content


def name_fault(name: str) -> str | None:
    """What is wrong with the name of a file or folder, None if nothing is."""
    if len(name) > LONGEST_NAME:
        return f"its name has {len(name)} letters; {LONGEST_NAME} at most"
    if not name.isprintable():
        return "control, invisible or right-to-left signs in its name"
    if unicodedata.normalize("NFC", name) != name:
        return "its name is not in Unicode's normal form C"
    if _DEVICE.fullmatch(name) or name.endswith((".", " ")):
        return "Windows cannot have such a name"
    return None if _PLAIN.fullmatch(name) else "names are letters, digits and . _ + -, no sign in front"


def _look_into(
    folder: Path, parts: tuple[str, ...], found: Files, entries: Counter[str], report: Report
) -> None:
    try:
        with os.scandir(folder) as listed:
            names = sorted(entry.name for _, entry in zip(range(MOST_ENTRIES + 1), listed, strict=False))
    except OSError as error:
        report.error("files", "/".join(parts) or ".", f"cannot be read: {error.strerror or error}")
        return
    if not names:
        report.error("files", "/".join(parts) or ".", "is an empty folder; remove it")
    twins = Counter(name.casefold() for name in names)
    for name in names:
        entries["all"] += 1
        if entries["all"] > MOST_ENTRIES:
            if entries["all"] == MOST_ENTRIES + 1:
                text = f"more than {MOST_ENTRIES:,} files and folders; the rest is unread"
                report.error("files", ".", text)
            return
        here = (*parts, name)
        fault = name_fault(name)
        if twins[name.casefold()] > 1:
            fault = fault or "another name beside it differs in nothing but capitals"
        if fault:
            report.error("names", "/".join(here), f"{fault}; rename it, or leave it out")
        kind = os.lstat(folder / name)
        reason = _unwelcome(here, kind)
        if reason:
            report.error("files", "/".join(here), reason)
        elif fault:
            continue
        elif stat.S_ISDIR(kind.st_mode):
            if len(here) == len(_LEVELS):
                found.runs[here] = []
            _look_into(folder / name, here, found, entries, report)
        else:
            found.count, found.size = found.count + 1, found.size + kind.st_size
            if name == MANIFEST:
                found.manifest = True
            else:
                found.runs[parts].append(name)


def _unwelcome(here: tuple[str, ...], kind: os.stat_result) -> str | None:
    """Why an entry does not belong where it is, None if it does."""
    if stat.S_ISLNK(kind.st_mode):
        return "is a symbolic link; copy what it points to"
    if stat.S_ISDIR(kind.st_mode):
        return None if len(here) <= len(_LEVELS) else "is a folder too deep in the tree; leave it out"
    if not stat.S_ISREG(kind.st_mode):
        return "is no file but a device, pipe or socket; leave it out"
    if kind.st_nlink > 1:
        return "is a hard link, a file with several names; copy its content"
    name, is_top = here[-1], len(here) == 1
    if name not in LARGEST or is_top != (name == MANIFEST) or not (is_top or len(here) == len(_LEVELS) + 1):
        return "is no file of a submission; leave it out (`bench export --format submission` does)"
    if kind.st_size > LARGEST[name]:
        return f"has {kind.st_size:,} bytes; {LARGEST[name]:,} at most"
    return None
