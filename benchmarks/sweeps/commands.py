"""The commands about a sweep: `run`, and `status`, `logs` and `retry`, which look after it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..training.checkpoint import CHECKPOINT_MINUTES

_PATH = click.Path(path_type=Path)


def _selection(command: Callable[..., None]) -> Callable[..., None]:
    """The options that choose a part of a suite."""
    options: list[Callable[[Any], Any]] = [
        click.option(
            "--suite", default="coordination", show_default=True, metavar="NAME", help="Or a .toml file."
        ),
        click.option("--budget", metavar="NAME", help="E.g. smoke, quick, paper.  [default: the suite's]"),
        click.option("--agents", metavar="A,B", help="Instead of the suite's; module:Class works."),
        click.option("--tasks", metavar="X,Y", help="Only these of the suite's."),
        click.option("--seeds", metavar="SEEDS", help="0-6, 3 or 0,2,5.  [default: the suite's]"),
        click.option(
            "--set",
            "settings",
            metavar="KEY=VALUE",
            multiple=True,
            help="AGENT.SETTING=VALUE, task.TASK.SETTING=VALUE or evaluation.SETTING=VALUE; may be repeated.",
        ),
        click.option(
            "--results", type=_PATH, default="results", show_default=True, help="Folder of the records."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_selection
@click.option(
    "--workers", type=click.IntRange(1), help="Jobs at once, of one thread each.  [default: one a core]"
)
@click.option(
    "--stack", type=click.IntRange(1), default=4, show_default=True, help="Most seeds trained in one process."
)
@click.option(
    "--device", default="cpu", show_default=True, help="cpu, cuda (all GPUs), cuda:1, auto, or torch's word."
)
@click.option("--per-gpu", type=click.IntRange(1), default=1, show_default=True, help="Jobs on each GPU.")
@click.option(
    "--engine", default="local", show_default=True, metavar="NAME", help="local, slurm, dask, module:factory."
)
@click.option(
    "--engine-option", "engine_options", metavar="KEY=VALUE", multiple=True, help="May be repeated."
)
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(0),
    default=CHECKPOINT_MINUTES,
    show_default=True,
    help="Between two checkpoints, at least; 0: none.",
)
@click.option("--retry-failed", is_flag=True, help="Train failed runs again.")
@click.option("--dry-run", is_flag=True, help="Show what would be trained, and train nothing.")
def run(
    suite: str,
    budget: str | None,
    agents: str | None,
    tasks: str | None,
    seeds: str | None,
    settings: tuple[str, ...],
    results: Path,
    workers: int | None,
    stack: int,
    device: str,
    engine: str,
    engine_options: tuple[str, ...],
    per_gpu: int,
    checkpoint_minutes: float,
    retry_failed: bool,
    dry_run: bool,
) -> None:
    """Train what is missing of a suite, then make its leaderboard.

    Runs that are done are skipped, so the same command goes on after an interruption.

    Example: bench run --agents vm3ac,ma_sac --seeds 0-2 --set vm3ac.beta=0.2
    """
    from .run import Request, run_suite

    request = Request(
        suite=suite,
        budget=budget,
        agents=agents,
        tasks=tasks,
        seeds=seeds,
        settings=settings,
        results=results,
        workers=workers,
        stack=stack,
        device=device,
        engine=engine,
        engine_options=engine_options,
        per_gpu=per_gpu,
        checkpoint_minutes=checkpoint_minutes,
        retry_failed=retry_failed,
        dry_run=dry_run,
    )
    sys.exit(run_suite(request))


@click.command()
@_selection
@click.option("--all", "show_all", is_flag=True, help="Every line, however many.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people or for programs.",
)
def status(
    suite: str,
    budget: str | None,
    agents: str | None,
    tasks: str | None,
    seeds: str | None,
    settings: tuple[str, ...],
    results: Path,
    show_all: bool,
    form: str,
) -> None:
    """Show how a sweep stands: what is done, running (where, how far), stopped, failed or missing.

    Example: bench status --suite coordination --budget quick
    """
    from ..suites.selection import select
    from .results_folder import check_results_folder
    from .status import headline, read_status, rows, to_json

    chosen = select(suite, budget, agents, tasks, seeds, settings)
    check_results_folder(results, must_exist=True)
    found = read_status(chosen, results)
    if form == "json":
        click.echo(to_json(found))
        return
    click.echo(headline(found))
    lines = list(rows(found, show_all))
    if sys.stdout.isatty() and lines:
        _table(lines)
    else:
        for line in lines:
            click.echo("  ".join(part for part in line if part))


def _table(lines: list[tuple[str, str, str, str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"running": "green", "failed": "red", "stopped": "yellow", "missing": "dim"}
    table = Table("state", "task", "agent", "seeds", "particulars", box=None)
    for state, *rest in lines:
        table.add_row(Text(state, colours[state]), *map(Text, rest))
    Console().print(table)


@click.command()
@click.argument("cell")
@click.option("--results", type=_PATH, default="results", show_default=True, help="Folder of the records.")
@click.option(
    "--lines", type=click.IntRange(0), default=40, show_default=True, help="Of each log, the newest."
)
def logs(cell: str, results: Path, lines: int) -> None:
    """Show why runs of a CELL failed, and what its jobs printed.

    CELL is the path of its folder or the end of one, TASK/AGENT for instance, and /seed_3 after it means that
    run alone.

    Example: bench logs predator_prey_2-v1/vm3ac/seed_0
    """
    from .logs import describe, find_cells

    for folder, seed in find_cells(results, cell):
        for line in describe(folder, seed, lines):
            click.echo(line)


@click.command()
@_selection
def retry(
    suite: str,
    budget: str | None,
    agents: str | None,
    tasks: str | None,
    seeds: str | None,
    settings: tuple[str, ...],
    results: Path,
) -> None:
    """Let failed runs be trained again by the next `bench run`.

    A run goes on from the checkpoint of its stack if there is one, else it starts over.

    Example: bench retry --agents vm3ac --seeds 0-2
    """
    from ..suites.selection import select
    from .results_folder import check_results_folder
    from .retry import retry_runs

    chosen = select(suite, budget, agents, tasks, seeds, settings)
    check_results_folder(results, must_exist=True)
    folders = retry_runs(chosen.cells, chosen.seeds, results)
    for folder in folders:
        click.echo(str(folder.path))
    runs = "run" if len(folders) == 1 else "runs"
    click.echo(f"{len(folders)} failed {runs} will be trained again by the next `bench run`")
