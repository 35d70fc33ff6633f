"""Reading suites from TOML: those of the package by name, anybody's by path; every mistake is one line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..choices import parse_seeds
from ..errors import SuiteError, unknown
from .cell import Evaluation
from .suite import Budget, Override, Suite, SuiteTask, Variant

_FOLDER = Path(__file__).parent
_SUITE = {
    "name": str,
    "version": int,
    "description": str,
    "seeds": (str, list),
    "agents": list,
    "tasks": list,
    "num_envs": int,
    "default_budget": str,
    "budgets": dict,
    "overrides": list,
    "variants": list,
}
_TASK = {"id": str, "settings": dict, "evaluation_settings": dict}
_BUDGET = {"steps": int, "evaluation": dict, "preset": str, "settings": dict}
_EVALUATION = {"every": int, "episodes": int, "score_last": int, "mode": str, "absolute": bool}
_OVERRIDE = {
    "budget": (str, list),
    "task": (str, list),
    "agent": (str, list),
    "steps": int,
    "settings": dict,
    "task_settings": dict,
    "evaluation": dict,
}
_VARIANT = {"agent": str, "settings": dict, "task": (str, list)}
_NAMES = {str: "a string", int: "an integer", bool: "true or false", list: "a list", dict: "a table"}


def suite_names() -> list[str]:
    """Names of the package's own suites, sorted."""
    return sorted(file.stem for file in _FOLDER.glob("*.toml"))


def read_suite(name_or_path: str | Path) -> Suite:
    """A suite of the package by name, or one from a TOML file by path (it ends in `.toml`).

    Raises:
        SuiteError: no such suite or file, no valid TOML, or a key that is unknown, missing or of the wrong
            type; the message names file and key.
    """
    text = str(name_or_path)
    if text.endswith(".toml"):
        try:
            content = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
            raise SuiteError(f"cannot read the suite {text}: {reason}") from error
        return parse_suite(content, text)
    if text not in suite_names():
        raise SuiteError(f"{unknown('suite', text, suite_names())}; a file of yours ends in .toml")
    return parse_suite((_FOLDER / f"{text}.toml").read_text(encoding="utf-8"), f"{text}.toml")


def parse_suite(text: str, file: str) -> Suite:
    """A suite from the text of a TOML file.

    Args:
        text: the content.
        file: the file's name, for messages.

    Raises:
        SuiteError: as `read_suite`.
    """
    try:
        root = _Table(tomllib.loads(text), file, "", _SUITE)
    except tomllib.TOMLDecodeError as error:
        raise SuiteError(f"{file}: {error}") from error
    try:
        seeds = parse_seeds(root.need("seeds"))
    except ValueError as error:
        raise SuiteError(f"{file}: seeds: {error}") from error
    budgets = {
        key: _budget(_Table(value, file, f"budgets.{key}", _BUDGET))
        for key, value in root.need("budgets").items()
    }
    tasks = tuple(_task(table) for table in root.tables("tasks", _TASK))
    overrides = tuple(
        _override(table, budgets, [task.id for task in tasks])
        for table in root.tables("overrides", _OVERRIDE)
    )
    suite = Suite(
        name=root.need("name"),
        version=root.need("version"),
        description=root.get("description", ""),
        seeds=seeds,
        agents=root.strings("agents"),
        tasks=tasks,
        num_envs=root.positive("num_envs"),
        default_budget=root.need("default_budget"),
        budgets=budgets,
        overrides=overrides,
        variants=tuple(
            _variant(table, root.strings("agents"), [task.id for task in tasks])
            for table in root.tables("variants", _VARIANT)
        ),
    )
    for key, values in (("agents", suite.agents), ("tasks", suite.tasks), ("budgets", suite.budgets)):
        if not values:
            raise SuiteError(f"{file}: {key} is empty; name at least one")
    if suite.default_budget not in budgets:
        raise SuiteError(f"{file}: default_budget: {unknown('budget', suite.default_budget, budgets)}")
    return suite


