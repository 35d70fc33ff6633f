"""`bench leaderboard`: tables and figures from records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path)


@click.command("leaderboard")
@click.option("--results", type=_PATH, default="results", show_default=True, help="Folder of the records.")
@click.option("--out", type=_PATH, help="Folder of the tables; --serve can do without.")
@click.option("--suite", metavar="NAME", help="Only this suite.")
@click.option("--budget", metavar="NAME", help="Only this budget.")
@click.option(
    "--bootstrap",
    "method",
    type=click.Choice(["stratified", "rliable"]),
    default="stratified",
    show_default=True,
    help="Intervals of the aggregates: ours, or rliable's own (slow).",
)
@click.option("--repetitions", type=click.IntRange(1), default=50_000, show_default=True, help="Resamples.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of resamples.")
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Level of intervals and tests.",
)
@click.option("--figures/--no-figures", default=True, show_default=True, help="Draw figures, too.")
@click.option("--html", is_flag=True, help="Write the page, too: index.html in --out, one file.")
@click.option("--serve", is_flag=True, help="Write nothing; show the page on this machine, as records come.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Of --serve; 0: any."
)
@click.option("--check", is_flag=True, help="Write nothing; fail if the tables in --out differ.")
def leaderboard(out: Path | None, figures: bool, check: bool, **options: Any) -> None:
    """Make the tables and figures of a results folder: CSV, Markdown, LaTeX, SVG, PNG, HTML.

    Example: bench leaderboard --results results --out tables --budget quick
    """
    from rich.console import Console

    from ...leaderboard import Bootstrap, differences, leaderboards, terminal_table, write_leaderboards

    bootstrap = Bootstrap(options["seed"], options["repetitions"], options["confidence"], options["method"])
    wanted = (options["results"], options["suite"], options["budget"])
    if options["serve"]:
        from .leaderboard_page import serve

        command = _command_line(out or Path("tables"), figures, options)
        serve(
            lambda: leaderboards(*wanted, bootstrap=bootstrap),
            options["results"],
            out or options["results"],
            command,
            options["port"],
        )
        return
    if out is None:
        raise click.UsageError("Missing option '--out'; --serve alone can do without.")
    boards = leaderboards(*wanted, bootstrap=bootstrap)
    if check:
        from .leaderboard_page import check as check_page

        found = [*differences(boards, out), *check_page(boards, out)]
        options["html"] |= (out / "index.html").exists()
        remedy = f"; `{_command_line(out, figures, options)}` writes them anew" if found else ""
        for line in found:
            click.echo(line, err=True)
        said = "disagrees" if found else "agrees"
        click.echo(f"{out} {said} with the records in {options['results']}{remedy}")
        raise SystemExit(1 if found else 0)
    command = _command_line(out, figures, options)
    paths = write_leaderboards(boards, out, command, figures)
    if options["html"]:
        from .leaderboard_page import write

        paths.append(write(boards, out, command, paths))
    console = Console()
    for board in boards:
        console.print(terminal_table(board))
    for path in paths:
        click.echo(path)


def _command_line(out: Path, figures: bool, options: dict[str, Any]) -> str:
    """The command that makes the same tables: results, out, and what is not the default."""
    parts = [f"bench leaderboard --results {options['results']} --out {out}"]
    defaults = {parameter.name: parameter.default for parameter in leaderboard.params}
    for name in ("suite", "budget", "method", "repetitions", "seed", "confidence"):
        if options[name] is not None and options[name] != defaults[name]:
            parts.append(f"--{'bootstrap' if name == 'method' else name} {options[name]}")
    return " ".join(
        [*parts, *([] if figures else ["--no-figures"]), *(["--html"] if options["html"] else [])]
    )
