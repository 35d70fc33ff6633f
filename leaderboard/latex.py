r"""A leaderboard as LaTeX tables for ``\input``; they need the package booktabs and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..analysis.statistics import AGGREGATES
from .board import Leaderboard
from .footer import footer
from .leading import is_won, lead_of, scale_words, tasks_won
from .text import Row, best_and_tied, interval, number, return_digits, rows_of
from .verdicts import comparable

_DIGITS = 2
_TASKS_A_TABLE = 3
_TITLES = {"iqm": "IQM", "mean": "Mean", "median": "Median", "optimality_gap": r"Optimality gap $\downarrow$"}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "[": "{[}",
    "]": "{]}",
}


def latex(board: Leaderboard, command: str) -> str:
    r"""The overall table and tables of returns, a few tasks each.

    The best agent is bold, ``\approx`` marks those whose interval overlaps its own, a dagger those with runs
    that do not count. How the numbers were made stands in comments above and, in short, in the captions.

    Args:
        board: the numbers.
        command: the command line that made them.
    """
    notes = [f"% {name}: {' '.join(text.split())}" for name, text in footer(board, command).items()]
    tasks = sorted(set(board.tasks["task"]))
    groups = [tasks[start : start + _TASKS_A_TABLE] for start in range(0, len(tasks), _TASKS_A_TABLE)]
    parts = ["% needs \\usepackage{booktabs}", *notes, _overall(board)]
    return "\n".join([*parts, *[_returns(board, group) for group in groups]]) + "\n"


def escape(text: str) -> str:
    """Text without any sign that LaTeX would act on; what is not ASCII becomes a question mark."""
    plain = "".join(sign if " " <= sign <= "~" else "?" for sign in " ".join(text.split()))
    return "".join(_SPECIAL.get(sign, sign) for sign in plain)


def _overall(board: Leaderboard) -> str:
    rows = rows_of(board.agents)
    marks = {
        name: best_and_tied(comparable(board), name, f"{name}_low", f"{name}_high", _DIGITS)
        for name in AGGREGATES
    }
    lines: list[list[str]] = []
    for row in rows:
        cells = [
            _cell(row, marks[name], (name, f"{name}_low", f"{name}_high"), _DIGITS) for name in AGGREGATES
        ]
        runs = sum(int(row[f"runs_{kind}"]) for kind in ("done", "short", "failed", "missing", "apart"))
        first = "--" if math.isnan(row["first"]) else rf"{100 * row['first']:.0f}\,\%"
        lines.append([_name(row), *cells, first, f"{row['runs_done']}/{runs}"])
    scale = f" ({escape(scale_words(board, 'random 0, scripted reference 1'))})" if tasks_won(board) else ""
    caption = f"Scores over {board.tasks['task'].nunique()} tasks{scale}. {_caption(board)}"
    return _table(["Agent", *[_TITLES[name] for name in AGGREGATES], "First", "Runs"], lines, caption)


def _returns(board: Leaderboard, tasks: Sequence[str]) -> str:
    by_agent: dict[str, list[str]] = {str(row["agent"]): [_name(row)] for row in rows_of(board.agents)}
    units: list[str] = []
    headings: list[str] = []
    won = set(tasks_won(board))
    for task in tasks:
        rows = [row for row in rows_of(board.tasks) if row["task"] == task]
        unit = escape(rows[0]["return_unit"])
        lead = lead_of(rows[0])
        units.append(f"{escape(task)}: {f'win rate, return: {unit}' if is_won(rows[0]) else unit}")
        headings.append(escape(task))
        digits = return_digits([row[lead.value] for row in rows])
        marks = best_and_tied(rows, *lead.columns, digits)
        for row in rows:
            by_agent[row["agent"]].append(_cell(row, marks, lead.columns, digits))
        if task in won:
            headings.append("return")
            digits = return_digits([row["return"] for row in rows])
            for row in rows:
                by_agent[row["agent"]].append(_cell(row, (set(), set()), ("return", "low", "high"), digits))
    title = "Share of episodes won and return" if won.intersection(tasks) else "Return"
    caption = f"{title} of an episode ({'; '.join(units)}). {_caption(board)}"
    return _table(["Agent", *headings], list(by_agent.values()), caption)


def _cell(row: Row, marks: tuple[set[str], set[str]], names: tuple[str, str, str], digits: int) -> str:
    value, low, high = (row[name] for name in names)
    if math.isnan(value):
        return "--"
    best, tied = marks
    shown = f"${number(value, digits)}$"
    if row["agent"] in best:
        shown = rf"\textbf{{{number(value, digits)}}}".replace("{-", "{$-$")
    elif row["agent"] in tied:
        shown = rf"${number(value, digits)}^{{\approx}}$"
    if math.isnan(low):
        return shown
    return rf"{shown} {{\scriptsize ${interval(low, high, digits)}$}}"


def _name(row: Row) -> str:
    holes = sum(row[f"runs_{kind}"] for kind in ("short", "failed", "missing", "apart"))
    return escape(row["agent"]) + (r" $^{\dagger}$" if holes else "")


def _caption(board: Leaderboard) -> str:
    bootstrap = board.bootstrap
    seeds = sorted({run.seed for run in board.runs})
    episodes = sorted({run.meta["evaluation"]["episodes"] for run in board.runs})
    return (
        rf"Suite {escape(board.suite)} version {escape(board.suite_version)}, budget {escape(board.budget)}; "
        rf"{len(seeds)} seeds, {' / '.join(map(str, episodes))} evaluation episodes; in brackets "
        rf"{bootstrap.confidence * 100:g}\,\% bootstrap intervals ({bootstrap.repetitions} repetitions, seed "
        rf"{bootstrap.seed}). Bold: best; $\approx$: its interval overlaps the best one's; $\dagger$: runs "
        "that are missing, short, failed or not comparable are not counted."
    )


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]], caption: str) -> str:
    columns = "l" + "r" * (len(headings) - 1)
    body = [" & ".join(line) + r" \\" for line in lines]
    return "\n".join(
        [
            *(r"\begin{table}", r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{3pt}"),
            *(rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"),
            *(" & ".join(headings) + r" \\", r"\midrule", *body),
            *(r"\bottomrule", r"\end{tabular}", r"\end{table}"),
        ]
    )
