"""What `bench check-agent` prints: a line a check, what broke, how to mend it, and the sum."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Mapping
from typing import Any

import click

from ...agents.checking.checks import Finding, inspect_agent

_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


def report(agent: str, settings: Mapping[str, Any], with_tracebacks: bool = False) -> bool:
    """Check an agent and print the findings as they come.

    Args:
        agent: a name, or `module:Class`.
        settings: of the agent, in place of the checks' own.
        with_tracebacks: also print where in the code a check failed.

    Returns:
        Whether it keeps the contract.

    Raises:
        ValueError: an unknown agent or setting, or an agent that cannot be built.
    """
    counts: Counter[str] = Counter()
    kind = None
    for found in inspect_agent(agent, settings):
        if found.kind != kind:
            kind = found.kind
            click.echo(f"{kind} actions")
        counts[found.status] += 1
        _show(found, with_tracebacks)
    keeps = not counts["failed"]
    numbers = ", ".join(f"{counts[status]} {status}" for status in _COLOURS if counts[status])
    click.echo(f"{agent} {'keeps' if keeps else 'breaks'} the contract: {numbers}")
    return keeps


def _show(found: Finding, with_traceback: bool) -> None:
    mark = click.style(f"{found.status:8}", fg=_COLOURS[found.status])
    click.echo(f"  {mark} {found.check:14} {found.text}")
    if found.remedy:
        click.echo(f"  {'':8} {'':14} mend: {found.remedy}")
    if with_traceback and found.error:
        click.echo("".join(traceback.format_exception(found.error)), err=True)
