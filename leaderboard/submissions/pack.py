"""Making a submission from records: the files that count, and a manifest to be filled in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ...analysis.files import write_atomically
from ...analysis.reading import Run
from ...analysis.schema import RecordError
from .files import LARGEST, MANIFEST
from .manifest import template


def pack(runs: Sequence[Run], out: Path) -> tuple[int, list[str]]:
    """Copies the records of one agent on one suite and budget, weights apart, and writes the manifest.

    Args:
        runs: of any status; those that have neither ended nor failed are left out.
        out: the folder; it must be new or empty.

    Returns:
        How many runs were copied, and a line for each that was left out.

    Raises:
        RecordError: several agents, suites or budgets; no run that has ended; a folder that is in use; a file
            that cannot be read or written.
    """
    ended = [run for run in runs if run.status in ("done", "failed")]
    kinds = {(run.agent_id, run.suite, run.meta["suite_version"], run.budget) for run in ended}
    if len(kinds) != 1:
        shown = "; ".join(sorted(" ".join(map(str, kind)) for kind in kinds))
        raise RecordError(
            f"a submission is one agent on one suite and budget, not {shown or 'runs that have not ended'}; "
            "choose with --agents, --suite and --budget"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RecordError(f"{out} is in use; choose another --out folder")
    ((agent, suite, version, budget),) = kinds
    about = {"agent": agent, "suite": suite, "suite_version": version, "budget": budget}
    command = shlex.join(["bench", "run", "--suite", suite, "--budget", budget, "--agents", agent])
    try:
        for run in ended:
            for path in sorted(run.path.iterdir()):
                if path.name in LARGEST and path.name != MANIFEST:
                    write_atomically(out.joinpath(*run.path.parts[-4:], path.name), path.read_bytes())
        write_atomically(out / MANIFEST, template({**about, "command": command}))
    except OSError as error:
        raise RecordError(f"cannot copy {error.filename}: {error.strerror}; choose another --out") from error
    left = [f"left out: {run.path} has not ended" for run in runs if run not in ended]
    return len(ended), left
