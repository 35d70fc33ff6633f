"""Overriding a frozen dataclass of settings with checked names, types and choices."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class SettingError(ValueError):
    """A setting that does not exist, or a value it cannot take."""


def override(config: T, settings: Mapping[str, Any]) -> T:
    """A copy of the dataclass `config` with `settings` in place of its values.

    An int is accepted where a float is asked for, a list where a tuple is. Nothing else is converted.

    Raises:
        SettingError: an unknown name (the nearest one is suggested), a wrong type, a value outside a Literal,
            or whatever the dataclass's own `__post_init__` refuses.
    """
    assert is_dataclass(config)
    hints = get_type_hints(type(config))
    known = [f.name for f in fields(config)]
    values = {}
    for name, value in settings.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
            raise SettingError(f"unknown setting {name!r}; {hint}")
        values[name] = _fit(name, value, hints[name])
    return replace(config, **values)  # type: ignore[type-var]  # is_dataclass does not narrow T


def _fit(name: str, value: Any, kind: Any) -> Any:
    origin = get_origin(kind)
    if origin is Literal:
        if value not in get_args(kind):
            raise SettingError(
                f"setting {name!r} is one of {', '.join(map(repr, get_args(kind)))}, not {value!r}"
            )
        return value
    if origin in (Union, types.UnionType):
        for option in get_args(kind):
            try:
                return _fit(name, value, option)
            except SettingError:
                continue
    elif origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(_fit(name, v, get_args(kind)[0]) for v in value)
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif kind is bool or kind is str or kind is type(None):
        if isinstance(value, kind):
            return value
    elif kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    named = getattr(kind, "__name__", str(kind)) if origin is None else str(kind).replace("NoneType", "None")
    raise SettingError(f"setting {name!r} is of type {named}, not {value!r}")
