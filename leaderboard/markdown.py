"""A leaderboard as a Markdown page."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from ..analysis.statistics import AGGREGATES
from .board import Leaderboard
from .text import Row, best_and_tied, interval, number, return_digits, rows_of

SCORE_DIGITS = 2

_TITLES = {
    "iqm": "IQM",
    "mean": "Mean",
    "median": "Median",
    "optimality_gap": "Optimality gap (less is better)",
}


def markdown(board: Leaderboard, command: str) -> str:
    """The page: overall table, one table a task, what is missing, and how every number was made.

    Args:
        board: the numbers.
        command: the command line that made the page, printed at its end.

    Returns:
        Markdown text that ends with a newline.
    """
    level = f"{board.bootstrap.confidence:.0%}"
    parts = [
        f"# {board.suite}, budget `{board.budget}`",
        "Scores: 0 is the random policy, 1 the task's scripted reference policy; not clipped. In brackets: "
        f"{level} bootstrap intervals. **Bold**: the best agent that learns; ≈: its interval overlaps the "
        "best one's; †: runs are missing, short or failed, see below.",
        "## Overall",
        _overall(board),
        "## Tasks",
        *[_task(board, task) for task in sorted(set(board.tasks["task"]))],
        "## Missing, short and failed runs",
        _holes(board),
        "## How this was made",
        _footer(board, command),
    ]
    return "\n\n".join(parts) + "\n"


def _overall(board: Leaderboard) -> str:
    rows = rows_of(board.agents)
    marks = {
        name: best_and_tied(rows, name, f"{name}_low", f"{name}_high", SCORE_DIGITS) for name in AGGREGATES
    }
    lines: list[list[str]] = []
    for row in rows:
        cells = [
            _marked(row, marks[name], number(row[name], SCORE_DIGITS))
            + " "
            + interval(row[f"{name}_low"], row[f"{name}_high"], SCORE_DIGITS)
            for name in AGGREGATES
        ]
        runs = sum(row[f"runs_{outcome}"] for outcome in ("done", "short", "failed", "missing"))
        lines.append(
            [_name(row), *cells, str(row["tasks"]), str(row["seeds"]), f"{row['runs_done']} of {runs}"]
        )
    return _table(["Agent", *[_TITLES[name] for name in AGGREGATES], "Tasks", "Seeds", "Runs done"], lines)


def _task(board: Leaderboard, task: str) -> str:
    rows = [row for row in rows_of(board.tasks) if row["task"] == task]
    rows.sort(key=lambda row: -math.inf if math.isnan(row["return"]) else row["return"], reverse=True)
    first = rows[0]
    digits = return_digits([row["return"] for row in rows] + [first["random"], first["reference"]])
    marks = best_and_tied(rows, "return", "low", "high", digits)
    lines = [
        [
            _name(row),
            _return(row, marks, digits),
            f"{number(row['score'], SCORE_DIGITS)} "
            + interval(row["score_low"], row["score_high"], SCORE_DIGITS),
            str(row["seeds"]),
            f"{row['steps']:,}" if row["settings_hash"] else "",
            row["status"],
        ]
        for row in rows
    ]
    fixed = f"random {number(first['random'], digits)}, reference {number(first['reference'], digits)}"
    if math.isnan(first["random"]):
        fixed = "no reference scores"
    about = f"Return of an episode: {first['return_unit']}; {fixed}."
    table = _table(["Agent", "Return", "Score", "Seeds", "Steps a seed", "Runs"], lines)
    return f"### {task}\n\n{about}\n\n{table}"


def _return(row: Row, marks: tuple[set[str], set[str]], digits: int) -> str:
    if math.isnan(row["return"]) and not math.isnan(row["short_return"]):
        return f"({number(row['short_return'], digits)} so far, short)"
    return (
        _marked(row, marks, number(row["return"], digits)) + " " + interval(row["low"], row["high"], digits)
    )


def _marked(row: Row, marks: tuple[set[str], set[str]], text: str) -> str:
    best, tied = marks
    return f"**{text}**" if row["agent"] in best else f"{text} ≈" if row["agent"] in tied else text


def _name(row: Row) -> str:
    holes = row["runs_missing"] + row["runs_short"] + row["runs_failed"]
    return row["agent"] + (" †" if holes else "")


def _holes(board: Leaderboard) -> str:
    if not board.holes:
        return "None: every run of the table is complete."
    lines: list[list[str]] = []
    for hole in board.holes:
        shown = "" if math.isnan(hole.value) else number(hole.value, return_digits([hole.value]))
        step = "" if hole.outcome == "missing" else f"{hole.step:,}"
        lines.append([hole.task, hole.agent, str(hole.seed), hole.outcome, step, shown, hole.reason])
    headings = ["Task", "Agent", "Seed", "Outcome", "Last evaluated at step", "Return there", "Reason"]
    note = "These runs are not in any number above; an agent with holes is ranked on the runs it has."
    return f"{note}\n\n{_table(headings, lines)}"


def _footer(board: Leaderboard, command: str) -> str:
    evaluations = [run.meta["evaluation"] for run in board.runs]
    bootstrap = board.bootstrap
    items = {
        "Suite": f"{board.suite}, version {board.suite_version}",
        "Budget": board.budget,
        "Seeds": ", ".join(map(str, sorted({run.seed for run in board.runs}))),
        "Evaluation": f"{_values(evaluations, 'episodes')} episodes each {_values(evaluations, 'every')} "
        f"environment steps, mode {_values(evaluations, 'mode')}",
        "Return of a run": f"mean of its last {_values(evaluations, 'score_last')} evaluations after step 0, "
        "or of those it has",
        "Score": "(return - random) / (reference - random), "
        f"reference scores version {board.references.version}",
        "Intervals": f"percentile bootstrap over seeds, stratified by task, {bootstrap.repetitions:,} "
        f"repetitions, level {bootstrap.confidence:g}, seed {bootstrap.seed}",
        "Aggregates": "IQM and optimality gap pool all runs; mean and median are over the means of the tasks",
        "Runs made with": _provenance(board),
        "Command": f"`{command}`",
    }
    return "\n".join(f"- {name}: {text}" for name, text in items.items())


def _values(records: Sequence[Row], name: str) -> str:
    """The values of a field over all records, in order; usually one."""
    return " / ".join(str(value) for value in sorted({record[name] for record in records}))


def _provenance(board: Leaderboard) -> str:
    """What the runs recorded of their making: each field's values, or their number where they are many."""
    found: dict[str, set[str]] = defaultdict(set)
    for run in board.runs:
        for name, value in run.meta["provenance"].items():
            found[name].add(str(value))
    shown = {name: " / ".join(sorted(values)) for name, values in found.items() if len(values) <= 3}
    many = {name: f"{len(values)} values" for name, values in found.items() if len(values) > 3}
    return "; ".join(f"{name} {text}" for name, text in sorted({**shown, **many}.items())) or "not recorded"


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is aligned left, the others right where they hold numbers."""
    rule = [
        "---",
        *["---:" if heading not in ("Runs", "Reason", "Agent") else "---" for heading in headings[1:]],
    ]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in [headings, rule, *lines])


def _cell(text: str) -> str:
    """Text that cannot break a table."""
    return " ".join(text.split()).replace("|", "\\|")
