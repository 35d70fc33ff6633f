"""Claims held against records: the numbers of every comparison, and a verdict on every claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...analysis.claims.claim import Claim, ClaimError, ClaimsFile, Side
from ...analysis.claims.values import unknown_measure, values_of
from ...analysis.claims.verdicts import Finding, Sample, Verdict, findings, together
from ...analysis.reading import Run
from ...analysis.scores import ReferenceScores, reference_scores
from ..bootstrap import Bootstrap
from .evidence import Evidence, NotTestable, evidence

COLUMNS = [
    *("claim", "source", "text", "claim_verdict", "suite", "suite_version", "budget", "task"),
    *("better", "worse", "relation", "margin", "measure", "at"),
    *("better_mean", "worse_mean", "difference", "low", "high", "probability", "p", "p_holm", "tests"),
    *("seeds_better", "seeds_worse", "paired", "verdict", "seeds_needed", "reason"),
]
"""Of ``claims.csv``: one row a task and pair of sides of every claim."""


@dataclass(frozen=True)
class ClaimReport:
    """Claims held against the records of one budget.

    Attributes:
        file: the claims.
        budget: name of the budget.
        table: one row a comparison, columns ``COLUMNS``.
        verdicts: claim id to the verdict on it.
        runs: the records that were looked at, those of the claims' suites.
        notes: what was left out.
        references: the reference scores that were used.
        bootstrap: how intervals were made.
    """

    file: ClaimsFile
    budget: str
    table: pd.DataFrame
    verdicts: Mapping[str, Verdict]
    runs: tuple[Run, ...]
    notes: tuple[str, ...]
    references: ReferenceScores
    bootstrap: Bootstrap


@dataclass(frozen=True)
class _Comparison:
    """One comparison, before it is tested."""

    claim: Claim
    task: str
    sides: tuple[Side, Side]
    sample: Sample | None
    reason: str


def claim_reports(
    tables: Mapping[tuple[str, str, str], Sequence[Run]],
    file: ClaimsFile,
    references: ReferenceScores | None = None,
    bootstrap: Bootstrap | None = None,
) -> list[ClaimReport]:
    """Holds claims against records, one report a budget.

    Args:
        tables: suite, suite version and budget to runs, as ``read_tables`` gives them; at least one.
        file: the claims.
        references: reference scores, by default the package's own.
        bootstrap: how to make intervals.

    Raises:
        ClaimError: a claim about a setting or measure that the records do not know.
    """
    suites = {claim.suite for claim in file.claims}
    chosen = {key: runs for key, runs in tables.items() if key[0] in suites} or tables
    by_budget: dict[str, dict[tuple[str, str], Sequence[Run]]] = {}
    for (suite, version, budget), runs in chosen.items():
        by_budget.setdefault(budget, {})[suite, version] = runs
    used = references or reference_scores()
    return [
        claim_report(file, budget, by_budget[budget], used, bootstrap or Bootstrap())
        for budget in sorted(by_budget)
    ]


def claim_report(
    file: ClaimsFile,
    budget: str,
    tables: Mapping[tuple[str, str], Sequence[Run]],
    references: ReferenceScores,
    bootstrap: Bootstrap,
) -> ClaimReport:
    """Holds claims against runs of one budget.

    Args:
        file: the claims.
        budget: name of the budget.
        tables: suite and suite version to runs; of several versions the newest is used.
        references: reference scores.
        bootstrap: how to make intervals.
    """
    newest: dict[str, Evidence] = {}
    notes: list[str] = []
    for suite, version in sorted(tables, key=lambda key: (key[0], _order(key[1]))):
        if suite in newest:
            old = newest[suite]
            notes.append(
                f"records of version {old.version} of the suite {suite} are left out: there are newer"
            )
        newest[suite] = evidence(tables[suite, version])
    comparisons = [
        _comparison(file, claim, task, sides, newest.get(claim.suite), references, budget)
        for claim in file.claims
        for task in claim.tasks
        for sides in claim.pairs
    ]
    tested = [one for one in comparisons if one.sample is not None]
    numbers = iter(
        findings(
            [(one.sample, one.claim.relation, one.claim.margin) for one in tested if one.sample],
            *(bootstrap.seed, bootstrap.repetitions, bootstrap.confidence),
        )
    )
    found = [(one, None if one.sample is None else next(numbers)) for one in comparisons]
    verdicts: dict[str, Verdict] = {
        claim.id: together([_verdict(finding) for one, finding in found if one.claim is claim])
        for claim in file.claims
    }
    rows = [_row(one, finding, verdicts, newest, budget) for one, finding in found]
    return ClaimReport(
        file,
        budget,
        pd.DataFrame(rows, columns=pd.Index(COLUMNS)),
        verdicts,
        tuple(run for suite in sorted(newest) for run in newest[suite].runs),
        tuple(notes),
        references,
        bootstrap,
    )


def _comparison(
    file: ClaimsFile,
    claim: Claim,
    task: str,
    sides: tuple[Side, Side],
    records: Evidence | None,
    references: ReferenceScores,
    budget: str,
) -> _Comparison:
    if records is None:
        reason = f"no records of the suite {claim.suite} at budget {budget}"
        return _Comparison(claim, task, sides, None, reason)
    numbers: list[dict[int, float]] = []
    remarks: list[str] = []
    try:
        selected = [records.select(side, task) for side in sides]
        for side, found in zip(sides, selected, strict=True):
            if unknown_measure(side.measure, found.runs):
                unknown = unknown_measure(side.measure, records.runs)
                if unknown:
                    raise ClaimError(unknown)
            values, reason = values_of(found.runs, side.measure, claim.at, references.tasks)
            if not values:
                raise NotTestable(f"{side.agent} on {task}: {reason}")
            numbers.append(values)
            remarks += [found.remark, f"{side.label}: {reason}" if reason else ""]
    except NotTestable as why:
        return _Comparison(claim, task, sides, None, str(why))
    except ClaimError as error:
        raise ClaimError(f"{file.file}: {claim.id}: {error}") from error
    better, worse = numbers
    seeds = sorted(better.keys() & worse.keys())
    is_paired = selected[0].cell == selected[1].cell
    told = "; ".join(dict.fromkeys(filter(None, remarks)))
    if is_paired and not seeds:
        return _Comparison(claim, task, sides, None, f"{sides[0].agent} on {task}: no run has both measures")
    sample = Sample(
        *(np.array([side[seed] for seed in (seeds if is_paired else sorted(side))]) for side in numbers),
        is_paired=is_paired,
    )
    return _Comparison(claim, task, sides, sample, told)


def _verdict(finding: Finding | None) -> Verdict:
    return "not testable" if finding is None else finding.verdict


def _row(
    one: _Comparison,
    finding: Finding | None,
    verdicts: Mapping[str, Verdict],
    records: Mapping[str, Evidence],
    budget: str,
) -> dict[str, Any]:
    claim, sample = one.claim, one.sample
    suite = records.get(claim.suite)
    better, worse = one.sides
    row: dict[str, Any] = {
        **{"claim": claim.id, "source": claim.source, "text": claim.text},
        **{"claim_verdict": verdicts[claim.id], "suite": claim.suite},
        **{"suite_version": suite.version if suite else "", "budget": budget, "task": one.task},
        **{"better": better.label, "worse": worse.label, "relation": claim.relation},
        **{"margin": claim.margin, "measure": better.measure, "at": claim.at},
        **{"seeds_better": 0, "seeds_worse": 0, "verdict": _verdict(finding), "reason": one.reason},
    }
    if sample is None or finding is None:
        return row
    gap = finding.difference
    needed = finding.seeds_needed
    return row | {
        **{"better_mean": float(sample.better.mean()), "worse_mean": float(sample.worse.mean())},
        **{"difference": gap.point, "low": gap.low, "high": gap.high},
        **{"probability": finding.probability, "p": finding.p, "p_holm": finding.p_holm},
        **{"tests": finding.tests, "seeds_better": len(sample.better), "seeds_worse": len(sample.worse)},
        **{"paired": sample.is_paired, "seeds_needed": needed},
    }


def _order(version: str) -> tuple[int, str]:
    return (int(version), version) if version.isdecimal() else (-1, version)
