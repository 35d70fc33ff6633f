"""Claims as files: a page in Markdown, and the numbers as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...analysis.claims.verdicts import counted
from ...analysis.files import write_atomically
from ...analysis.schema import RecordError
from ..check import csv_differences, page_differences
from ..markdown import FOOTER_HEADING, escaped, markdown_table, words
from ..tables import csv_text
from ..text import Row, number
from .text import (
    NOT_TESTABLE,
    RULE,
    claims_footer,
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

PAGE, NUMBERS = "CLAIMS.md", "claims.csv"


def write_claims(reports: Sequence[ClaimReport], out: str | Path, command: str) -> list[Path]:
    """Writes ``CLAIMS.md`` and ``claims.csv``, into a folder of each budget if there are several.

    Args:
        reports: one a budget.
        out: folder.
        command: printed at the foot of the page.

    Returns:
        The files written.

    Raises:
        RecordError: a file cannot be written.
    """
    paths: list[Path] = []
    for report, folder in zip(reports, _folders(reports, Path(out)), strict=True):
        for name, text in ((PAGE, claims_markdown(report, command)), (NUMBERS, csv_text(report.table))):
            try:
                write_atomically(folder / name, text)
            except OSError as error:
                raise RecordError(
                    f"cannot write {folder / name}: {error.strerror or error}; choose another --out folder"
                ) from error
            paths.append(folder / name)
    return paths


def claims_differences(reports: Sequence[ClaimReport], out: str | Path) -> list[str]:
    """Where published files and records disagree: one line a file, none where they agree.

    Raises:
        RecordError: a published file cannot be read.
    """
    found: list[str] = []
    for report, folder in zip(reports, _folders(reports, Path(out)), strict=True):
        found += csv_differences(csv_text(report.table), folder / NUMBERS)
        found += page_differences(claims_markdown(report, ""), folder / PAGE)
    return found


def _folders(reports: Sequence[ClaimReport], out: Path) -> list[Path]:
    """One folder a budget where there are several."""
    return [out if len(reports) == 1 else out / report.budget for report in reports]


def claims_markdown(report: ClaimReport, command: str) -> str:
    """The page: every claim with its verdict, every comparison, what cannot be tested, how it was made.

    Args:
        report: the numbers.
        command: the command line that made the page, printed at its end.

    Returns:
        Markdown text that ends with a newline.
    """
    found = rows_by_claim(report)
    parts = [
        f"# {words(report.file.title)}, budget `{escaped(report.budget).replace('`', '')}`",
        *[words(text) for text in (report.file.source, report.file.note) if text],
        f"{counted(report.verdicts)}.",
        RULE,
        "## Claims",
        _claims(report, found),
        "## Comparisons",
        "Difference: of the means, with its bootstrap interval. p: Holm's correction over all comparisons, "
        "none for =. Seeds: of either side; in brackets how many each would settle it.",
        *[_comparisons(rows) for rows in found.values() if any(map(_is_tested, rows))],
        "## Not testable, or with runs missing",
        _holes(found),
        FOOTER_HEADING,
        "\n".join(f"- {name}: {escaped(text)}" for name, text in claims_footer(report, command).items()),
    ]
    return "\n\n".join(parts) + "\n"


def _claims(report: ClaimReport, found: dict[str, list[Row]]) -> str:
    lines = [
        [
            words(claim.id),
            words(f"{claim.text} ({claim.note})" if claim.note else claim.text),
            words(claim.source),
            f"**{report.verdicts[claim.id]}**",
            share(found[claim.id]),
        ]
        for claim in report.file.claims
    ]
    headings = ["Claim", "Says", "Source", "Verdict", "Comparisons"]
    return markdown_table(headings, lines, left=headings)


def _comparisons(rows: Sequence[Row]) -> str:
    digits = digits_of(rows)
    lines = [
        [
            words(row["task"]),
            words(comparison(row)),
            f"{number(row['better_mean'], digits)} : {number(row['worse_mean'], digits)}",
            difference_text(row, digits),
            p_shown(row),
            seeds_shown(row),
            row["verdict"],
        ]
        for row in rows
        if _is_tested(row)
    ]
    headings = ["Task", "Comparison", "Means", "Difference", "p", "Seeds", "Verdict"]
    table = markdown_table(headings, lines, left=("Comparison", "Verdict"))
    about = f"{words(rows[0]['text'])} Compared: {words(measured(rows))}."
    return f"### {words(rows[0]['claim'])}\n\n{about}\n\n{table}"


def _holes(found: dict[str, list[Row]]) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, rows in found.items():
        for reason in [*reasons(rows), *remarks(rows)]:
            by_reason.setdefault(reason, []).append(name)
    lines = [f"- {words(why)}: {words(', '.join(names))}" for why, names in by_reason.items()]
    return "\n".join(lines) or "Everything could be tested, and no run is missing."


def _is_tested(row: Row) -> bool:
    return row["verdict"] != NOT_TESTABLE
