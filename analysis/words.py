"""Words from records, made safe to show: records may come from strangers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - full-width
"""A spreadsheet takes a cell that begins with one of these for a formula."""

_MOST_LEVELS, _LONGEST_NAME = 32, 200


def visible(text: str) -> str:
    r"""Text in which every sign that cannot be seen is written out, as ``\x1b`` or ``\u202e``.

    These are control signs (a terminal would obey them), zero-width and right-to-left marks (they make text
    read as another one) and halves of surrogate pairs (they cannot be written to a file).
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text
    )


def one_line(text: str, most: int = 0) -> str:
    """Visible text on one line, cut to ``most`` signs if that is not 0."""
    line = visible(" ".join(text.split()))
    return f"{line[: most - 1]}…" if 0 < most < len(line) else line


def harmless(value: object) -> object:
    """A cell of a CSV file: text that a spreadsheet would take for a formula gets an apostrophe in front."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if value.startswith(FORMULA_SIGNS) else text


def check_words(value: Any) -> None:
    """Raises ValueError for words anywhere in plain values that hold signs which cannot be seen.

    So it does for values that are nested without end.
    """
    level = [value]
    for _ in range(_MOST_LEVELS):
        deeper: list[Any] = []
        for one in level:
            if isinstance(one, str) and not one.isprintable():
                raise ValueError(f"there are signs that cannot be seen in {one[:60]!r}")
            if isinstance(one, Mapping):
                deeper += [*one, *one.values()]
            elif isinstance(one, list):
                deeper += one
        level = deeper
    if level:
        raise ValueError(f"it is nested more than {_MOST_LEVELS} levels deep")


def check_name(field: str, name: str) -> None:
    """Raises ValueError unless a name can be one part of a path; an agent's may be ``module:Class``."""
    signs = "/\\" if field == "agent.id" else "/\\:"
    if not 0 < len(name) <= _LONGEST_NAME or name[0] == "." or any(sign in name for sign in signs):
        raise ValueError(
            f"field {field!r} cannot be a name: {name[:60]!r}; 1 to {_LONGEST_NAME} signs, none of "
            f"{' '.join(signs)} and no dot in front"
        )
