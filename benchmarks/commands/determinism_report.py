"""What `bench check-determinism` prints: a line a cell as it goes, then all hashes side by side."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..choices import parse_names

if TYPE_CHECKING:
    from rich.table import Table

    from .determinism import Verdict

_DIGITS = 6


@click.command("check-determinism")
@click.option("--agents", "agent_list", metavar="A,B", help="Names or module:Class.  [default: all]")
@click.option("--tasks", metavar="X,Y", help="[default: one of continuous and one of discrete actions]")
@click.option("--steps", type=click.IntRange(1), default=240, show_default=True, help="Of each tiny run.")
def check_determinism(agent_list: str | None, tasks: str | None, steps: int) -> None:
    """Train tiny runs in several ways and compare what they leave behind, bit for bit.

    Alone and stacked, twice, on one worker and on two, stopped and resumed. Exit status 1 if any two differ.

    Example: bench check-determinism --agents vm3ac,mypackage.cool:Cool
    """
    from rich.console import Console

    from ... import agents, envs
    from .determinism import TASKS, check, tiny_cells

    names = parse_names(agent_list) or agents.names()
    cells = tiny_cells(names, parse_names(tasks) or TASKS, steps)
    for task in {cell.task for cell in cells}:
        envs.require(task)
    verdicts: list[Verdict] = []
    began = time.perf_counter()
    for found in check(cells):
        verdicts.append(found)
        state = "differs" if found.differing else "agrees"
        seconds = time.perf_counter() - began
        what = f"{found.cell.agent} on {found.cell.task}"
        click.echo(f"[{len(verdicts)}/{len(cells)}] {what}: {state}, {seconds:.0f} s so far")
    console = Console()
    for task in dict.fromkeys(cell.task for cell in cells):
        console.print(hash_table(task, [found for found in verdicts if found.cell.task == task]))
    bad = [found for found in verdicts if found.differing]
    for found in bad:
        for way, where in found.differing.items():
            click.echo(f"{found.cell.agent} on {found.cell.task}, {way}: {where}")
    click.echo("/2: on two workers at once; records are compared without times and provenance")
    what = "every way of training agrees bit for bit"
    click.echo(f"{len(bad)} of {len(cells)} cells differ" if bad else f"{len(cells)} cells: {what}")
    sys.exit(1 if bad else 0)


def hash_table(task: str, verdicts: Sequence[Verdict]) -> Table:
    """Hashes of one task: a row an agent's records and one its parameters, a column a way."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(task), box=box.SIMPLE_HEAD)
    table.add_column("Agent", overflow="fold", max_width=20)
    table.add_column("Hash of")
    for way in verdicts[0].traces:
        table.add_column(way)
    for found in verdicts:
        first = next(iter(found.traces.values()))
        for what in ("records", "weights"):
            cells = []
            for trace in found.traces.values():
                ours = trace.record_hash if what == "records" else trace.weights
                wanted = first.record_hash if what == "records" else first.weights
                text = "failed" if trace.error else ours[:_DIGITS] or "none"
                is_same = ours == wanted and not trace.error
                cells.append(text if is_same else f"[bold red]{text}[/]")
            table.add_row(escape(found.cell.agent) if what == "records" else "", what, *cells)
    return table
