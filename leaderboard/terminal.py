"""A leaderboard on the terminal, readable at 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from .board import Leaderboard
from .leading import is_won, lead_of, scale_words, tasks_won
from .text import Row, best_and_tied, interval, number, return_digits, rows_of
from .verdicts import comparable, pair_rows, ranking, sentence

_AGGREGATES = {"iqm": "IQM score", "optimality_gap": "Optimality gap"}
_DIGITS = 2


def terminal_table(board: Leaderboard) -> Group:
    """The overall table, best agent first, and below it every agent's return, or win rate, on every task.

    Args:
        board: the numbers.

    Returns:
        Something for ``rich.console.Console.print``.
    """
    order = {agent: place for place, agent in enumerate(board.agents["agent"])}
    by_task: dict[str, list[Row]] = {}
    for row in sorted(rows_of(board.tasks), key=lambda row: order[row["agent"]]):
        by_task.setdefault(row["task"], []).append(row)
    return Group(
        _overall(board),
        escape(_verdicts(board)),
        *[_task(by_task[task]) for task in sorted(by_task)],
        escape(_caption(board)),
    )


def _overall(board: Leaderboard) -> Table:
    table = Table(title=escape(f"{board.suite}, budget {board.budget}"))
    table.add_column("Agent", overflow="fold")
    for heading in _AGGREGATES.values():
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("First", justify="right", no_wrap=True)
    table.add_column("Runs")
    rows = rows_of(board.agents)
    best = {
        name: best_and_tied(comparable(board), name, f"{name}_low", f"{name}_high", _DIGITS)[0]
        for name in _AGGREGATES
    }
    for row in rows:
        cells = [
            _estimate(row, (name, f"{name}_low", f"{name}_high"), _DIGITS, row["agent"] in best[name])
            for name in _AGGREGATES
        ]
        first = "" if math.isnan(row["first"]) else f"{row['first']:.0%}"
        table.add_row(escape(row["agent"]), *cells, first, _runs(row))
    return table


def _verdicts(board: Leaderboard) -> str:
    """Who is ranked, and every two neighbours of the table in words."""
    names = list(board.agents["agent"])
    told = [
        sentence(row)
        for row in pair_rows(board)
        if names.index(row["agent_b"]) == names.index(row["agent_a"]) + 1
    ]
    return "\n".join([*(text.replace("*", "") for text in ranking(board)), *told])


def _task(rows: Sequence[Row]) -> Table:
    first = rows[0]
    lead, won = lead_of(first), is_won(first)
    table = Table(title=escape(f"{first['task']}, return: {first['return_unit']}"))
    table.add_column("Agent", overflow="fold")
    table.add_column(lead.title, justify="right", no_wrap=True)
    table.add_column("Return" if won else "Score", justify="right", no_wrap=True)
    table.add_column("Runs")
    digits = return_digits([row[lead.value] for row in rows])
    best, _ = best_and_tied(rows, *lead.columns, digits)
    # a win rate is its own score; the return stands in its place
    beside = ("return", "low", "high") if won else ("score", "score_low", "score_high")
    beside_digits = return_digits([row["return"] for row in rows]) if won else _DIGITS
    for row in rows:
        value = _estimate(row, lead.columns, digits, row["agent"] in best)
        if math.isnan(row[lead.value]) and not math.isnan(row[lead.short]):
            value = f"{number(row[lead.short], digits)} (short)"
        other = _estimate(row, beside, beside_digits, is_best=False)
        table.add_row(escape(row["agent"]), value, other, _runs(row))
    return table


def _estimate(row: Row, columns: tuple[str, str, str], digits: int, is_best: bool) -> str:
    name, low, high = columns
    text = number(row[name], digits)
    bounds = escape(interval(row[low], row[high], digits))
    return f"{f'[bold green]{text}[/]' if is_best else text} {bounds}"


def _runs(row: Row) -> str:
    """``7 done``, and how many are not."""
    holes = [
        f"{row[f'runs_{outcome}']} {outcome}"
        for outcome in ("short", "failed", "missing", "apart")
        if row[f"runs_{outcome}"]
    ]
    return ", ".join([f"{row['runs_done']} done", *holes])


def _caption(board: Leaderboard) -> str:
    bootstrap = board.bootstrap
    scale = scale_words(board, f"0 = random, 1 = scripted reference (version {board.references.version})")
    return (
        f"score{':' if tasks_won(board) else ''} {scale}; "
        f"[…]: {bootstrap.confidence:.0%} bootstrap over seeds, {bootstrap.repetitions:,} repetitions, "
        f"seed {bootstrap.seed}"
    )
