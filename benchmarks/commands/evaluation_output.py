"""What `bench evaluate` prints: a table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Played:
    """What one run's policy reached.

    Attributes:
        seed: of the run; None for all runs together.
        step: environment steps of training behind the weights.
        episodes: played.
        mean_return: undiscounted, in the task's unit.
        low: of the interval: over episodes of a run, over runs for all together; None where there is none.
        high: the other end.
        episode_length: mean steps.
        metrics: the task's own, means over the episodes where they are defined, None where they never are.
        returns: of every episode; of all together: of every run.
        win_rate: share of episodes won, of all together the mean over runs; None where none are won or lost.
        win_rate_low: of its interval, made as that of the return.
        win_rate_high: the other end.
    """

    seed: int | None
    step: int | None
    episodes: int
    mean_return: float
    low: float | None
    high: float | None
    episode_length: float
    metrics: dict[str, float | None]
    returns: list[float] = field(repr=False)
    win_rate: float | None = None
    win_rate_low: float | None = None
    win_rate_high: float | None = None


_WINS = ("win_rate", "win_rate_low", "win_rate_high")


@dataclass(frozen=True)
class Report:
    """An evaluation of the runs of one agent on one task; a `win_metric` where episodes are won or lost."""

    agent: str
    task: str
    mode: str
    weights: str
    episodes: int
    start_seed: int
    return_unit: str
    confidence: float
    runs: list[Played]
    overall: Played
    win_metric: str | None = None


def table_of(report: Report) -> Table:
    """One row a run, and one for all; the interval is of what leads."""
    from rich.markup import escape
    from rich.table import Table

    title = f"{report.agent} on {report.task}, mode {report.mode}, {report.weights} weights"
    table = Table(title=escape(f"{title}, {report.episodes} episodes a run"))
    table.add_column("Seed")
    names = [name for name in report.overall.metrics if name != report.win_metric]
    interval = f"{report.confidence:.0%} interval"
    leads = ("Win rate", interval, "Return") if report.win_metric else ("Return", interval)
    for name in ("Step", *leads, "Length", *names):
        table.add_column(escape(name), justify="right")
    for row in (*report.runs, report.overall):
        if row.seed is None:
            table.add_section()
        returned = f"{row.mean_return:.4g}"
        leading = [returned, _within(row.low, row.high)]
        if row.win_rate is not None:
            leading = [f"{row.win_rate:.3f}", _within(row.win_rate_low, row.win_rate_high), returned]
        table.add_row(
            "all" if row.seed is None else str(row.seed),
            "" if row.step is None else f"{row.step:,}",
            *map(escape, leading),
            f"{row.episode_length:.1f}",
            *["n/a" if row.metrics[name] is None else f"{row.metrics[name]:.4g}" for name in names],
        )
    return table


def _within(low: float | None, high: float | None) -> str:
    return "n/a" if low is None else f"[{low:.4g}, {high:.4g}]"


def note_of(report: Report) -> str:
    """How to read the table."""
    leading = "Win rate: share of episodes won. " if report.win_metric else ""
    return (
        f"{leading}Return of an episode: {report.return_unit}. Intervals: bootstrap over the episodes of a "
        f"run, and over runs for all ({len(report.runs)}). Start seed {report.start_seed}."
    )


def as_json(report: Report) -> str:
    """All of it, with the return of every episode; win rates where episodes are won or lost."""
    found = asdict(report)
    if report.win_metric is None:
        del found["win_metric"]
        for row in (*found["runs"], found["overall"]):
            for name in _WINS:
                del row[name]
    return json.dumps(found, indent=2) + "\n"


def as_csv(report: Report) -> str:
    """One row a run, and a last one with seed ``all``."""
    about = ("agent", "task", "mode", "weights", "start_seed", "return_unit")
    names, wins = list(report.overall.metrics), _WINS if report.win_metric else ()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("seed", "step", "episodes", *wins, "return", "low", "high", "episode_length")
    writer.writerow([*about, *columns, *names])
    for row in (*report.runs, report.overall):
        seed = "all" if row.seed is None else row.seed
        leading = [getattr(row, name) for name in wins]
        numbers = (row.step, row.episodes, *leading, row.mean_return, row.low, row.high, row.episode_length)
        shared = [getattr(report, name) for name in about]
        writer.writerow([*shared, seed, *numbers, *[row.metrics[name] for name in names]])
    return text.getvalue()
