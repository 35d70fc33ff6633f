"""Does a published ``index.html`` show what the records say?

The page is the same for the same numbers, but other processors round last digits differently and other
versions of zlib pack the same text differently. So what it holds is compared, not its letters: the data of
every view, number by number, the CSV files inside it cell by cell, its pictures, and the program around them.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...analysis.schema import RecordError
from ...analysis.words import one_line
from ..board import Leaderboard
from ..check import first_difference
from .build import FILE, page
from .pictures import Picture

TOLERANCE = 2e-4
"""Of a number, or of the range of a list of numbers; a page holds them rounded."""
_BLOCK = re.compile(r'<script type="application/(json|x-packed)" id="([^"]*)">([^<]*)</script>')
_NOT_COMPARED = ("about", "bytes")
"""The footer, which names versions and the command, and the sizes of files that hold it."""


def html_differences(
    boards: Sequence[Leaderboard], out: str | Path, pictures: Mapping[str, Sequence[Picture]] | None = None
) -> list[str]:
    """Where a published page and the records disagree first: one line; none where they agree.

    Args:
        boards: made from the records.
        out: folder of the published tables.
        pictures: task to its pictures; without any, those in the page are taken as they are.

    Returns:
        Nothing where there is no page, too.

    Raises:
        RecordError: the page cannot be read.
    """
    path = Path(out) / FILE
    if not path.exists():
        return []
    try:
        theirs, their_program = _taken_apart(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise RecordError(f"cannot read the published page {path}: {one_line(str(error))}") from error
    ours, our_program = _taken_apart(page(boards, "", pictures))
    if not pictures:
        ours["data"]["pictures"] = theirs["data"]["pictures"]
    found = next(_differences(ours, theirs, ""), None)
    if found is None and our_program != their_program:
        found = "its program or style is not that of this version"
    return [f"{path}: {found}"] if found else []


def _taken_apart(text: str) -> tuple[dict[str, Any], str]:
    """The data of a page by the name of its element, and everything around them."""
    data: dict[str, Any] = {}
    for kind, name, content in _BLOCK.findall(text):
        if kind == "json":
            data[name] = json.loads(content)
        else:
            whole = gzip.decompress(base64.b64decode(content, validate=True)).decode()
            data[name] = whole if name.startswith("csv-") else json.loads(whole)
    if set(data.get("data", ())) != {"boards", "pictures"}:
        raise ValueError("it is no page of a leaderboard")
    return data, re.sub(r"\s+", " ", _BLOCK.sub("", text))


def _differences(ours: Any, theirs: Any, place: str) -> Iterator[str]:
    """What differs between plain data, in order, with the place where it stands."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if list(ours) != list(theirs) and set(ours) ^ set(theirs):
            yield f"{place or 'its data'}: it is not about {_some(set(ours) ^ set(theirs))}"
            return
        for name, one in ours.items():
            if name not in _NOT_COMPARED:
                yield from _differences(one, theirs[name], f"{place}.{one_line(name)}" if place else name)
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{place}: it has {len(theirs)} entries, the records give {len(ours)}"
        elif _are_numbers(ours) and _are_numbers(theirs):
            one, two = (np.array(values, dtype=float) for values in (ours, theirs))
            far = ~(np.isnan(one) & np.isnan(two)) & ~(np.abs(one - two) <= _tolerance(one))
            if far.any():
                at = int(np.argmax(far))
                yield _said(f"{place}[{at}]", ours[at], theirs[at])
        else:
            for number, pair in enumerate(zip(ours, theirs, strict=True)):
                yield from _differences(*pair, f"{place}[{number}]")
    elif place.startswith("csv-") and isinstance(ours, str) and isinstance(theirs, str):
        yield from (f"{place}, {line}" for line in first_difference(ours, theirs))
    elif isinstance(ours, int | float) and isinstance(theirs, int | float):
        if abs(ours - theirs) > TOLERANCE * max(abs(ours), abs(theirs)):
            yield _said(place, ours, theirs)
    elif ours != theirs:
        yield _said(place, ours, theirs)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(value is None or type(value) in (int, float) for value in values)


def _tolerance(values: np.ndarray) -> np.ndarray:
    known = values[~np.isnan(values)]
    return TOLERANCE * np.maximum(np.abs(values), np.ptp(known) if len(known) else 0.0)


def _said(place: str, ours: Any, theirs: Any) -> str:
    shown = [one_line(repr(value), 60) for value in (theirs, ours)]
    return f"{place}: published {shown[0]}, the records give {shown[1]}"


def _some(names: set[str]) -> str:
    shown = sorted(one_line(name, 60) for name in names)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
