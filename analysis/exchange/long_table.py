"""Records as one long table, a row a number, for anything that reads CSV or Parquet.

Columns, in order: ``suite``, ``suite_version``, ``budget``, ``task``, ``agent`` (as tables name it, variants
told apart), ``agent_id``, ``settings_hash``, ``seed``, ``status`` of the run, ``source`` (``coordbench``, or
where an external run comes from), ``kind``, ``step``, ``updates``, ``seconds``, ``metric``, ``episode``,
``value``, ``unit``.

``kind`` is ``evaluation`` (a row an episode), ``absolute`` (the best weights evaluated once more, a row an
episode; ``step`` is that of the weights, ``updates`` and ``seconds`` are missing) or ``training`` (a row an
evaluation, ``episode`` is missing). ``unit`` is said of ``return`` alone. Values that were not finite are
missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

import pandas as pd

from ..absolute import read_absolute
from ..reading import Run
from ..schema import RecordError
from ..variants import cell_of, variant_labels
from ..words import harmless

COLUMNS: dict[str, str] = {
    **dict.fromkeys(("suite", "suite_version", "budget", "task", "agent", "agent_id"), "string"),
    **{"settings_hash": "string", "seed": "int64", "status": "string", "source": "string"},
    **{"kind": "string", "step": "int64", "updates": "Int64", "seconds": "float64"},
    **{"metric": "string", "episode": "Int64", "value": "float64", "unit": "string"},
}
"""Columns of the long table and their pandas types."""

_Row = tuple[Any, ...]


def long_table(runs: Sequence[Run]) -> pd.DataFrame:
    """All numbers of the runs, one a row, in the order of runs, kinds, steps, metrics and episodes.

    Args:
        runs: of any suites and budgets; labels of agents are made within each.

    Raises:
        RecordError: a corrupt record of an absolute metric.
    """
    tables: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        tables.setdefault((run.suite, str(run.meta["suite_version"]), run.budget), []).append(run)
    rows: list[_Row] = []
    for (suite, version, budget), group in tables.items():
        labels = variant_labels(group)
        for run in group:
            about = (
                *(suite, version, budget, run.task_id, labels[cell_of(run)], run.agent_id),
                *(
                    run.settings_hash,
                    run.seed,
                    run.status,
                    run.meta["provenance"].get("source", "coordbench"),
                ),
            )
            unit = run.meta["task"]["return_unit"]
            rows += [(*about, *row, unit if row[4] == "return" else None) for row in _numbers(run)]
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS)).astype(COLUMNS)


def to_csv(table: pd.DataFrame) -> bytes:
    """A long table as CSV: every digit of every number, missing ones empty, no text a formula."""
    safe = table.copy()
    for name, kind in COLUMNS.items():
        if kind == "string":
            words = {word: harmless(word) for word in safe[name].dropna().unique()}
            safe[name] = safe[name].map(words.get, na_action="ignore")
    return safe.to_csv(index=False, lineterminator="\n").encode()


def to_parquet(table: pd.DataFrame) -> bytes:
    """A long table as Parquet.

    Raises:
        RecordError: pyarrow is not installed.
    """
    content = BytesIO()
    try:
        table.to_parquet(content, engine="pyarrow", index=False)
    except ImportError as error:
        raise RecordError(
            'Parquet needs pyarrow: pip install "coordbench[parquet]", or choose --format csv'
        ) from error
    return content.getvalue()


def _numbers(run: Run) -> Iterator[_Row]:
    """Kind, step, updates, seconds, metric, episode and value of every number of a run."""
    for one in run.evaluations:
        when = (one.step, one.updates, one.seconds)
        found = {"return": one.returns, "episode_length": one.episode_length, **one.metrics}
        yield from _by_episode("evaluation", when, found)
    absolute = read_absolute(run)
    if absolute is not None:
        found = {"return": absolute.returns, "episode_length": absolute.episode_length, **absolute.metrics}
        yield from _by_episode("absolute", (absolute.step, None, None), found)
    for one in run.evaluations:
        for name, value in one.training.items():
            yield "training", one.step, one.updates, one.seconds, name, None, value


def _by_episode(
    kind: str, when: tuple[int, int | None, float | None], found: Mapping[str, Sequence[float | None]]
) -> Iterator[_Row]:
    for name, values in found.items():
        for episode, value in enumerate(values):
            yield kind, *when, name, episode, value
