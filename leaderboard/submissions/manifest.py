"""The manifest of a submission, ``submission.toml``: who, what, from where, and how to repeat it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .files import MANIFEST, Files, read
from .report import Report

FORMAT = 1
FIELDS: Mapping[str, tuple[type, str]] = {
    "format": (int, f"version of this file, {FORMAT}"),
    "agent": (str, "name of the agent, as in the records"),
    "description": (str, "what the agent is, in one line"),
    "submitter": (str, "who submits it: names, or the name of a group"),
    "source": (str, "address of the agent's code"),
    "licence": (str, "licence of that code, e.g. MIT"),
    "paper": (str, "address of the paper; may be empty"),
    "suite": (str, "name of the suite"),
    "suite_version": (int, "its version"),
    "budget": (str, "name of the budget"),
    "command": (str, "the command that repeats the runs; it begins with bench run"),
}
"""Field to its type and its meaning; all of them must be there, and no other."""
_LONGEST: Mapping[str, int] = {"description": 200, "command": 500}
_MAY_BE_EMPTY, _ADDRESSES = ("paper",), ("source", "paper")
_AGENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(:[A-Za-z_][A-Za-z0-9_]*)?")


def read_manifest(folder: Path, files: Files, report: Report) -> dict[str, Any]:
    """The fields of the manifest that are as they should be; the others are reported.

    Args:
        folder: the submission.
        files: what may be read of it.
        report: gets what is wrong.
    """
    if not files.manifest:
        return {}
    try:
        content = tomllib.loads(read(folder, (MANIFEST,)).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        report.error("manifest", MANIFEST, f"is no TOML in UTF-8: {reason}")
        return {}
    for name in content:
        if name not in FIELDS:
            known = ", ".join(FIELDS)
            report.error("manifest", MANIFEST, f"unknown field {name[:60]!r}; it has: {known}")
    good: dict[str, Any] = {}
    for name, (kind, meaning) in FIELDS.items():
        if name not in content:
            report.error("manifest", MANIFEST, f"{name} is missing: {meaning}")
            continue
        fault = _fault(name, content[name], kind)
        if fault:
            report.error("manifest", MANIFEST, f"{name} {fault} ({meaning})")
        else:
            good[name] = content[name]
    report.looked_at["manifest"] = f"{good.get('agent', '?')} by {good.get('submitter', '?')}"
    return good


def template(values: Mapping[str, Any]) -> str:
    """A manifest with some fields filled in, the others empty, each with its meaning beside it."""
    lines = []
    for name, (kind, meaning) in FIELDS.items():
        value = values.get(name, FORMAT if kind is int else "")
        lines.append(f"{name} = {value if kind is int else _quoted(str(value))}  # {meaning}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML string of printable text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _fault(name: str, value: Any, kind: type) -> str | None:
    """What is wrong with a field, None if nothing is."""
    if type(value) is not kind:
        return f"must be {'a whole number' if kind is int else 'a string'}, not {repr(value)[:60]}"
    if kind is int:
        wrong = value != FORMAT if name == "format" else not 0 <= value < 2**31
        return f"is {value}, which is no version known here" if wrong else None
    if not value:
        return None if name in _MAY_BE_EMPTY else "is empty"
    longest = _LONGEST.get(name, 100 if name not in _ADDRESSES else 300)
    if len(value) > longest:
        return f"has {len(value):,} letters; {longest} at most"
    if not value.isprintable() or value != value.strip():
        return f"holds line breaks, control or invisible signs, or blanks at its ends: {value[:60]!r}"
    if name in _ADDRESSES:
        return _address_fault(value)
    if name == "agent" and not _AGENT.fullmatch(value):
        return f"cannot be a name: {value[:60]!r}; letters, digits and . _ + -, or module:Class"
    if name == "command" and not value.startswith("bench run "):
        return f"does not begin with bench run: {value[:60]!r}"
    return None


def _address_fault(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        is_fine = parts.scheme in ("https", "http") and parts.hostname and "@" not in parts.netloc
    except ValueError:
        is_fine = False
    if not is_fine or any(sign in value for sign in " <>\"'`\\"):
        return f"is no address of a page: {value[:60]!r}; it begins with https://"
    return None
