"""Suites: tasks x agents x seeds with budgets, and the cells that they resolve to.

A suite is read from TOML (`suite_file.read_suite`). The settings of a cell's agent are, later ones winning:
the defaults of its config, the budget's preset, the budget's settings, the overrides in the order of the
file, and the command line. Settings of a budget, or of an override that names no agent, hold for the agents
that have them; an override that names an agent must fit it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from .. import agents, envs
from ..analysis.records import settings_hash
from .errors import SuiteError, unknown


@dataclass(frozen=True)
class Evaluation:
    """When and how a run is evaluated.

    Attributes:
        every: environment steps of training between evaluations.
        episodes: episodes an evaluation.
        score_last: a run's return is the mean of so many last evaluations.
        mode: the agent's way to act.
    """

    every: int
    episodes: int
    score_last: int
    mode: str = "greedy"

    def __post_init__(self) -> None:
        """Refuse counts below one."""
        for name in ("every", "episodes", "score_last"):
            if getattr(self, name) < 1:
                raise SuiteError(f"evaluation.{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class Cell:
    """One task and agent with everything that decides the result, the seed apart.

    Attributes:
        suite: name of the suite.
        suite_version: its version.
        budget: name of the budget.
        task: task id.
        task_settings: every setting of the task, resolved.
        evaluation_settings: settings of the task that differ in evaluations.
        agent: name of the agent, or `module:Class`.
        agent_settings: every setting of the agent, resolved.
        steps: environment steps of a run.
        num_envs: copies of the environment a run.
        evaluation: when and how the run is evaluated.
    """

    suite: str
    suite_version: int
    budget: str
    task: str
    task_settings: Mapping[str, Any]
    evaluation_settings: Mapping[str, Any]
    agent: str
    agent_settings: Mapping[str, Any]
    steps: int
    num_envs: int
    evaluation: Evaluation

    @property
    def agent_label(self) -> str:
        """The agent's name as a part of a path: `module.Class` for `module:Class`."""
        return self.agent.replace(":", ".")

    @property
    def settings_hash(self) -> str:
        """Hash of everything that decides a run but its seed and the name of the suite."""
        return settings_hash({key: value for key, value in asdict(self).items() if key != "suite"})


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

    def with_overrides(self, more: Iterable[Override]) -> Suite:
        """The same suite with further overrides, which win."""
        return replace(self, overrides=(*self.overrides, *more))

    def cells(
        self, budget: str | None = None, tasks: Sequence[str] = (), agent_names: Sequence[str] = ()
    ) -> list[Cell]:
        """The cells of a budget, all settings resolved and checked.

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
        return [
            self._cell(chosen, by_id[task], name) for task in dict.fromkeys(tasks or by_id) for name in names
        ]

    def _cell(self, budget_name: str, task: SuiteTask, agent: str) -> Cell:
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
            evaluation = replace(evaluation, **override.evaluation)
            named = bool(override.agent)
            agent_settings |= {k: v for k, v in override.settings.items() if named or k in known}
        try:
            config = config_class.build(budget.preset, agent_settings)
        except ValueError as error:
            raise SuiteError(f"agent {agent}: {error}") from error
        if evaluation.mode not in agent_class.modes:
            raise SuiteError(f"agent {agent}: {unknown('mode', evaluation.mode, agent_class.modes)}")
        team = envs.spec(task.id, task_settings)
        envs.spec(task.id, {**task_settings, **task.evaluation_settings})
        return Cell(
            suite=self.name,
            suite_version=self.version,
            budget=budget_name,
            task=task.id,
            task_settings=dict(team.settings),
            evaluation_settings=dict(task.evaluation_settings),
            agent=agent,
            agent_settings=asdict(config),
            steps=steps,
            num_envs=self.num_envs,
            evaluation=evaluation,
        )

    def _check_shared_settings(self, names: Iterable[str]) -> None:
        """Refuse a setting that is meant for whichever agents have it, if none of `names` has it."""
        known = {setting.name for name in names for setting in fields(agents.load(name).config_class)}
        shared = [budget.settings for budget in self.budgets.values()]
        shared += [override.settings for override in self.overrides if not override.agent]
        for setting in (name for settings in shared for name in settings):
            if setting not in known:
                raise SuiteError(unknown(f"agent setting in suite {self.name!r}:", setting, known))
