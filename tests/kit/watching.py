"""`bench watch` as the tests call it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result
from coordbench.benchmarks.cli import main

TASK = "predator_prey_2-v1"


def watch(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["watch", *map(str, arguments)])


def refusal(*arguments: str | Path) -> str:
    """The one line that a choice is refused with."""
    result = watch(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("bench: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    return result.stderr
