"""How every number of a table was made: the same words under every output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..analysis.reading import Run
from ..analysis.variants import is_external
from ..analysis.words import one_line
from .board import Leaderboard
from .leading import lead_words, scale_words

_MOST_WORDS = 200
"""Signs of a value of the provenance that are shown."""


def footer(board: Leaderboard, command: str) -> dict[str, str]:
    """What must stand under the numbers, by heading: seeds, budget, evaluation, bootstrap, versions, command.

    Args:
        board: the numbers.
        command: the command line that makes them again.
    """
    evaluations = [run.meta["evaluation"] for run in board.runs]
    bootstrap = board.bootstrap
    aggregates = "percentile bootstrap over seeds, stratified by task"
    if bootstrap.method == "rliable":
        aggregates = "aggregates by rliable's bootstrap (none where runs are missing), all else by our own"
    return {
        "Suite": f"{board.suite}, version {board.suite_version}",
        "Budget": f"{board.budget}, {steps_of(board.runs)} environment steps",
        "Seeds": ", ".join(map(str, sorted({run.seed for run in board.runs}))),
        "Evaluation": evaluation_of(board.runs),
        f"{lead_words(board)} of a run": f"mean of its last {field_values(evaluations, 'score_last')} "
        "evaluations after step 0, or of those it has",
        "Score": scale_words(
            board,
            f"(return - random) / (reference - random), reference scores version {board.references.version}",
        ),
        "Intervals": f"{aggregates}, {bootstrap.repetitions:,} "
        f"repetitions, level {bootstrap.confidence:g}, seed {bootstrap.seed}; {bootstrap.for_pairs:,} "
        f"repetitions for pairs, {bootstrap.for_curves:,} for curves, areas and profiles",
        "Aggregates": "IQM and optimality gap pool all runs; mean and median are over the means of the tasks",
        "Pairs": "exact Mann-Whitney tests, stratified by task where several are compared; Holm's correction "
        f"within a task's pairs, or all pairs over all tasks; level {1 - bootstrap.confidence:.2g}",
        "Runs made with": provenance(board.runs),
        "Tables made with": made_with(),
        "Command": f"`{command}`",
    }


def short_footer(board: Leaderboard, command: str) -> list[str]:
    """The same in a few lines, for figures."""
    found = footer(board, command)
    seeds = sorted({run.seed for run in board.runs})
    shown = f"{seeds[0]}-{seeds[-1]}" if seeds == list(range(seeds[0], seeds[-1] + 1)) else found["Seeds"]
    made = sorted(
        {
            one_line(str(run.meta["provenance"].get("version_coordbench", "?")), _MOST_WORDS)
            for run in board.runs
        }
    )
    return [
        f"{found['Suite']}; budget {found['Budget']}; seeds {shown}; evaluation: {found['Evaluation']}",
        f"{board.bootstrap.confidence:.0%} intervals: bootstrap seed {board.bootstrap.seed}, "
        f"{board.bootstrap.repetitions:,} repetitions ({board.bootstrap.for_pairs:,} pairs, "
        f"{board.bootstrap.for_curves:,} curves); reference scores version {board.references.version}; "
        f"runs by coordbench {' / '.join(made)}, figure by {_version('coordbench')}",
        command,
    ]


def provenance(runs: Sequence[Run]) -> str:
    """What the runs recorded of their making: each field's values, or their number where they are many."""
    found: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        for name, value in run.meta["provenance"].items():
            found[one_line(name)].add(one_line(str(value), _MOST_WORDS))
    shown = {name: " / ".join(sorted(values)) for name, values in found.items() if len(values) <= 3}
    many = {name: f"{len(values)} values" for name, values in found.items() if len(values) > 3}
    return "; ".join(f"{name} {text}" for name, text in sorted({**shown, **many}.items())) or "not recorded"


def evaluation_of(runs: Sequence[Run]) -> str:
    """``20 episodes each 2500 environment steps, mode greedy``."""
    evaluations = [run.meta["evaluation"] for run in runs]
    return (
        f"{field_values(evaluations, 'episodes')} episodes each {field_values(evaluations, 'every')} "
        f"environment steps, mode {field_values(evaluations, 'mode')}"
    )


def made_with() -> str:
    """Versions of what makes the tables."""
    return ", ".join(f"{name} {_version(name)}" for name in ("coordbench", "numpy", "scipy"))


def steps_of(runs: Sequence[Run]) -> str:
    """``100,000``, or the range over tasks."""
    own = [run for run in runs if not is_external(run)] or list(runs)
    steps = sorted({run.steps for run in own})
    return f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"


def field_values(records: Sequence[Mapping[str, Any]], name: str) -> str:
    """The values of a field over all records, in order; usually one."""
    return " / ".join(str(value) for value in sorted({record[name] for record in records}))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"
