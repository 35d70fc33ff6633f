"""What a user did wrong, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SuiteError(ValueError):
    """A suite, or a choice from it, that makes no sense; one line that names the thing and the remedy."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """A line about a name that does not exist, with the nearest one that does, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(names)) or 'none'}"
    return f"unknown {what} {name!r}; {hint}"
