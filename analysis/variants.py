"""Telling apart the variants of one agent: runs of the same agent with other settings are never mixed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from .reading import Run

Cell = tuple[str, str, str]
"""Task id, agent id, settings hash: what the runs of a cell share."""


def cell_of(run: Run) -> Cell:
    """The cell a run belongs to."""
    return run.task_id, run.agent_id, run.settings_hash


def is_external(run: Run) -> bool:
    """Whether it was trained elsewhere and imported; its provenance says from what ``source``."""
    return "source" in run.meta["provenance"]


def variant_labels(runs: Iterable[Run]) -> dict[Cell, str]:
    """A name for the agent of every cell, the same on all tasks for the same variant.

    An agent with one settings hash a task keeps its plain name. Where a task has several, the settings in
    which they differ are appended on every task, e.g. ``vm3ac [beta=0.2]``, and the hash where no recorded
    setting differs. External runs are apart from ours of the same name: ``maddpg (external)``.

    Args:
        runs: those of one table.

    Returns:
        Cell to label.
    """
    one_of = {cell_of(run): run for run in runs}
    settings = {cell: _settings(run.meta) for cell, run in one_of.items()}
    titles = {
        cell: run.agent_id + (" (external)" if is_external(run) else "") for cell, run in one_of.items()
    }
    siblings: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in sorted(settings):
        siblings[cell[0], titles[cell]].append(cell)
    differing: dict[str, set[str]] = defaultdict(set)
    for (_, agent), cells in siblings.items():
        names = {name for cell in cells for name in settings[cell]}
        differing[agent] |= {
            name for name in names if len({settings[cell].get(name, "absent") for cell in cells}) > 1
        }
    labels: dict[Cell, str] = {}
    for (_, agent), cells in siblings.items():
        chosen = {
            cell: tuple(f"{name}={settings[cell].get(name, 'absent')}" for name in sorted(differing[agent]))
            for cell in cells
        }
        for cell, parts in chosen.items():
            is_shared = list(chosen.values()).count(parts) > 1
            shown = ", ".join([*parts, cell[2]] if is_shared else parts)
            labels[cell] = f"{agent} [{shown}]" if shown else agent
    return labels


def _settings(meta: Mapping[str, Any]) -> dict[str, str]:
    """All settings of a run by dotted name, as JSON text; those of the agent have no prefix."""
    named = {
        "": meta["agent"]["settings"],
        "task.": {"win_metric": meta["task"].get("win_metric"), **meta["task"]["settings"]},
        "evaluation.": {**meta["evaluation"], **meta["task"]["evaluation_settings"]},
    }
    flat = {"steps": json.dumps(meta["steps"]), "num_envs": json.dumps(meta["num_envs"])}
    for prefix, values in named.items():
        _flatten(values, prefix, flat)
    return flat


def _flatten(values: Mapping[str, Any], prefix: str, flat: dict[str, str]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            _flatten(value, f"{prefix}{name}.", flat)
        else:
            flat[prefix + name] = value if isinstance(value, str) else json.dumps(value)
