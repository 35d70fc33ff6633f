"""Claims in a file: who does better than whom, where and by how much, written by hand in TOML.

The schema is in ``docs/claims.md``. What is not understood is refused in one line; see `claim.check_names`
for what nobody has heard of.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from .claim import POINTS, Claim, ClaimError, ClaimsFile, Relation, Side, hint

PAPERS = Path(__file__).with_name("papers")
"""Folder of the claims that come with the package, one file a paper."""

_FILE = {"title": str, "source": str, "note": str, "claims": list}
_CLAIM = {
    **{"id": str, "text": str, "source": str, "suite": str, "task": (str, list)},
    **{"better": (str, dict, list), "worse": (str, dict, list), "equal": list},
    **{"measure": str, "at": str, "margin": (int, float), "note": str},
}
_SIDE = {"agent": str, "settings": dict, "measure": str}
_KINDS = {str: "a string", int: "a number", list: "a list", dict: "a table"}


def claims_names() -> list[str]:
    """Names of the files that come with the package, sorted."""
    return sorted(path.stem for path in PAPERS.glob("*.toml"))


def read_claims(name_or_path: str | Path) -> ClaimsFile:
    """Claims of the package by name, or those of a TOML file by path (it ends in ``.toml``).

    Raises:
        ClaimError: no such file, no valid TOML, or a key that is unknown, missing or of the wrong type.
    """
    text = str(name_or_path)
    if not text.endswith(".toml"):
        if text not in claims_names():
            known = hint(text, claims_names())
            raise ClaimError(f"unknown claims {text!r}; {known} (a file of yours ends in .toml)")
        return parse_claims((PAPERS / f"{text}.toml").read_text(encoding="utf-8"), f"{text}.toml")
    try:
        content = Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ClaimError(f"cannot read the claims {text}: {reason}") from error
    return parse_claims(content, text)


def parse_claims(text: str, file: str) -> ClaimsFile:
    """Claims from the text of a TOML file; ``file`` is its name in messages.

    Raises:
        ClaimError: as `read_claims`.
    """
    try:
        root = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClaimError(f"{file}: {error}") from error
    _check(root, _FILE, file, ("title", "claims"))
    claims = tuple(_claim(values, f"{file}: claims[{place}]") for place, values in enumerate(root["claims"]))
    if not claims:
        raise ClaimError(f"{file}: claims is empty; write at least one [[claims]]")
    ids = [claim.id for claim in claims]
    for name in ids:
        if ids.count(name) > 1:
            raise ClaimError(f"{file}: {ids.count(name)} claims have the id {name!r}; give each its own")
    return ClaimsFile(root["title"], root.get("source", ""), claims, root.get("note", ""), file)


def _claim(values: Any, place: str) -> Claim:
    if isinstance(values, dict) and isinstance(values.get("id"), str) and values["id"]:
        place = f"{place} ({values['id']})"
    _check(values, _CLAIM, place, ("id", "text", "suite", "task"))
    relation: Relation = "equal" if "equal" in values else "better"
    wanted = {"better": {"better", "worse"}, "equal": {"equal"}}[relation]
    if wanted != {"better", "worse", "equal"} & values.keys():
        raise ClaimError(f"{place}: write either better and worse, or equal with a margin")
    measure, at, margin = values.get("measure", "score"), values.get("at", "final"), values.get("margin", 0)
    if at not in POINTS:
        raise ClaimError(f"{place}.at: unknown point {at!r}; {hint(at, POINTS)}")
    if not (math.isfinite(margin) and margin >= 0) or (relation == "equal" and margin == 0):
        least = "above 0 where equal is claimed" if relation == "equal" else "0 or more"
        raise ClaimError(f"{place}.margin must be a number {least}, not {margin}")
    tasks = values["task"] if isinstance(values["task"], list) else [values["task"]]
    if not tasks or not all(isinstance(task, str) for task in tasks):
        raise ClaimError(f"{place}.task must be a task or a list of tasks, not {values['task']!r}")
    if relation == "equal":
        both = _sides(values["equal"], measure, f"{place}.equal")
        if len(both) != 2:
            raise ClaimError(f"{place}.equal must hold two agents, not {len(both)}")
        pairs = ((both[0], both[1]),)
    else:
        better = _sides(values["better"], measure, f"{place}.better")
        pairs = tuple(product(better, _sides(values["worse"], measure, f"{place}.worse")))
    for one, other in pairs:
        if one == other:
            raise ClaimError(f"{place}: it compares {one.label} with itself")
    return Claim(
        *(values["id"], values["text"], values.get("source", ""), values["suite"]),
        *(tuple(dict.fromkeys(tasks)), pairs, relation, at, float(margin), values.get("note", "")),
    )


def _sides(values: Any, measure: str, place: str) -> list[Side]:
    found: list[Side] = []
    for one in values if isinstance(values, list) else [values]:
        if isinstance(one, str):
            found.append(Side(one, measure))
            continue
        _check(one, _SIDE, place, ("agent",))
        own = one.get("measure", measure)
        found.append(Side(one["agent"], own, one.get("settings", {}), own != measure))
    if not found:
        raise ClaimError(f"{place} is empty; name an agent")
    return found


def _check(values: Any, keys: Mapping[str, Any], place: str, needed: Iterable[str]) -> None:
    """ClaimError unless ``values`` is a table of known keys with values of the right kinds."""
    if not isinstance(values, dict):
        raise ClaimError(f"{place} must be a table, not {values!r}")
    for key, value in values.items():
        if key not in keys:
            raise ClaimError(f"{place}: unknown key {key!r}; {hint(key, keys)}")
        kinds = keys[key] if isinstance(keys[key], tuple) else (keys[key],)
        if type(value) not in kinds:
            named = " or ".join(dict.fromkeys(_KINDS.get(kind, "a number") for kind in kinds))
            raise ClaimError(f"{place}.{key} must be {named}, not {value!r}")
        if value == "":
            raise ClaimError(f"{place}.{key} is empty")
    for key in needed:
        if key not in values:
            raise ClaimError(f"{place}: {key} is missing")
