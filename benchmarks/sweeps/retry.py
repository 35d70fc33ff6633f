"""Making failed runs such as are still to be trained."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...analysis.records import RunFolder
from ..suites.cell import Cell
from ..suites.stack import folder_of
from ..training.checkpoint import find_checkpoints
from .crashes import forget_crashes
from .holder import Holder
from .lease import claim
from .standing import Standing


def retry_runs(cells: Iterable[Cell], seeds: Sequence[int], results: Path) -> list[RunFolder]:
    """Let failed runs of these cells be trained again; the folders of those that will be."""
    changed = []
    standings: dict[str, Standing] = {}
    for cell in cells:
        standing = standings.setdefault(cell.suite, Standing(results, cell.suite))
        for seed, status in standing.statuses(cell).items():
            if status == "failed" and seed in seeds:
                folder = folder_of(cell, seed, results)
                if retry_run(folder):
                    changed.append(folder)
    return changed


def retry_run(folder: RunFolder) -> bool:
    """Let one failed run be trained again: from its stack's checkpoint if there is one, else from the start.

    Returns:
        False if it is in use just now, or has not failed.
    """
    lease = claim(folder.path, Holder.this_process(uuid.uuid4().hex))
    if lease is None:
        return False
    try:
        if folder.status != "failed":
            return False
        seed = int(folder.path.name.removeprefix("seed_"))
        if any(seed in seeds for seeds in find_checkpoints(folder.path.parent)):
            folder.reopen()
        else:
            folder.clear()
        forget_crashes([folder])
        return True
    finally:
        lease.release()
