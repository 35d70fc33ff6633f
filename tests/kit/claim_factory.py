"""Claims in TOML, held against record folders that a test has written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coordbench.analysis.claims.file import parse_claims
from coordbench.analysis.reading import read_tables
from coordbench.leaderboard.bootstrap import Bootstrap
from coordbench.leaderboard.claims.verdicts import COLUMNS, ClaimReport, claim_reports
from record_factory import HUNT, REFERENCES, write_cell

LOW = [20.0, 24.0, 22.0, 28.0, 26.0, 18.0, 30.0]
HIGH = [value + 60.0 for value in LOW]


def claim(**changes: Any) -> str:
    """A claim in TOML: alpha does better than beta on the hunt, but for what is changed."""
    values = {
        **{"id": "c", "text": "alpha does better", "suite": "toy", "task": HUNT, "better": "alpha"},
        **{"worse": "beta"},
    } | changes
    lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
    return "[[claims]]\n" + "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def reports(results: Path, *claims: str, budget: str | None = None) -> list[ClaimReport]:
    file = parse_claims('title = "t"\n' + "".join(claims), "f.toml")
    return claim_reports(read_tables(results, None, budget), file, REFERENCES, Bootstrap(0, 500))


def only(results: Path, *claims: str) -> tuple[str, Mapping[str, Any]]:
    """The verdict on the first claim and its first row."""
    (report,) = reports(results, *claims)
    assert list(report.table.columns) == COLUMNS
    return next(iter(report.verdicts.values())), report.table.to_dict("records")[0]


def write(results: Path, agent: str, values: Sequence[float], **options: Any) -> None:
    write_cell(results, agent, {HUNT: values}, **options)
