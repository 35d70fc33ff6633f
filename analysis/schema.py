"""What the files of a run hold: the fields, their types, and JSON without NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from .words import check_name, check_words

FORMAT = 1
"""Version of the record format, the field ``format`` of ``run.json``."""

RUN_FILE, EVALUATIONS_FILE = "run.json", "evaluations.jsonl"
DONE_FILE, FAILED_FILE = "done.json", "failed.json"
POLICY_FILE, BEST_FILE = "policy.safetensors", "best.safetensors"
"""What the run has learned at its end and at its best evaluation; opaque to analysis."""
OLD_POLICY_FILE = "policy.pt"
"""What earlier versions wrote; it is no longer read."""
ABSOLUTE_FILE = "absolute.json"
"""The best weights evaluated once more; runs of earlier versions have none."""
POSITIONS_FILE = "positions.jsonl"

_NUMBER = (int, float)
_PLAIN = {str, int, bool, type(None)}

_LARGEST_WHOLE, _LARGEST = 2**53, 1e300

_RUN_FIELDS: dict[str, Any] = {
    "format": int,
    "suite": str,
    "suite_version": (str, int),
    "budget": str,
    "task": {
        "id": str,
        "settings": dict,
        "evaluation_settings": dict,
        "n_agents": int,
        "horizon": int,
        "return_unit": str,
        "metrics": list,
    },
    "agent": {"id": str, "settings": dict},
    "seed": int,
    "steps": int,
    "num_envs": int,
    "evaluation": {"every": int, "episodes": int, "mode": str, "score_last": int},
    "settings_hash": str,
    "provenance": dict,
}
_EVALUATION_FIELDS: dict[str, Any] = {
    "step": int,
    "updates": int,
    "seconds": _NUMBER,
    "return": list,
    "episode_length": list,
    "metrics": dict,
    "training": dict,
}
_ABSOLUTE_FIELDS: dict[str, Any] = {
    "step": int,
    "chosen_return": _NUMBER,
    "start_seed": int,
    "mode": str,
    "return": list,
    "episode_length": list,
    "metrics": dict,
}
_DONE_FIELDS: dict[str, Any] = {"steps": int, "updates": int, "seconds": _NUMBER}
_FAILED_FIELDS: dict[str, Any] = {"reason": str, "step": int, "traceback": str}


class RecordError(ValueError):
    """A record cannot be written, or not be understood when read; one line says where and what to do."""


def check_run(run: Mapping[str, Any]) -> None:
    """Raises ValueError unless ``run`` is the content of a ``run.json`` this version understands."""
    if isinstance(run.get("format"), int) and run["format"] > FORMAT:
        raise ValueError(f"record format {run['format']} is newer than {FORMAT}, the newest known here")
    _check_fields(run, _RUN_FIELDS, "")
    for name in ("steps", "num_envs", "evaluation.every", "evaluation.episodes", "evaluation.score_last"):
        value: Any = run
        for part in name.split("."):
            value = value[part]
        if value < 1:
            raise ValueError(f"field {name!r} must be at least 1, got {value}")
    win_metric = run["task"].get("win_metric")  # absent where the return is what counts
    if win_metric is not None and not (isinstance(win_metric, str) and win_metric in run["task"]["metrics"]):
        raise ValueError(f"field 'task.win_metric' must be one of 'task.metrics', got {win_metric!r}")
    check_words({name: value for name, value in run.items() if name != "provenance"})
    names = {name: run[name] for name in ("suite", "suite_version", "budget")}
    for name, value in {**names, "task.id": run["task"]["id"], "agent.id": run["agent"]["id"]}.items():
        check_name(name, str(value))


def extra_fields(file: str, content: Mapping[str, Any]) -> list[str]:
    """The dotted names of the fields that ``content`` has and the file has no use for.

    Args:
        file: name of a run's file, e.g. ``run.json``.
        content: of the file, or of one of its lines; it has passed the file's check.
    """
    known = {
        RUN_FILE: {**_RUN_FIELDS, "task": {**_RUN_FIELDS["task"], "win_metric": str}},
        **{EVALUATIONS_FILE: _EVALUATION_FIELDS, ABSOLUTE_FILE: _ABSOLUTE_FIELDS},
        **{DONE_FILE: {**_DONE_FIELDS, "resumed_at": list}, FAILED_FILE: _FAILED_FIELDS},
    }
    return _extra(content, known[file], "")


def check_evaluation(evaluation: Mapping[str, Any]) -> None:
    """Raises ValueError unless ``evaluation`` is one line of an ``evaluations.jsonl``.

    Returns and episode lengths must be finite numbers, one an episode; metrics and training may be None.
    """
    _check_fields(evaluation, _EVALUATION_FIELDS, "")
    _check_episodes(evaluation)
    training = list(evaluation["training"].values())
    _check_numbers(training, "training", len(training), none_allowed=True)
    if not "".join([*evaluation["metrics"], *evaluation["training"]]).isprintable():
        check_words([*evaluation["metrics"], *evaluation["training"]])


def check_absolute(absolute: Mapping[str, Any]) -> None:
    """Raises ValueError unless ``absolute`` is the content of an ``absolute.json``."""
    _check_fields(absolute, _ABSOLUTE_FIELDS, "")
    _check_episodes(absolute)


def check_done(done: Mapping[str, Any]) -> None:
    """Raises ValueError unless ``done`` is the content of a ``done.json``."""
    _check_fields(done, _DONE_FIELDS, "")


def check_failed(failed: Mapping[str, Any]) -> None:
    """Raises ValueError unless ``failed`` is the content of a ``failed.json``."""
    _check_fields(failed, _FAILED_FIELDS, "")


def to_json(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """JSON text of plain values, NumPy scalars and arrays; numbers that are not finite become null.

    Args:
        value: mappings with string keys, sequences, numbers, strings, None; anything with ``tolist``.
        indent: spaces an indentation level, None for one line.
        sort_keys: order mappings by key.

    Raises:
        TypeError: a value of another type.
    """
    separators = (",", ":") if indent is None else None
    return json.dumps(
        plain(value), indent=indent, sort_keys=sort_keys, allow_nan=False, separators=separators
    )


def from_json(text: str | bytes) -> dict[str, Any]:
    """The JSON object in ``text``; ValueError for anything else, NaN and Infinity included."""
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    return value


def plain(value: Any) -> Any:
    """``value`` as the plain Python types that JSON knows; numbers that are not finite become None."""
    if type(value) in _PLAIN:  # most are; the hashes of large suites wait for this function
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise TypeError(f"records hold plain values and arrays, not {type(value).__name__}: {value!r}")


def refuse_constant(name: str) -> NoReturn:
    """What JSON of records does with NaN and Infinity."""
    raise ValueError(f"{name} is not JSON; records hold null instead")


def _check_episodes(evaluation: Mapping[str, Any]) -> None:
    episodes = len(evaluation["return"])
    if episodes == 0:
        raise ValueError("field 'return' holds no episode")
    _check_numbers(evaluation["return"], "return", episodes, none_allowed=False)
    _check_numbers(evaluation["episode_length"], "episode_length", episodes, none_allowed=False)
    for name, values in evaluation["metrics"].items():
        _check_numbers(values, f"metrics.{name}", episodes, none_allowed=True)


def _check_fields(mapping: Mapping[str, Any], fields: Mapping[str, Any], prefix: str) -> None:
    for name, kind in fields.items():
        if name not in mapping:
            raise ValueError(f"field {prefix + name!r} is missing")
        value = mapping[name]
        if isinstance(kind, dict):
            if not isinstance(value, Mapping):
                raise ValueError(f"field {prefix + name!r} must be an object, got {value!r}")
            _check_fields(value, kind, f"{prefix}{name}.")
        elif not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"field {prefix + name!r} has the wrong type: {value!r}")
        elif isinstance(value, int | float) and not -_LARGEST_WHOLE <= value <= _LARGEST_WHOLE:
            raise ValueError(f"field {prefix + name!r} is out of all range")


def _extra(content: Mapping[str, Any], fields: Mapping[str, Any], prefix: str) -> list[str]:
    found = [prefix + name for name in content if name not in fields]
    for name, kind in fields.items():
        if isinstance(kind, dict):
            found += _extra(content[name], kind, f"{prefix}{name}.")
    return found


def _check_numbers(values: Any, name: str, count: int, *, none_allowed: bool) -> None:
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"field {name!r} must be a list of {count} numbers, one an episode, got {values!r}")
    for value in values:
        if value is None and none_allowed:
            continue
        if isinstance(value, bool) or not isinstance(value, _NUMBER) or not -_LARGEST < value < _LARGEST:
            raise ValueError(f"field {name!r} must hold finite numbers, got {value!r}")
