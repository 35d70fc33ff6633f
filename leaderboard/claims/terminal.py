"""Claims on the terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from ...analysis.claims.claim import Claim, ClaimsFile
from ...analysis.claims.verdicts import counted
from ..text import Row
from .text import (
    NOT_TESTABLE,
    USUAL,
    comparison,
    difference_text,
    digits_of,
    measured,
    p_shown,
    reasons,
    remarks,
    rows_by_claim,
    seeds_shown,
    share,
)
from .verdicts import ClaimReport

_COLOURS = {"supported": "green", "contradicted": "red", "undecided": "yellow", NOT_TESTABLE: "bright_black"}


def claims_on_terminal(report: ClaimReport) -> Group:
    """Every claim with its verdict and comparisons; at the end those that cannot be tested, by reason.

    Returns:
        Something for ``rich.console.Console.print``.
    """
    found = rows_by_claim(report)
    title = f"{report.file.title}, budget {report.budget}"
    parts: list[RenderableType] = [f"[bold]{escape(title)}[/]", counted(report.verdicts), ""]
    untested: dict[tuple[str, ...], list[str]] = {}
    for claim in report.file.claims:
        if report.verdicts[claim.id] == NOT_TESTABLE:
            untested.setdefault(tuple(reasons(found[claim.id])), []).append(claim.id)
            continue
        parts += [*_claim(claim, report.verdicts[claim.id], found[claim.id]), ""]
    if untested:
        parts.append(_coloured(NOT_TESTABLE))
        for why, names in untested.items():
            parts.append(
                Padding(f"[bold]{escape(', '.join(names))}[/]: {escape('; '.join(why))}", (0, 0, 0, 2))
            )
        parts.append("")
    parts.append(escape(_caption(report)))
    return Group(*parts)


def _claim(claim: Claim, verdict: str, rows: Sequence[Row]) -> list[RenderableType]:
    """The claim in words, and below it its comparisons task by task."""
    source = f" ({claim.source})" if claim.source else ""
    mixed = f": {share(rows)}" if len({row["verdict"] for row in rows}) > 1 else ""
    parts: list[RenderableType] = [
        f"{_coloured(verdict)}  [bold]{escape(claim.id)}[/]{escape(source)}{mixed}",
        *[Padding(escape(text), (0, 0, 0, 2)) for text in (claim.text, claim.note) if text],
    ]
    tested = [row for row in rows if row["verdict"] != NOT_TESTABLE]
    width = max(len(comparison(row)) for row in tested)
    digits = digits_of(tested)
    for task in dict.fromkeys(row["task"] for row in tested):
        of_task = [row for row in tested if row["task"] == task]
        by = f", {measured(of_task)}" if (of_task[0]["measure"], of_task[0]["at"]) != USUAL else ""
        parts.append(Padding(f"[italic]{escape(task)}[/]{escape(by)}", (0, 0, 0, 2)))
        parts.append(_comparisons(of_task, width, digits))
    for what, told in (("not testable", reasons(rows)), ("runs missing", remarks(rows))):
        if told:
            parts.append(Padding(f"[dim]{what}: {escape('; '.join(told))}[/]", (0, 0, 0, 2)))
    return parts


def _comparisons(rows: Sequence[Row], width: int, digits: int) -> Padding:
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(no_wrap=True, min_width=12)
    table.add_column(overflow="fold", min_width=min(width, 24))
    table.add_column(justify="right", no_wrap=True, min_width=17)
    table.add_column(no_wrap=True, min_width=7)
    table.add_column(no_wrap=True)
    for row in rows:
        cells = (comparison(row), difference_text(row, digits), f"p {p_shown(row)}", seeds_shown(row))
        table.add_row(_coloured(row["verdict"]), *map(escape, cells))
    return Padding(table, (0, 0, 0, 2))


def _coloured(verdict: str) -> str:
    return f"[{_COLOURS[verdict]}]{verdict}[/]"


def _caption(report: ClaimReport) -> str:
    bootstrap = report.bootstrap
    return (
        "Difference of means (of the score, at the end of training, unless another measure is named) "
        f"[{bootstrap.confidence:.0%} bootstrap over seeds, {bootstrap.repetitions:,} repetitions, seed "
        f"{bootstrap.seed}]; p: exact tests, Holm's correction (none for =); seeds of either side, (~n): so "
        f"many each would settle it. A verdict speaks of the budget {report.budget} alone."
    )


def claims_listed(file: ClaimsFile) -> Group:
    """The claims themselves, without any records."""
    parts: list[RenderableType] = [f"[bold]{escape(file.title)}[/]"]
    parts += [escape(text) for text in (file.source, file.note) if text]
    for claim in file.claims:
        source = f" ({claim.source})" if claim.source else ""
        parts += ["", f"[bold]{escape(claim.id)}[/]{escape(source)}"]
        parts += [Padding(escape(text), (0, 0, 0, 2)) for text in (claim.text, claim.note) if text]
        where = f"suite {claim.suite}: {', '.join(claim.tasks)}"
        parts.append(Padding(f"[dim]{escape(where)}[/]", (0, 0, 0, 2)))
        sign = {"better": ">", "equal": "="}[claim.relation]
        said = ", ".join(f"{one.label} {sign} {other.label}" for one, other in claim.pairs)
        parts.append(Padding(f"[dim]{escape(said)}[/]", (0, 0, 0, 2)))
    return Group(*parts)
