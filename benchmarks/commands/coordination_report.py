"""`bench coordination`: do teams coordinate? A table, CSV files and pictures, from records alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from ...analysis.coordination.summary import Coordination

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--results", type=_PATH, default="results", show_default=True, help="Folder of the records.")
@click.option("--suite", metavar="NAME", help="Only this suite.")
@click.option("--budget", metavar="NAME", help="Only this budget.")
@click.option("--out", type=_PATH, help="Folder.  [default: RESULTS/SUITE/coordination/BUDGET]")
def coordination(results: Path, suite: str | None, budget: str | None, out: Path | None) -> None:
    """Show whether teams coordinate: latent use, dependence of actions, pair split.

    Example: bench coordination --results results --budget quick
    """
    from rich.console import Console

    from ...analysis.coordination.summary import coordination as reports_of

    console = Console()
    reports = reports_of(results, suite, budget)
    for report in reports:
        for task in sorted(set(report.table["task"])):
            for table in task_tables(report, task, console.width):
                console.print(table)
            for line in notes(report, task):
                console.print(line, markup=False, highlight=False)
        for path in write_report(report, folder_of(report, reports, results, out)):
            print(path)
    console.print(
        "[…]: 95% bootstrap over seeds; meaning of every measure: docs/coordination.md", markup=False
    )


def folder_of(report: Coordination, reports: Sequence[Coordination], results: Path, out: Path | None) -> Path:
    """Where a report's files go: by default beside the leaderboard, else ``out`` or folders in it."""
    version = f"version_{report.suite_version}"
    if out is None:
        versions = {
            one.suite_version for one in reports if (one.suite, one.budget) == (report.suite, report.budget)
        }
        place = results / report.suite / "coordination" / report.budget
        return place / version if len(versions) > 1 else place
    return out if len(reports) == 1 else out / report.suite / version / report.budget


def write_report(report: Coordination, folder: Path) -> list[Path]:
    """Write ``coordination.csv``, ``coordination_curves.csv`` and the pictures.

    Returns:
        The files written.

    Raises:
        RecordError: a file cannot be written.
    """
    from ...analysis.files import write_atomically
    from ...analysis.schema import RecordError
    from .coordination_figures import figures

    contents: dict[str, str | bytes] = {
        f"{name}.csv": frame.to_csv(index=False, float_format="%.10g", lineterminator="\n")
        for name, frame in (("coordination", report.table), ("coordination_curves", report.curves))
    }
    contents |= figures(report)
    paths = []
    for name, content in contents.items():
        try:
            write_atomically(folder / name, content)
        except OSError as error:
            raise RecordError(
                f"cannot write {folder / name}: {error.strerror or error}; choose another --out folder"
            ) from error
        paths.append(folder / name)
    return paths


def task_tables(report: Coordination, task: str, width: int) -> list[Table]:
    """One task: a row a measure, a column an agent, as many as fit; what nobody has is left to the notes.

    Args:
        report: of a suite and budget.
        task: id.
        width: characters a line.
    """
    from rich.markup import escape
    from rich.table import Table

    rows = _rows(report, task)
    everybody = sorted({row["agent"] for row in rows})
    fitting = max(1, (width - 30) // 25)
    tables = []
    for first in range(0, len(everybody), fitting):
        agents = everybody[first : first + fitting]
        table = Table(title=escape(f"{report.suite}, budget {report.budget}: {task}"))
        table.add_column("Measure", no_wrap=True)
        for agent in agents:
            table.add_column(escape(agent), justify="right")
        for measure, when in dict.fromkeys((row["measure"], row["when"]) for row in rows):
            if when == "early" and measure not in ("pair_split", "action_correlation", "mutual_information"):
                continue
            found = {r["agent"]: r for r in rows if (r["measure"], r["when"]) == (measure, when)}
            if all(agent not in found or math.isnan(found[agent]["value"]) for agent in agents):
                continue
            name = measure.replace("_", " ") + (", early" if when == "early" else "")
            table.add_row(name, *[escape(_text(found.get(agent), wide=len(agents) < 3)) for agent in agents])
        tables.append(table)
    return tables


def notes(report: Coordination, task: str) -> list[str]:
    """What is missing and why, and at which step "early" and the end are: one line each."""
    rows = _rows(report, task)
    lines = []
    for when in ("early", "last"):
        steps = sorted(
            {int(row["step"]) for row in rows if row["when"] == when and not math.isnan(row["step"])}
        )
        if steps:
            lines.append(f"{when}: step {', '.join(f'{step:,}' for step in steps)}")
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        if row["note"]:
            reasons.setdefault((row["agent"], row["note"]), {})[row["measure"].replace("_", " ")] = None
    everything = len({row["measure"] for row in rows})
    for (agent, note), measures in reasons.items():
        what = "" if len(measures) >= everything else f": {', '.join(measures)}"
        lines.append(f"{agent}{what}: {note}")
    return lines


def _rows(report: Coordination, task: str) -> list[dict[str, Any]]:
    chosen = report.table.loc[report.table["task"] == task]
    return [{str(name): value for name, value in row.items()} for row in chosen.to_dict("records")]


def _text(row: dict[str, Any] | None, *, wide: bool) -> str:
    """``0.58 [0.55, 0.61]``, in two lines unless there is room; or a dash."""
    if row is None or math.isnan(row["value"]):
        return "-"
    digits = 1 if row["measure"].startswith("return") and abs(row["value"]) >= 10 else 3
    value, low, high = (f"{round(row[name], digits) + 0.0:.{digits}f}" for name in ("value", "low", "high"))
    space = " " if wide else "\n"
    return f"{value}{space}[n/a]" if math.isnan(row["low"]) else f"{value}{space}[{low},\u00a0{high}]"
