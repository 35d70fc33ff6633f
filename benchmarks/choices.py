"""What a user chooses on the command line, from text to values: seeds, settings, lists of names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

from .errors import SuiteError, unknown
from .suites.suite import Override


def parse_seeds(text: str | Sequence[Any]) -> tuple[int, ...]:
    """Seeds in ascending order, each once.

    Args:
        text: `"0-6"`, `"0,2,5"`, `"3"` and mixtures of them, or integers.

    Raises:
        SuiteError: anything else.
    """
    if not isinstance(text, str):
        if not text or not all(type(seed) is int and seed >= 0 for seed in text):
            raise SuiteError(f"seeds are integers from 0, as in '0-6' or [0, 2, 5], not {text!r}")
        return tuple(sorted(set(text)))
    seeds: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", part)
        if not found:
            raise SuiteError(f"cannot read the seeds {text!r}; write them as 0-6 or 0,2,5")
        first = int(found[1])
        last = int(found[2] or first)
        if last < first:
            raise SuiteError(f"the seeds {part.strip()!r} run backwards; write {last}-{first}")
        seeds.update(range(first, last + 1))
    return tuple(sorted(seeds))


def parse_names(text: str | None) -> list[str]:
    """Names from a list with commas; none from None."""
    return [] if text is None else [name.strip() for name in text.split(",") if name.strip()]


def parse_set(assignment: str, agents: Iterable[str], tasks: Iterable[str]) -> Override:
    """An override from `AGENT.SETTING=VALUE`, `task.TASK.SETTING=VALUE` or `evaluation.SETTING=VALUE`.

    Args:
        assignment: the value is read as TOML (`0.1`, `true`, `[64, 64]`); what is no TOML is a string.
        agents: the agents of this sweep.
        tasks: its tasks.

    Raises:
        SuiteError: another form, or an agent or task that does not take part.
    """
    key, equals, value = (part.strip() for part in assignment.partition("="))
    owner, dot, setting = key.rpartition(".")
    if not (equals and dot and owner and setting and value):
        raise SuiteError(
            f"cannot read --set {assignment!r}; write AGENT.SETTING=VALUE, task.TASK.SETTING=VALUE or "
            "evaluation.SETTING=VALUE"
        )
    if owner == "evaluation":
        return Override(evaluation={setting: parse_value(value)})
    if owner.startswith("task."):
        task, known = owner.removeprefix("task."), list(tasks)
        if task not in known:
            raise SuiteError(f"--set {assignment}: {unknown('task of this sweep', task, known)}")
        return Override(task=(task,), task_settings={setting: parse_value(value)})
    known = list(agents)
    if owner not in known:
        raise SuiteError(f"--set {assignment}: {unknown('agent of this sweep', owner, known)}")
    return Override(agent=(owner,), settings={setting: parse_value(value)})


def parse_value(text: str) -> Any:
    """A TOML value, `None` for `none`, or the text itself where it is no TOML."""
    if text.lower() == "none":
        return None
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if list(found) == ["value"] else text
