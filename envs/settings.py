"""Settings of a task: typed, checked, read-only once resolved."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import numbers
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NoReturn, TypeVar

S = TypeVar("S")


class ReadOnlySettings(dict[str, Any]):
    """A dictionary that cannot be changed; it pickles, deep-copies and serialises to JSON like any other."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("the settings of a TeamSpec are read-only; make another task instead")

    __setitem__ = __delitem__ = __ior__ = clear = popitem = _refuse
    pop = setdefault = update = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return (ReadOnlySettings, (dict(self),))


def suggestion(word: str, known: Iterable[str]) -> str:
    """The nearest known name as a sentence, or an empty string when none is near.

    Args:
        word: what the user wrote.
        known: the names that exist.

    Returns:
        ``"; did you mean 'x'?"`` or ``""``.
    """
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def resolve(settings_type: type[S], task_id: str, preset: Mapping[str, Any], chosen: Mapping[str, Any]) -> S:
    """Defaults, overridden by a task's preset, overridden by what the user chose.

    Args:
        settings_type: frozen dataclass with defaults; its annotations are checked (``fit``).
        task_id: used in messages.
        preset: the values the task id stands for. Its ``n_agents`` cannot be overridden.
        chosen: the user's values.

    Returns:
        An instance of ``settings_type``.

    Raises:
        ValueError: unknown setting (with the nearest known one), wrong type, value out of range.
    """
    hints = typing.get_type_hints(settings_type)
    known = [field.name for field in dataclasses.fields(typing.cast(Any, settings_type))]
    values = dict(preset)
    for name, value in chosen.items():
        if name not in known:
            hint = suggestion(name, known) or f"; its settings: {', '.join(known)}"
            raise ValueError(f"{task_id} has no setting {name!r}{hint}")
        values[name] = fit(f"{task_id}: {name}", value, hints[name])
    if values.get("n_agents") != preset.get("n_agents", values.get("n_agents")):
        raise ValueError(
            f"{task_id}: n_agents is fixed by the task id; choose the task with that many members"
        )
    try:
        return settings_type(**values)
    except ValueError as error:
        raise ValueError(f"{task_id}: {error}") from error


def fit(what: str, value: Any, kind: Any) -> Any:
    """``value`` as the annotated type ``kind`` of a setting.

    Known are bool, int, float, str, None, Literal, unions and tuples of one of them. An int is accepted where
    a float is asked for, a list where a tuple is. Nothing else is converted.

    Args:
        what: names the setting in messages.
        value: what the user wrote.
        kind: the annotation.

    Raises:
        ValueError: the value is of another type, or none of a Literal's.
    """
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if any(type(value) is type(option) and value == option for option in options):
            return value
        near = suggestion(str(value), map(str, options))
        raise ValueError(f"{what} must be one of {', '.join(map(repr, options))}, got {value!r}{near}")
    if origin in (typing.Union, types.UnionType):
        for option in options:
            with contextlib.suppress(ValueError):
                return fit(what, value, option)
    elif origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(fit(f"each of {what}", v, options[0]) for v in value)
    elif kind is int or kind is float:
        number = numbers.Integral if kind is int else numbers.Real
        if isinstance(value, number) and not isinstance(value, bool):
            return kind(typing.cast(Any, value))
    elif isinstance(value, kind):
        return value
    raise ValueError(f"{what} must be {_in_words(kind)}, got {value!r}")


def _in_words(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return f"a list, each {_in_words(typing.get_args(kind)[0])}"
    if typing.get_args(kind):
        return " or ".join(map(_in_words, typing.get_args(kind)))
    words = {bool: "true or false", int: "an int", float: "a float", str: "a string", type(None): "none"}
    return words.get(kind, str(kind))
