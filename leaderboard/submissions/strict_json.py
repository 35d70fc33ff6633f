"""JSON by the letter of the standard, and within bounds: for files of strangers."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

_MOST_LEVELS, _MOST_DIGITS = 12, 40
_LARGEST_WHOLE, _LARGEST = 2**53, 1e30


def strict_json(text: bytes) -> dict[str, Any]:
    """The JSON object in ``text``, by the letter of the standard and with bounds.

    Raises:
        ValueError: no UTF-8, no JSON object, a name twice in an object, NaN or Infinity, a number out of
            all range, too many levels, half a surrogate pair.
    """
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_int=_whole,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise ValueError("it is no UTF-8") from error
    except RecursionError as error:
        raise ValueError(f"it has more than {_MOST_LEVELS} levels") from error
    if not isinstance(value, dict):
        raise ValueError(f"it holds no JSON object but a {type(value).__name__}")
    level: list[Any] = [value]
    for _ in range(_MOST_LEVELS):
        try:
            "".join(one for one in level if isinstance(one, str)).encode()
        except UnicodeEncodeError as error:
            raise ValueError("it holds half a surrogate pair") from error
        level = [deeper for one in level if isinstance(one, dict | list) for deeper in _inside(one)]
    if level:
        raise ValueError(f"it has more than {_MOST_LEVELS} levels")
    return value


def _inside(value: dict[str, Any] | list[Any]) -> list[Any]:
    return [*value, *value.values()] if isinstance(value, dict) else value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{twice[:60]!r} stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; records hold null instead")


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS or abs(int(text)) > _LARGEST_WHOLE:
        raise ValueError(f"a whole number of {len(text)} signs is out of range; 2**53 is the largest")
    return int(text)


def _finite(text: str) -> float:
    if len(text) > _MOST_DIGITS or not abs(float(text)) < _LARGEST:
        raise ValueError(f"the number {text[:20]} is out of range; below 1e30 they are welcome")
    return float(text)