@dataclass(frozen=True)
class _Table:
    """A TOML table whose keys are known and whose values have the right types."""

    values: Mapping[str, Any]
    file: str
    place: str
    keys: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.values, dict):
            raise SuiteError(f"{self.file}: {self.place} must be a table, not {self.values!r}")
        for key, value in self.values.items():
            if key not in self.keys:
                raise SuiteError(
                    f"{self.file}: {unknown('key', self.where(key), map(self.where, self.keys))}"
                )
            wanted = self.keys[key] if isinstance(self.keys[key], tuple) else (self.keys[key],)
            if type(value) not in wanted:
                kinds = " or ".join(_NAMES[kind] for kind in wanted)
                raise SuiteError(f"{self.file}: {self.where(key)} must be {kinds}, not {value!r}")

    def where(self, key: str) -> str:
        """The key's full name."""
        return f"{self.place}.{key}" if self.place else key

    def get(self, key: str, default: Any) -> Any:
        """The key's value or a default."""
        return self.values.get(key, default)

    def need(self, key: str) -> Any:
        """The value of a key that must be there."""
        if key not in self.values:
            raise SuiteError(f"{self.file}: {self.where(key)} is missing")
        return self.values[key]

    def positive(self, key: str) -> int:
        """A number of at least one that must be there."""
        if self.need(key) < 1:
            raise SuiteError(f"{self.file}: {self.where(key)} must be at least 1, not {self.values[key]}")
        return self.values[key]

    def tables(self, key: str, keys: Mapping[str, Any]) -> list[_Table]:
        """The tables of an array, none if the key is absent."""
        places = enumerate(self.get(key, []))
        return [_Table(value, self.file, f"{self.where(key)}[{place}]", keys) for place, value in places]

    def strings(self, key: str) -> tuple[str, ...]:
        """One name or a list of names; none if the key is absent."""
        found = self.get(key, [])
        names = (found,) if isinstance(found, str) else tuple(found)
        if not all(isinstance(name, str) for name in names):
            raise SuiteError(f"{self.file}: {self.where(key)} must hold strings, not {found!r}")
        return names


def _task(table: _Table) -> SuiteTask:
    return SuiteTask(table.need("id"), table.get("settings", {}), table.get("evaluation_settings", {}))


def _budget(table: _Table) -> Budget:
    evaluation = _Table(table.need("evaluation"), table.file, table.where("evaluation"), _EVALUATION)
    for key in ("every", "episodes", "score_last"):
        evaluation.positive(key)
    steps = table.positive("steps")
    return Budget(
        steps, Evaluation(**evaluation.values), table.get("preset", None), table.get("settings", {})
    )


def _variant(table: _Table, agents: Sequence[str], tasks: list[str]) -> Variant:
    agent = table.need("agent")
    for key, names, known in (("agent", (agent,), agents), ("task", table.strings("task"), tasks)):
        for name in names:
            if name not in known:
                raise SuiteError(f"{table.file}: {table.where(key)}: {unknown(key, name, known)}")
    return Variant(agent, table.need("settings"), table.strings("task"))


def _override(table: _Table, budgets: Mapping[str, Budget], tasks: list[str]) -> Override:
    for key, known in (("budget", budgets), ("task", tasks)):
        for name in table.strings(key):
            if name not in known:
                raise SuiteError(f"{table.file}: {table.where(key)}: {unknown(key, name, known)}")
    evaluation = _Table(table.get("evaluation", {}), table.file, table.where("evaluation"), _EVALUATION)
    for key in {"every", "episodes", "score_last"} & evaluation.values.keys():
        evaluation.positive(key)
    return Override(
        budget=table.strings("budget"),
        task=table.strings("task"),
        agent=table.strings("agent"),
        steps=table.positive("steps") if "steps" in table.values else None,
        settings=table.get("settings", {}),
        task_settings=table.get("task_settings", {}),
        evaluation=evaluation.values,
    )
