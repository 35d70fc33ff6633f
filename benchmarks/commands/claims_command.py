"""`bench claims`: what a paper says, held against records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ... import agents
from ..suites.suite_file import read_suite, suite_names

if TYPE_CHECKING:
    from ...analysis.claims.claim import ClaimsFile

_PATH = click.Path(path_type=Path)


@click.command("claims")
@click.option("--results", type=_PATH, default="results", show_default=True, help="Folder of the records.")
@click.option(
    "--file",
    "name",
    metavar="NAME",
    default="vm3ac_2023",
    show_default=True,
    help="Claims of the package, or a .toml file.",
)
@click.option("--budget", metavar="NAME", help="Only this budget.")
@click.option("--out", type=_PATH, help="Write claims.csv and CLAIMS.md into this folder.")
@click.option("--repetitions", type=click.IntRange(1), default=50_000, show_default=True, help="Resamples.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of resamples.")
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Level of intervals and tests.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if the files in --out differ.")
@click.option("--list", "only_list", is_flag=True, help="Show the claims themselves; reads no records.")
def claims(name: str, out: Path | None, check: bool, only_list: bool, **options: Any) -> None:
    """Hold claims against records: supported, contradicted, undecided or not testable.

    Example: bench claims --results results --budget quick --out tables
    """
    from rich.console import Console

    from ...analysis.claims.file import read_claims
    from ...analysis.reading import read_tables
    from ...leaderboard.bootstrap import Bootstrap
    from ...leaderboard.claims.markdown import claims_differences, write_claims
    from ...leaderboard.claims.terminal import claims_listed, claims_on_terminal
    from ...leaderboard.claims.verdicts import claim_reports

    if check and out is None:
        raise click.UsageError("--check needs --out, the folder that is checked.")
    file = read_claims(name)
    console = Console()
    if only_list:
        shipped = tuple(claim for claim in file.claims if claim.suite in suite_names())
        _check(replace(file, claims=shipped), ())
        console.print(claims_listed(file))
        return
    tables = read_tables(options["results"], None, options["budget"])
    _check(file, ((suite, run.task_id, run.agent_id) for (suite, *_), runs in tables.items() for run in runs))
    bootstrap = Bootstrap(options["seed"], options["repetitions"], options["confidence"])
    reports = claim_reports(tables, file, bootstrap=bootstrap)
    if check and out is not None:
        found = claims_differences(reports, out)
        for line in found:
            click.echo(line, err=True)
        click.echo(f"{out} {'disagrees' if found else 'agrees'} with the records in {options['results']}")
        raise SystemExit(1 if found else 0)
    for report in reports:
        console.print(claims_on_terminal(report))
    if out is not None:
        for path in write_claims(reports, out, _command_line(name, out, options)):
            click.echo(path)


def _check(file: ClaimsFile, recorded: Iterable[tuple[str, str, str]]) -> None:
    """Refuses suites, tasks and agents that neither the package nor the records know.

    Args:
        file: the claims.
        recorded: suite, task and agent of the runs there are.
    """
    from ...analysis.claims.claim import check_names

    tasks: dict[str, set[str]] = defaultdict(set)
    names: dict[str, set[str]] = defaultdict(lambda: set(agents.names()))
    for name in suite_names():
        suite = read_suite(name)
        tasks[name] |= {task.id for task in suite.tasks}
        names[name] |= set(suite.agents)
    for suite_name, task, agent in recorded:
        tasks[suite_name].add(task)
        names[suite_name].add(agent)
    check_names(file, tasks, names)


def _command_line(name: str, out: Path, options: dict[str, Any]) -> str:
    """The command that makes the same files: results, out, and what is not the default."""
    given = {**options, "name": name}
    defaults = {parameter.name: parameter.default for parameter in claims.params}
    parts = [f"bench claims --results {options['results']} --out {out}"]
    for key in ("name", "budget", "repetitions", "seed", "confidence"):
        if given[key] is not None and given[key] != defaults[key]:
            parts.append(f"--{'file' if key == 'name' else key} {given[key]}")
    return " ".join(parts)
