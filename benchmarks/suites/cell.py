"""A cell of a suite: one task and one agent with all their settings resolved, trained with some seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Self

from ...agents.settings import SettingError, override
from ...analysis.records import settings_hash
from ..errors import SuiteError


@dataclass(frozen=True)
class Evaluation:
    """When and how a run is evaluated.

    Attributes:
        every: environment steps of training between evaluations.
        episodes: episodes an evaluation.
        score_last: a run's return is the mean of so many last evaluations.
        mode: the agent's way to act.
        absolute: whether the best weights are evaluated once more at the end, on ten times the episodes.
    """

    every: int
    episodes: int
    score_last: int
    mode: str = "greedy"
    absolute: bool = True

    def __post_init__(self) -> None:
        """Refuse counts below one."""
        for name in ("every", "episodes", "score_last"):
            if getattr(self, name) < 1:
                raise SuiteError(f"evaluation.{name} must be at least 1, not {getattr(self, name)}")

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """A copy with `settings` in place of its values.

        Raises:
            SuiteError: an unknown name, or a value of the wrong type or range.
        """
        try:
            return override(self, settings)
        except SettingError as error:
            raise SuiteError(f"evaluation: {error}") from error


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
        variant: those of `agent_settings` in which it differs from the suite's plain agent; for display.
        win_metric: of the task, see `TeamSpec`: what its runs are scored by instead of their returns.
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
    variant: Mapping[str, Any] = field(default_factory=dict)
    win_metric: str | None = None

    @property
    def title(self) -> str:
        """The agent's name, and what sets a variant apart."""
        parts = ", ".join(f"{name}={value}" for name, value in self.variant.items())
        return f"{self.agent} [{parts}]" if parts else self.agent

    @property
    def agent_label(self) -> str:
        """The agent's name as a part of a path: `module.Class` for `module:Class`."""
        return self.agent.replace(":", ".")

    @cached_property
    def settings_hash(self) -> str:
        """Hash of everything that decides a run but its seed and the name of the suite.

        `Evaluation.absolute` is left out: it comes after everything else and changes nothing in it. So is the
        `win_metric` of tasks that have none: their hashes are from before there was one.
        """
        decisive = {one.name: getattr(self, one.name) for one in fields(self)}
        del decisive["suite"], decisive["variant"]
        if self.win_metric is None:
            del decisive["win_metric"]
        evaluation = {one.name: getattr(self.evaluation, one.name) for one in fields(self.evaluation)}
        del evaluation["absolute"]
        return settings_hash(decisive | {"evaluation": evaluation})

    @property
    def place(self) -> str:
        """Its folder below that of the suite: `task/agent-hash`."""
        return f"{self.task}/{self.agent_label}-{self.settings_hash}"
