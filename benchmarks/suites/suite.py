"""Suites: tasks x agents x seeds with budgets, and the cells that they resolve to.

A suite is read from TOML (`suite_file.read_suite`). The settings of a cell's agent are, later ones winning:
the defaults of its config, the budget's preset, the budget's settings, the overrides in the order of the
file, and the command line. Settings of a budget, or of an override that names no agent, hold for the agents
that have them; an override that names an agent must fit it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Any

from ... import agents, envs
from ..errors import SuiteError, unknown
from .cell import Cell, Evaluation


@dataclass(frozen=True)
class SuiteTask:
    """A task of a suite, with settings for training and others for evaluation alone."""

    id: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    evaluation_settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """How long and how an agent is trained.

    Attributes:
        steps: environment steps of a run.
        evaluation: when and how runs are evaluated.
        preset: name of a preset of the agents' configs; agents without it keep their defaults.
        settings: agent settings, for those agents that have them.
    """

    steps: int
    evaluation: Evaluation
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Override:
    """What differs for some cells.

    Attributes:
        budget: names of budgets; empty: all.
        task: ids of tasks; empty: all.
        agent: names of agents; empty: all, and then `settings` hold for those that have them.
        steps: environment steps of a run.
        settings: agent settings.
        task_settings: task settings, in training and evaluation.
        evaluation: fields of Evaluation.
    """

    budget: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    steps: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    task_settings: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    def selects(self, budget: str, task: str, agent: str) -> bool:
        """Whether it holds for this cell."""
        pairs = ((self.budget, budget), (self.task, task), (self.agent, agent))
        return all(not chosen or name in chosen for chosen, name in pairs)


@dataclass(frozen=True)
class Variant:
    """An agent of a suite once more, with other settings.

    Attributes:
        agent: name of the agent.
        settings: that differ, over all overrides.
        task: ids of the tasks it is trained on; empty: all.
    """

    agent: str
    settings: Mapping[str, Any]
    task: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """Tasks x agents x seeds, with budgets.

    Attributes:
        name: part of the path of its results.
        version: raised by every change that makes results incomparable.
        description: one line.
        seeds: of the runs of every cell.
        agents: names, or `module:Class`.
        tasks: in order.
        num_envs: copies of the environment a run.
        default_budget: a name in `budgets`.
        budgets: by name.
        overrides: later ones win.
        variants: agents beside `agents` that differ in settings.
    """

    name: str
    version: int
    description: str
    seeds: tuple[int, ...]
    agents: tuple[str, ...]
    tasks: tuple[SuiteTask, ...]
    num_envs: int
    default_budget: str
    budgets: Mapping[str, Budget]
    overrides: tuple[Override, ...] = ()
    variants: tuple[Variant, ...] = ()

    def with_overrides(self, more: Iterable[Override]) -> Suite:
        """The same suite with further overrides, which win."""
        return replace(self, overrides=(*self.overrides, *more))

    def cells(
        self, budget: str | None = None, tasks: Sequence[str] = (), agent_names: Sequence[str] = ()
    ) -> list[Cell]:
        """The cells of a budget, all settings resolved and checked; none where an agent cannot play a task.

        Args:
            budget: name of a budget; the suite's default if None.
            tasks: ids, all of the suite's if empty.
            agent_names: names, all of the suite's if empty; others than the suite's are welcome.

        Raises:
            ValueError: an unknown budget, task, agent or setting, or a value that it cannot take.
        """
        chosen = self.default_budget if budget is None else budget
        if chosen not in self.budgets:
            raise SuiteError(unknown(f"budget of suite {self.name!r}:", chosen, self.budgets))
        by_id = {task.id: task for task in self.tasks}
        for task in tasks:
            if task not in by_id:
                raise SuiteError(unknown(f"task of suite {self.name!r}:", task, by_id))
        names = list(dict.fromkeys(agent_names or self.agents))
        self._check_shared_settings({*names, *self.agents})
        found: dict[tuple[str, str, str], Cell] = {}
        for task in dict.fromkeys(tasks or by_id):
            kind = envs.spec(task, by_id[task].settings).action_kind
            for name in names:
                if kind not in agents.load(name).action_kinds:
                    continue
                for settings in ({}, *self._variants_of(name, task)):
                    cell = self._cell(chosen, by_id[task], name, settings)
                    found.setdefault((task, name, cell.settings_hash), cell)
        if not found:
            kinds = ", ".join(
                f"{name} ({' or '.join(agents.load(name).action_kinds)} actions)" for name in names
            )
            raise SuiteError(f"{', '.join(tasks or by_id)}: not for {kinds}; `bench list agents` has others")
        return list(found.values())

    def _variants_of(self, agent: str, task: str) -> list[Mapping[str, Any]]:
        return [v.settings for v in self.variants if v.agent == agent and task in (v.task or (task,))]

    def _cell(self, budget_name: str, task: SuiteTask, agent: str, variant: Mapping[str, Any]) -> Cell:
        budget = self.budgets[budget_name]
        agent_class = agents.load(agent)
        config_class = agent_class.config_class
        known = {setting.name for setting in fields(config_class)}
        steps, evaluation = budget.steps, budget.evaluation
        agent_settings = {name: value for name, value in budget.settings.items() if name in known}
        task_settings = dict(task.settings)
        for override in self.overrides:
            if not override.selects(budget_name, task.id, agent):
                continue
            steps = steps if override.steps is None else override.steps
            task_settings |= override.task_settings
            evaluation = evaluation.changed(override.evaluation)
            named = bool(override.agent)
            agent_settings |= {k: v for k, v in override.settings.items() if named or k in known}
        try:
            config = config_class.build(budget.preset, {**agent_settings, **variant})
        except ValueError as error:
            raise SuiteError(f"agent {agent}: {error}") from error
        if evaluation.mode not in agent_class.modes:
            raise SuiteError(f"agent {agent}: {unknown('mode', evaluation.mode, agent_class.modes)}")
        resolved, win_metric = _resolved(task.id, _Settings(task_settings))
        _resolved(task.id, _Settings({**task_settings, **task.evaluation_settings}))
        return Cell(
            suite=self.name,
            suite_version=self.version,
            budget=budget_name,
            task=task.id,
            task_settings=dict(resolved),
            evaluation_settings=dict(task.evaluation_settings),
            agent=agent,
            agent_settings=_values(config),
            steps=steps,
            num_envs=self.num_envs,
            evaluation=evaluation,
            variant=dict(variant),
            win_metric=win_metric,
        )

    def _check_shared_settings(self, names: Iterable[str]) -> None:
        """Refuse a setting that is meant for whichever agents have it, if none of `names` has it."""
        known = {setting.name for name in names for setting in fields(agents.load(name).config_class)}
        shared = [budget.settings for budget in self.budgets.values()]
        shared += [override.settings for override in self.overrides if not override.agent]
        for setting in (name for settings in shared for name in settings):
            if setting not in known:
                raise SuiteError(unknown(f"agent setting in suite {self.name!r}:", setting, known))


class _Settings(dict[str, Any]):
    """Settings as a key of a cache: equal ones of equal types are one."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(self))

    def __eq__(self, other: object) -> bool:
        return repr(self) == repr(other)


@cache
def _resolved(task: str, settings: _Settings) -> tuple[Mapping[str, Any], str | None]:
    """Every setting of a task, and its win metric; thousands of cells share few of them."""
    team = envs.spec(task, settings)
    return team.settings, team.win_metric


def _values(config: Any) -> dict[str, Any]:
    """The fields of a config; `asdict` for plain values at a tenth of its price."""
    values = {one.name: getattr(config, one.name) for one in fields(config)}
    has_parts = any(is_dataclass(value) or isinstance(value, dict | list) for value in values.values())
    return asdict(config) if has_parts else values
