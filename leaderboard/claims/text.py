"""Claims in words and short numbers, the same in Markdown and on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...analysis.claims.verdicts import VERDICTS
from ...analysis.rank_tests import MOST_SEEDS
from ..footer import evaluation_of, field_values, made_with, provenance, steps_of
from ..text import Row, interval, number, return_digits, rows_of
from ..verdicts import p_text
from .verdicts import ClaimReport

NOT_TESTABLE = "not testable"
USUAL = ("score", "final")
"""What is compared where a claim says nothing else."""

RULE = (
    "Supported: the test finds the first better by more than the margin, and the interval lies above it. "
    "Contradicted: the opposite. Undecided: neither. Not testable: runs are missing. A claim is contradicted "
    "as soon as one of its comparisons is, and supported if all are."
)


def rows_by_claim(report: ClaimReport) -> dict[str, list[Row]]:
    """Claim id to its comparisons, in the file's order."""
    found: dict[str, list[Row]] = {claim.id: [] for claim in report.file.claims}
    for row in rows_of(report.table):
        found[row["claim"]].append(row)
    return found


def comparison(row: Row) -> str:
    """``vm3ac > ma_ac``, ``vm3ac > ma_ac + 0.1`` or ``vm3ac = vm3ac (score_shared_seed) ± 0.05``."""
    margin = f"{row['margin']:g}"
    if row["relation"] == "equal":
        return f"{row['better']} = {row['worse']} ± {margin}"
    return f"{row['better']} > {row['worse']}" + (f" + {margin}" if row["margin"] else "")


def difference_text(row: Row, digits: int) -> str:
    """``0.34 [0.29, 0.39]``."""
    return f"{number(row['difference'], digits)} {interval(row['low'], row['high'], digits)}"


def digits_of(rows: Sequence[Row]) -> int:
    """Decimals for the differences of a claim: three where all are small."""
    sizes = [abs(row["difference"]) for row in rows if not math.isnan(row["difference"])]
    return 3 if max(sizes, default=1.0) < 0.1 else return_digits(sizes)


def p_shown(row: Row) -> str:
    """The corrected p-value; for a claim of equality, which is not corrected, the p-value itself."""
    return p_text(row["p"] if math.isnan(row["p_holm"]) else row["p_holm"])


def seeds_shown(row: Row) -> str:
    """``7:7``, ``7`` for two measures of the same runs, and how many would settle it: ``7:7 (~25)``."""
    count = (
        f"{row['seeds_better']}" if row["paired"] is True else f"{row['seeds_better']}:{row['seeds_worse']}"
    )
    needed = row["seeds_needed"]
    if math.isnan(needed):
        return count
    return f"{count} (>{MOST_SEEDS})" if math.isinf(needed) else f"{count} (~{needed:.0f})"


def reasons(rows: Sequence[Row]) -> list[str]:
    """Why comparisons could not be made; each reason once."""
    return list(dict.fromkeys(row["reason"] for row in rows if row["verdict"] == NOT_TESTABLE))


def remarks(rows: Sequence[Row]) -> list[str]:
    """What became of runs that are missing from comparisons that were made; each once."""
    told = (row["reason"] for row in rows if row["verdict"] != NOT_TESTABLE and row["reason"])
    return list(dict.fromkeys(told))


def share(rows: Sequence[Row]) -> str:
    """``2 supported, 2 not testable``: what the comparisons of a claim say."""
    said = [row["verdict"] for row in rows]
    return ", ".join(f"{said.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in said)


def measured(rows: Sequence[Row]) -> str:
    """What is compared, and when it is taken."""
    when = {
        "final": "mean of the last evaluations",
        "last": "at the last evaluation",
        "early": "at the first measurement after learning began",
        "area": "mean over training",
    }
    return f"{rows[0]['measure']}, {when[rows[0]['at']]}"


def claims_footer(report: ClaimReport, command: str) -> dict[str, str]:
    """How the numbers were made, by heading: seeds, budget, evaluation, bootstrap, versions, command."""
    runs, bootstrap = report.runs, report.bootstrap
    suites = sorted({(run.suite, str(run.meta["suite_version"])) for run in runs})
    tested = sorted({int(row["tests"]) for row in rows_of(report.table) if row["tests"] > 0})
    evaluations = [run.meta["evaluation"] for run in runs]
    made = {
        "Claims": f"{report.file.title}: {report.file.source}" if report.file.source else report.file.title,
        "Suites": ", ".join(f"{suite}, version {version}" for suite, version in suites),
        "Budget": f"{report.budget}, {steps_of(runs)} environment steps; verdicts speak of this budget alone",
        "Seeds": ", ".join(map(str, sorted({run.seed for run in runs}))),
        "Evaluation": f"{evaluation_of(runs)}; at the end: the last "
        f"{field_values(evaluations, 'score_last')} evaluations",
        "Score": "(return - random) / (reference - random), reference scores version "
        f"{report.references.version}; the win rate where a task is scored by it",
        "Intervals": f"percentile bootstrap of the difference of means over seeds, {bootstrap.repetitions:,} "
        f"repetitions, level {bootstrap.confidence:g}, seed {bootstrap.seed}",
        "Tests": "exact, two-sided Mann-Whitney tests, sign tests for two measures of the same runs; Holm's "
        f"correction over {' / '.join(map(str, tested)) or 'no'} tests, none for claims of equality; "
        f"level {1 - bootstrap.confidence:.2g}",
        "Verdicts": RULE,
        "Left out": "; ".join(report.notes),
        "Runs made with": provenance(runs),
        "Tables made with": made_with(),
        "Command": f"`{command}`",
    }
    return {name: text for name, text in made.items() if text}
