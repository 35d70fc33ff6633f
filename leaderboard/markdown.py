"""A leaderboard as a Markdown page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ..analysis.statistics import AGGREGATES
from ..analysis.words import one_line
from .board import Leaderboard
from .footer import footer
from .leading import Lead, is_won, lead_of, lead_words, scale_words
from .outcomes import OUTCOMES
from .text import Row, best_and_tied, interval, number, return_digits, rows_of
from .verdicts import comparable, ranking, sentence, told_pairs

SCORE_DIGITS = 2
FOOTER_HEADING = "## How this was made"

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
    first, *others = ranking(board)
    scores = scale_words(board, "0 is the random policy, 1 the task's scripted reference policy; not clipped")
    parts = [
        f"# {words(board.suite)}, budget `{escaped(board.budget).replace('`', '')}`",
        f"Scores: {scores}. In brackets: "
        f"{level} bootstrap intervals. **Bold**: the best agent that learns; ≈: its interval overlaps the "
        "best one's; †: runs are missing, short, failed or not comparable, see below.",
        "## Overall",
        _overall(board),
        " ".join([escaped(first), *map(words, others)]),
        "## Pairs",
        _pairs(board),
        "## Tasks",
        *[_task(board, task) for task in sorted(set(board.tasks["task"]))],
        "## Runs that do not count",
        _holes(board),
        FOOTER_HEADING,
        _footer(board, command),
    ]
    return "\n\n".join(parts) + "\n"


def _overall(board: Leaderboard) -> str:
    rows = rows_of(board.agents)
    marks = {
        name: best_and_tied(comparable(board), name, f"{name}_low", f"{name}_high", SCORE_DIGITS)
        for name in AGGREGATES
    }
    lines: list[list[str]] = []
    for row in rows:
        cells = [
            _marked(row, marks[name], number(row[name], SCORE_DIGITS))
            + " "
            + interval(row[f"{name}_low"], row[f"{name}_high"], SCORE_DIGITS)
            for name in AGGREGATES
        ]
        runs = sum(row[f"runs_{outcome}"] for outcome in OUTCOMES)
        rank = (
            ""
            if math.isnan(row["rank"])
            else f"{row['rank']:.0f} [{row['rank_low']:.0f}, {row['rank_high']:.0f}]"
        )
        first = "" if math.isnan(row["first"]) else f"{row['first']:.0%}"
        area = (
            f"{number(row['area'], SCORE_DIGITS)} {interval(row['area_low'], row['area_high'], SCORE_DIGITS)}"
        )
        done = f"{row['runs_done']} of {runs}"
        lines.append([_name(row), rank, first, *cells, area, str(row["tasks"]), str(row["seeds"]), done])
    titles = [_TITLES[name] for name in AGGREGATES]
    ends = ["Area (IQM over training)", "Tasks", "Seeds", "Runs done"]
    return markdown_table(["Agent", "Rank", "First", *titles, *ends], lines)


def _task(board: Leaderboard, task: str) -> str:
    rows = [row for row in rows_of(board.tasks) if row["task"] == task]
    first = rows[0]
    lead = lead_of(first)
    rows.sort(key=lambda row: -math.inf if math.isnan(row[lead.value]) else row[lead.value], reverse=True)
    digits = return_digits([row[lead.value] for row in rows] + [first[lead.random], first[lead.reference]])
    marks = best_and_tied(rows, *lead.columns, digits)
    # a win rate is its own score; the return stands in its place
    beside = ("return", "low", "high") if is_won(first) else ("score", "score_low", "score_high")
    beside_digits = return_digits([row["return"] for row in rows]) if is_won(first) else SCORE_DIGITS
    lines = [
        [
            _name(row),
            _leading(row, lead, marks, digits),
            _estimate(row, beside, beside_digits),
            str(row["seeds"]),
            f"{row['steps']:,.0f}" if row["settings_hash"] else "",
            words(row["status"]),
        ]
        for row in rows
    ]
    fixed = f"random {number(first[lead.random], digits)}, reference {number(first[lead.reference], digits)}"
    if math.isnan(first[lead.random]):
        fixed = "random and scripted play not measured" if is_won(first) else "no reference scores"
    about = f"Return of an episode: {words(first['return_unit'])}; {fixed}."
    if is_won(first):
        about = f"Win rate: share of episodes won; {fixed}. Return of an episode: {first['return_unit']}."
    headings = [lead.title, "Return" if is_won(first) else "Score"]
    table = markdown_table(["Agent", *headings, "Seeds", "Steps a seed", "Runs"], lines)
    return f"### {words(task)}\n\n{about}\n\n{table}"


def _leading(row: Row, lead: Lead, marks: tuple[set[str], set[str]], digits: int) -> str:
    if math.isnan(row[lead.value]) and not math.isnan(row[lead.short]):
        return f"({number(row[lead.short], digits)} so far, short)"
    return (
        _marked(row, marks, number(row[lead.value], digits))
        + " "
        + interval(row[lead.low], row[lead.high], digits)
    )


def _estimate(row: Row, columns: tuple[str, str, str], digits: int) -> str:
    value, low, high = columns
    return f"{number(row[value], digits)} {interval(row[low], row[high], digits)}"


def _marked(row: Row, marks: tuple[set[str], set[str]], text: str) -> str:
    best, tied = marks
    return f"**{text}**" if row["agent"] in best else f"{text} ≈" if row["agent"] in tied else text


def _name(row: Row) -> str:
    holes = sum(row[f"runs_{outcome}"] for outcome in OUTCOMES if outcome != "done")
    return words(row["agent"]) + (" †" if holes else "")


def _holes(board: Leaderboard) -> str:
    if not board.holes:
        return "None: every run of the table is complete."
    lines: list[list[str]] = []
    absent: dict[tuple[str, str], list[str]] = {}
    for hole in board.holes:
        if hole.outcome == "missing":
            absent.setdefault((hole.task, hole.agent), []).append(str(hole.seed))
            continue
        shown = "" if math.isnan(hole.value) else number(hole.value, return_digits([hole.value]))
        step = f"{hole.step:,}"
        lines.append(
            [
                *map(words, (hole.task, hole.agent)),
                str(hole.seed),
                hole.outcome,
                step,
                shown,
                words(hole.reason),
            ]
        )
    for (task, agent), seeds in absent.items():
        lines.append(
            [words(task), words(agent), ", ".join(seeds), "missing", "", "", "no record of such a run"]
        )
    there = f"{lead_words(board)} there"
    headings = ["Task", "Agent", "Seed", "Outcome", "Last evaluated at step", there, "Reason"]
    note = (
        "These runs are in no number above: the numbers of an agent with holes are those of the runs it has."
    )
    return f"{note}\n\n{markdown_table(headings, lines)}"


def _footer(board: Leaderboard, command: str) -> str:
    return "\n".join(f"- {name}: {escaped(text)}" for name, text in footer(board, command).items())


def _pairs(board: Leaderboard) -> str:
    rows, count = told_pairs(board)
    if not count:
        return "There are no two agents that learn."
    lines = [f"- {words(sentence(row))}" for row in rows]
    if len(rows) < count:
        lines.append(f"- Told are neighbours in the table; all {count:,} pairs are in pairs.csv.")
    about = (
        "P(better): how often a run of the first does better than one of the second on the same task. p: "
        "Holm's correction over all pairs."
    )
    return about + "\n\n" + "\n".join(lines)


def markdown_table(
    headings: Sequence[str], lines: Sequence[Sequence[str]], left: Sequence[str] = ("Runs", "Reason", "Agent")
) -> str:
    """A Markdown table; the first column and ``left`` are aligned left, the others, numbers, right."""
    rule = ["---", *["---" if heading in left else "---:" for heading in headings[1:]]]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in [headings, rule, *lines])


def _cell(text: str) -> str:
    """Markdown that cannot break a table."""
    return _without_links(text).replace("|", "\\|")


def words(text: str) -> str:
    """Somebody's text as Markdown that reads as it stands: no emphasis, code, formula, heading or link."""
    plain = re.sub(r"[\\`*~$]|(?<![^\W_])_|_(?![^\W_])|^[#>+=-]", r"\\\g<0>", one_line(text))
    return _without_links(plain)


def escaped(text: str) -> str:
    """Our own Markdown with words of others in it, on one line that cannot become HTML or a link."""
    return _without_links(one_line(text))


def _without_links(text: str) -> str:
    """The same where it is done already."""
    plain = re.sub(r"&(?!amp;|lt;)", "&amp;", text).replace("<", "&lt;")
    return re.sub(r"(?<=\])(?=[(\[:])|(?<=:)(?=//)|(?<=\bwww)(?=\.)", r"\\", plain)
