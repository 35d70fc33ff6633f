"""What runs of a task must have in common to be compared: budget, task, return unit, score, evaluation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..analysis.reading import Run
from ..analysis.variants import cell_of, is_external
from ..analysis.winning import win_metric

Protocol = Mapping[str, str]
"""Name to value, as JSON text; e.g. ``steps``, ``return unit``, ``task.horizon``, ``evaluation.episodes``."""

RETURN, WIN_RATE = "return", "win rate"
"""What a run can be scored by."""


def protocol_of(run: Run) -> Protocol:
    """The protocol of a run. Suite, its version, budget and task version are the same within a table."""
    task = run.meta["task"]
    parts: dict[str, Any] = {"steps": run.steps, "return unit": task["return_unit"]}
    parts |= {"scored by": RETURN if win_metric(run) is None else WIN_RATE}
    parts |= {f"task.{name}": task[name] for name in ("n_agents", "horizon")}
    parts |= {f"task.{name}": value for name, value in task["settings"].items()}
    parts |= {f"evaluation.{name}": value for name, value in run.meta["evaluation"].items()}
    parts |= {f"evaluation.{name}": value for name, value in task["evaluation_settings"].items()}
    return {name: json.dumps(value, sort_keys=True) for name, value in parts.items()}


def common_protocols(runs: Iterable[Run]) -> dict[str, Protocol]:
    """Task to the protocol that most of its cells have; our own runs decide where there are any.

    Of equally many cells, the first in alphabetical order decides.
    """
    cells: dict[str, dict[tuple[str, str, str], Run]] = {}
    for run in runs:
        cells.setdefault(run.task_id, {}).setdefault(cell_of(run), run)
    chosen: dict[str, Protocol] = {}
    for task, found in cells.items():
        own = [run for run in found.values() if not is_external(run)] or list(found.values())
        votes = Counter(json.dumps(protocol_of(run), sort_keys=True) for run in own)
        chosen[task] = json.loads(min(votes, key=lambda text: (-votes[text], text)))
    return chosen


def won_tasks(protocols: Mapping[str, Protocol]) -> set[str]:
    """The tasks that are scored by their win rate."""
    return {task for task, found in protocols.items() if json.loads(found["scored by"]) != RETURN}


def difference(one: Protocol, common: Protocol) -> str:
    """``steps 200 instead of 100, …`` for what differs; empty where nothing does."""
    names = [name for name in sorted({*one, *common}) if one.get(name) != common.get(name)]
    shown = [f"{name} {one.get(name, 'absent')} instead of {common.get(name, 'absent')}" for name in names]
    return ", ".join([*shown[:3], *([f"{len(shown) - 3} more"] if len(shown) > 3 else [])])
