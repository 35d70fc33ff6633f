"""Checking a submission: records of a stranger's agent and a manifest, in one folder.

Files are read as data by parsers of the standard library, within bounds; nothing is unpickled, imported or
run, nothing is written, and no name from a file becomes a path. Every rule of `submission_report.RULES` is
reported; what cannot be checked because something before it is wrong is said to be open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...analysis.reading import Run
from ...analysis.scores import ReferenceScores, reference_scores
from .copies import check_copies
from .files import MANIFEST, survey
from .manifest import read_manifest
from .records import read_submitted
from .report import Report
from .rules import SuiteRules, check_agent, check_evaluations, check_protocol, check_returns, check_seeds


def check_submission(
    folder: Path,
    rules_of: Callable[[str, str], SuiteRules],
    published_of: Callable[[SuiteRules], Sequence[Run]] = lambda _: (),
    references: ReferenceScores | None = None,
) -> Report:
    """What is wrong with a submission, and what a maintainer should look at.

    Args:
        folder: the submission.
        rules_of: what the suite and budget of these names demand; ValueError if there are none.
        published_of: the published runs of this suite, version and budget.
        references: reference scores, by default the package's own.

    Raises:
        ValueError: there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; unpack the submission, and name the folder of {MANIFEST}")
    report = Report()
    files = survey(folder, report)
    manifest = read_manifest(folder, files, report)
    runs = read_submitted(folder, files, report)
    if not {"suite", "suite_version", "budget"} <= manifest.keys():
        return report
    try:
        rules = rules_of(manifest["suite"], manifest["budget"])
    except ValueError as error:
        report.error("manifest", MANIFEST, str(error))
        return report
    if manifest["suite_version"] != rules.version:
        text = f"suite_version is {manifest['suite_version']}, {rules.suite} has version {rules.version} here"
        report.error("manifest", MANIFEST, f"{text}; run it again with this version")
    if runs:
        published = published_of(rules)
        check_agent(runs, manifest.get("agent"), rules, published, report)
        check_seeds(runs, rules, report)
        comparable = check_protocol(runs, rules, references or reference_scores(), report)
        if comparable:
            check_evaluations(comparable, report)
            check_returns(comparable, references or reference_scores(), report)
        check_copies(runs, published, report)
    return report
