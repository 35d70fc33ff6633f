"""`bench export` and `bench import`: results in and out, in the formats of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..choices import parse_names
from ..errors import SuiteError, unknown

if TYPE_CHECKING:
    from ...analysis.records import Run

_PATH = click.Path(path_type=Path)
_FORMATS = ("marl-eval", "csv", "parquet", "submission")
_results = click.option(
    "--results", type=_PATH, default="results", show_default=True, help="Folder of the records."
)


@click.command("export")
@_results
@click.option("--format", "kind", type=click.Choice(_FORMATS), required=True)
@click.option("--out", type=_PATH, required=True, help="The file; of a submission, the folder.")
@click.option("--suite", metavar="NAME", help="Only this suite.")
@click.option("--budget", metavar="NAME", help="Only this budget.")
@click.option("--tasks", metavar="X,Y", help="Only these.")
@click.option("--agents", metavar="A,B", help="Only these.")
def export(
    results: Path,
    kind: str,
    out: Path,
    suite: str | None,
    budget: str | None,
    tasks: str | None,
    agents: str | None,
) -> None:
    """Write all results into one file that other tools read, or an agent's into a folder to submit.

    Example: bench export --budget quick --format marl-eval --out quick.json
    """
    from ...analysis.exchange.long_table import long_table, to_csv, to_parquet
    from ...analysis.exchange.marl_eval import marl_eval
    from ...analysis.files import write_atomically
    from ...analysis.reading import read_tables
    from ...analysis.schema import RecordError, to_json

    tables = read_tables(results, suite, budget)
    everything = [run for runs in tables.values() for run in runs]
    chosen = set(_chosen(everything, "task", tasks, lambda run: run.task_id))
    named = set(_chosen(everything, "agent", agents, lambda run: run.agent_id))
    tables = {
        key: kept
        for key, runs in tables.items()
        if (kept := [run for run in runs if run.task_id in chosen and run.agent_id in named])
    }
    runs = [run for group in tables.values() for run in group]
    if not runs:
        raise SuiteError("no run has both these tasks and these agents")
    if kind == "submission":
        from ...leaderboard.submissions.pack import pack

        count, notes = pack(runs, out)
        for note in notes:
            click.echo(note, err=True)
        click.echo(f"{out}: {count} runs; fill in its submission.toml, then `bench submit-check {out}`")
        return
    if kind == "marl-eval":
        found = marl_eval(tables)
        content: str | bytes = to_json(found.content, indent=1) + "\n"
        for note in found.notes:
            click.echo(note, err=True)
    else:
        content = (to_csv if kind == "csv" else to_parquet)(long_table(runs))
    try:
        write_atomically(out, content)
    except OSError as error:
        raise RecordError(f"cannot write {out}: {error.strerror or error}; choose another --out") from error
    click.echo(out)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=_PATH, metavar="FILE...")
@_results
@click.option("--suite", metavar="NAME", required=True, help="Where they go; with --budget, whose table.")
@click.option("--budget", metavar="NAME", help="Join this budget's table: the protocol must be the suite's.")
@click.option("--metric", metavar="NAME", help="Which metric is the return.  [default: return and the like]")
@click.option("--return-unit", metavar="TEXT", help='E.g. "mean over members".')
@click.option("--mode", metavar="NAME", default="unknown", show_default=True, help="How evaluations act.")
@click.option(
    "--score-last", type=click.IntRange(1), default=1, show_default=True, help="Evaluations a score."
)
@click.option("--task", "tasks", metavar="OLD=NEW", multiple=True, help="Rename; OLD may be ENV/TASK.")
@click.option("--agent", "agents", metavar="OLD=NEW", multiple=True, help="Rename.")
def import_runs(
    files: tuple[Path, ...],
    results: Path,
    suite: str,
    budget: str | None,
    metric: str | None,
    return_unit: str | None,
    mode: str,
    score_last: int,
    tasks: tuple[str, ...],
    agents: tuple[str, ...],
) -> None:
    """Take in runs of others from the JSON of marl-eval; tables mark them as external.

    Without --budget they get tables of their own.

    Example: bench import mava.json --suite mava --return-unit "mean over members"
    """
    from .external import Choice, import_files

    choice = Choice(
        *(suite, budget, metric, return_unit, mode, score_last),
        *(_renames("--task", tasks), _renames("--agent", agents)),
    )
    n_new, n_known = import_files(files, results, choice)
    known = f", {n_known} were there already" if n_known else ""
    click.echo(f"{n_new} external runs imported into {results}{known}; `bench leaderboard` shows them")


def _chosen(runs: Sequence[Run], what: str, text: str | None, name_of: Callable[[Run], str]) -> list[str]:
    known = sorted({name_of(run) for run in runs})
    for name in parse_names(text):
        if name not in known:
            raise SuiteError(unknown(f"{what} of these results:", name, known))
    return parse_names(text) or known


def _renames(option: str, pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        old, _, new = pair.rpartition("=")
        if not (old and new):
            raise SuiteError(f"cannot read {option} {pair!r}; write OLD=NEW")
        found[old] = new
    return found
