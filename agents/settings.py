"""Overriding a frozen dataclass of settings with checked names, types and choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, get_type_hints

from ..envs.settings import fit, suggestion

T = TypeVar("T")


class SettingError(ValueError):
    """A setting that does not exist, or a value it cannot take."""


def override(config: T, settings: Mapping[str, Any]) -> T:
    """A copy of the dataclass `config` with `settings` in place of its values.

    Raises:
        SettingError: an unknown name (the nearest one is suggested), a wrong type, a value outside a Literal,
            or whatever the dataclass's own `__post_init__` refuses.
    """
    assert is_dataclass(config)
    hints = _hints(type(config))
    known = [f.name for f in fields(config)]
    values = {}
    for name, value in settings.items():
        if name not in known:
            hint = suggestion(name, known) or f"; known: {', '.join(known) or 'none'}"
            raise SettingError(f"unknown setting {name!r}{hint}")
        try:
            values[name] = fit(f"setting {name!r}", value, hints[name])
        except ValueError as error:
            raise SettingError(str(error)) from error
    return replace(config, **values)  # type: ignore[type-var]  # is_dataclass does not narrow T


_hints = cache(get_type_hints)
