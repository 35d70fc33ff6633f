"""What became of every run a table expects: done, short, failed or missing, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..analysis.reading import Run
from ..analysis.scores import run_return

Outcome = Literal["done", "short", "failed", "missing"]
OUTCOMES: tuple[Outcome, ...] = ("done", "short", "failed", "missing")


@dataclass(frozen=True)
class RunOutcome:
    """One expected run.

    Attributes:
        task: task id.
        agent: agent label.
        seed: seed.
        outcome: only ``done`` runs count in returns, scores and aggregates.
        reason: one line for what is not done.
        value: the run's return, NaN when missing or never evaluated.
        step: environment steps at its last evaluation.
    """

    task: str
    agent: str
    seed: int
    outcome: Outcome
    reason: str
    value: float
    step: int


def outcomes(
    tasks: Sequence[str],
    agents: Sequence[str],
    seeds: Sequence[int],
    runs: Mapping[tuple[str, str, int], Run],
) -> dict[tuple[str, str], list[RunOutcome]]:
    """Every expected run, tasks x agents x seeds, by (task, agent).

    Args:
        tasks: task ids of the table.
        agents: agent labels of the table.
        seeds: seeds of the table.
        runs: the runs there are, by task, agent label and seed.
    """
    return {
        (task, agent): [_outcome(task, agent, seed, runs.get((task, agent, seed))) for seed in seeds]
        for task in tasks
        for agent in agents
    }


def counts(expected: Sequence[RunOutcome]) -> dict[str, int]:
    """How many runs had each outcome, by column name: ``runs_done``, ``runs_short`` and so on."""
    found = Counter(run.outcome for run in expected)
    return {f"runs_{outcome}": found[outcome] for outcome in OUTCOMES}


def summary(expected: Sequence[RunOutcome]) -> str:
    """``complete``, or how many runs are short, failed and missing."""
    found = counts(expected)
    parts = [f"{found[f'runs_{outcome}']} {outcome}" for outcome in OUTCOMES[1:] if found[f"runs_{outcome}"]]
    return ", ".join(parts) or "complete"


def _outcome(task: str, agent: str, seed: int, run: Run | None) -> RunOutcome:
    if run is None:
        return RunOutcome(task, agent, seed, "missing", "no record of this run", float("nan"), 0)
    outcome, reason = _judge(run)
    return RunOutcome(task, agent, seed, outcome, reason, run_return(run), run.last_step)


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
