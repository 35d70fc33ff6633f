"""What became of every run a table expects: done, short, failed, missing or apart, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..analysis.absolute import absolute_return, absolute_value
from ..analysis.efficiency import area
from ..analysis.reading import Run
from ..analysis.scores import run_return, run_value
from ..analysis.variants import Cell, cell_of
from ..analysis.winning import win_metric
from .protocol import Protocol, difference, protocol_of

Outcome = Literal["done", "short", "failed", "missing", "apart"]
OUTCOMES: tuple[Outcome, ...] = ("done", "short", "failed", "missing", "apart")


@dataclass(frozen=True)
class RunOutcome:
    """One expected run.

    Attributes:
        task: task id.
        agent: agent label.
        seed: seed.
        outcome: only ``done`` runs count in returns, scores, aggregates and comparisons; ``apart`` ones were
            made under another protocol than the task's other runs.
        reason: one line for what is not done.
        value: what the run is scored by, its return or win rate; NaN when missing or never evaluated.
        step: environment steps at its last evaluation.
        absolute: the same of its best weights, evaluated once more; NaN where that is not recorded.
        area: mean of the same over its training; NaN when missing or never evaluated.
        returned: the run's return, also where a win rate is its value.
        absolute_returned: return of its best weights, also where a win rate leads.
        run: the records, None when missing.
    """

    task: str
    agent: str
    seed: int
    outcome: Outcome
    reason: str
    value: float
    step: int
    absolute: float = float("nan")
    area: float = float("nan")
    returned: float = float("nan")
    absolute_returned: float = float("nan")
    run: Run | None = field(default=None, repr=False, compare=False)

    @property
    def win_rate(self) -> float:
        """`value` of a run that is scored by its win rate; NaN for others."""
        return self.value if self.run and win_metric(self.run) is not None else float("nan")


def outcomes(
    seeds: Mapping[tuple[str, str], Sequence[int]],
    runs: Mapping[tuple[str, str, int], Run],
    protocols: Mapping[str, Protocol],
) -> dict[tuple[str, str], list[RunOutcome]]:
    """Every expected run by (task, agent).

    Args:
        seeds: the seeds that are expected of every task and agent label; none where no run is expected.
        runs: the runs there are, by task, agent label and seed.
        protocols: under which each task's runs are compared.
    """
    differing: dict[Cell, str] = {}
    for run in runs.values():
        if cell_of(run) not in differing:
            differing[cell_of(run)] = difference(protocol_of(run), protocols[run.task_id])
    return {
        (task, agent): [
            _outcome(task, agent, seed, runs.get((task, agent, seed)), differing) for seed in expected
        ]
        for (task, agent), expected in seeds.items()
    }


def counts(expected: Sequence[RunOutcome]) -> dict[str, int]:
    """How many runs had each outcome, by column name: ``runs_done``, ``runs_short`` and so on."""
    found = Counter(run.outcome for run in expected)
    return {f"runs_{outcome}": found[outcome] for outcome in OUTCOMES}


def summary(expected: Sequence[RunOutcome]) -> str:
    """``complete``, or how many runs are short, failed, missing and apart."""
    if not expected:
        return "no run of this variant here: not planned, or not begun"
    found = counts(expected)
    parts = [f"{found[f'runs_{outcome}']} {outcome}" for outcome in OUTCOMES[1:] if found[f"runs_{outcome}"]]
    return ", ".join(parts) or "complete"


def _outcome(task: str, agent: str, seed: int, run: Run | None, differing: Mapping[Cell, str]) -> RunOutcome:
    if run is None:
        return RunOutcome(task, agent, seed, "missing", "no record of this run", float("nan"), 0)
    differs = differing[cell_of(run)]
    outcome, reason = ("apart", f"not comparable: {differs}") if differs else _judge(run)
    return RunOutcome(
        *(task, agent, seed, outcome, reason, run_value(run), run.last_step),
        absolute=absolute_value(run),
        area=area(run),
        returned=run_return(run),
        absolute_returned=absolute_return(run),
        run=run,
    )


def _judge(run: Run) -> tuple[Outcome, str]:
    if run.status == "failed":
        return "failed", run.failure or "no reason recorded"
    torn = "; its last evaluation is torn" if run.torn else ""
    if run.done_steps is None:
        return "short", f"running or stopped, evaluated up to step {run.last_step} of {run.steps}{torn}"
    if run.done_steps < run.steps:
        return "short", f"ended at step {run.done_steps} of {run.steps}{torn}"
    if run.torn:
        return "short", "its last evaluation is torn"
    return ("done", "") if run.evaluations else ("short", "it was never evaluated")
