"""`bench submit-check`: what is wrong with a folder of records that somebody submits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import SuiteError, unknown
from ..suites.suite_file import read_suite, suite_names

if TYPE_CHECKING:
    from ...analysis.reading import Run
    from ...leaderboard.submissions.rules import SuiteRules

_PATH = click.Path(path_type=Path)
_PUBLISHED = Path(__file__).parents[2] / "leaderboard" / "published" / "records"


@click.command("submit-check")
@click.argument("folder", type=_PATH, metavar="DIR")
@click.option("--suite", "file", metavar="FILE", help="The suite if it does not ship: your .toml file.")
@click.option("--published", type=_PATH, help="Published records.  [default: those of the checkout]")
def submit_check(folder: Path, file: str | None, published: Path | None) -> None:
    """Check a submission: records and a manifest, in a folder of somebody else's.

    Tells every rule and what breaks it; exit status 1 if the submission is refused. Nothing in the folder is
    run, unpickled or followed, and nothing is written.

    Example: bench submit-check their_submission
    """
    from ...leaderboard.submissions.check import check_submission

    place = published or _PUBLISHED
    if published is not None and not published.is_dir():
        raise SuiteError(f"there is no folder {published}; name one of published records")
    report = check_submission(
        folder,
        lambda suite, budget: suite_rules(suite, budget, file),
        lambda rules: _published(place, rules),
    )
    for line in report.lines():
        click.echo(line)
    sys.exit(0 if report.is_accepted else 1)


def suite_rules(name: str, budget: str, file: str | None = None) -> SuiteRules:
    """What a suite and budget demand of records.

    Args:
        name: of the suite, from a stranger: it is looked up and never becomes a path.
        budget: name of the budget.
        file: TOML file of the suite; None for those that ship.

    Raises:
        SuiteError: there is no such suite or budget.
    """
    from ... import envs
    from ...agents.registry import own_names
    from ...leaderboard.submissions.rules import SuiteRules
    from ..training.recording import run_record

    if file is None and name not in suite_names():
        raise SuiteError(unknown("suite", name, suite_names()))
    suite = read_suite(name if file is None else file)
    if suite.name != name:
        raise SuiteError(f"the suite is {name!r}, that of {file} is {suite.name!r}; choose another --suite")
    tasks = {}
    for cell in suite.cells(budget):
        if cell.task not in tasks:
            content = run_record(cell, 0, envs.spec(cell.task, cell.task_settings))
            tasks[cell.task] = {name: content[name] for name in ("task", "steps", "num_envs", "evaluation")}
    return SuiteRules(suite.name, suite.version, budget, suite.seeds, tasks, tuple(own_names()))


def _published(folder: Path, rules: SuiteRules) -> list[Run]:
    """The published runs of the same suite, version and budget."""
    from ...analysis.reading import read_runs

    if not (folder / rules.suite).is_dir():
        return []
    return [
        run
        for run in read_runs(folder, rules.suite)
        if (run.meta["suite_version"], run.budget) == (rules.version, rules.budget)
    ]
