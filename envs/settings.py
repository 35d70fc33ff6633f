"""Settings of a task: typed, checked, read-only once resolved."""

from __future__ import annotations

import dataclasses
import difflib
import numbers
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
        settings_type: frozen dataclass with defaults; its annotations (bool, int, float, Literal) are
            checked.
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
        values[name] = _checked(task_id, name, value, hints[name])
    if values.get("n_agents") != preset.get("n_agents", values.get("n_agents")):
        raise ValueError(
            f"{task_id}: n_agents is fixed by the task id; choose the task with that many members"
        )
    try:
        return settings_type(**values)
    except ValueError as error:
        raise ValueError(f"{task_id}: {error}") from error


def _checked(task_id: str, name: str, value: Any, hint: Any) -> Any:
    """``value`` as the annotated type, or a ValueError that names the setting and what it takes."""
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if any(type(value) is type(choice) and value == choice for choice in choices):
            return value
        near = suggestion(str(value), map(str, choices))
        allowed = ", ".join(map(repr, choices))
        raise ValueError(f"{task_id}: {name} must be one of {allowed}, got {value!r}{near}")
    is_bool = isinstance(value, bool)
    if hint is bool and is_bool:
        return value
    if hint is int and isinstance(value, numbers.Integral) and not is_bool:
        return int(value)
    if hint is float and isinstance(value, numbers.Real) and not is_bool:
        return float(value)
    article = "an" if hint is int else "a"
    raise ValueError(f"{task_id}: {name} must be {article} {hint.__name__}, got {value!r}")
