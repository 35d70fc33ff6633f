"""TensorBoard and Weights & Biases, fed from the records: training knows nothing of them.

A log is made from a run's records as they grow. A line of the records is written to it once, whether or not
the run was cut and resumed meanwhile, and a log that is opened again is made anew from the first line on: so
nothing is doubled and nothing is lost.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from ...analysis import schema
from ...analysis.records import RunFolder
from ..errors import SuiteError

KINDS = ("tensorboard", "wandb")


class Sink(Protocol):
    """The log of one run."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add what was measured at an environment step."""

    def flush(self) -> None:
        """Let others see it."""

    def close(self) -> None:
        """No more is to come."""


OpenSink = Callable[[Path, Mapping[str, Any]], Sink]
"""Opens the log of a run, from its folder and the content of its `run.json`."""


class RecordLog:
    """Follows the records of runs and writes what is new into logs.

    Args:
        kinds: names from `KINDS`.

    Raises:
        SuiteError: an unknown kind, or one whose library is not installed.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        if not kinds:
            raise SuiteError(f"name a log: {', '.join(KINDS)}")
        self._openers = [_opener(kind) for kind in dict.fromkeys(kinds)]
        self._followed: dict[Path, _Followed] = {}

    def follow(self, folder: RunFolder) -> None:
        """Log a run from now on; it need not have begun."""
        self._followed.setdefault(folder.path, _Followed(folder, self._openers))

    def poll(self) -> int:
        """Write the lines that are new, and close the logs of runs that have ended; how many lines."""
        n_new = 0
        for path, run in list(self._followed.items()):
            has_ended = run.folder.status in ("done", "failed")  # before reading: its lines are all there
            n_new += run.poll()
            if has_ended:
                run.close()
                del self._followed[path]
        return n_new

    def close(self) -> None:
        """Write what is new and close all logs."""
        self.poll()
        for run in self._followed.values():
            run.close()
        self._followed.clear()


@dataclass
class _Followed:
    """A run, and how far its log has come."""

    folder: RunFolder
    openers: Sequence[OpenSink]
    n_lines: int = 0
    sinks: list[Sink] = field(default_factory=list)
    seen: tuple[int, int] = (-1, -1)

    def poll(self) -> int:
        path = self.folder.path / schema.EVALUATIONS_FILE
        if not path.exists() or self.folder.status == "missing":
            return 0
        stat = path.stat()
        if (stat.st_size, stat.st_mtime_ns) == self.seen:
            return 0
        self.seen = stat.st_size, stat.st_mtime_ns
        lines = path.read_bytes().split(b"\n")[:-1]  # without one that is being written
        new = lines[self.n_lines :]  # a run that was cut has fewer for a while, and then the same ones
        if not new:
            return 0
        if not self.sinks:
            meta = schema.from_json((self.folder.path / schema.RUN_FILE).read_bytes())
            self.sinks = [opener(self.folder.path, meta) for opener in self.openers]
        for line in new:
            evaluation = schema.from_json(line)
            for sink in self.sinks:
                sink.write(evaluation["step"], scalars(evaluation))
        for sink in self.sinks:
            sink.flush()
        self.n_lines = len(lines)
        return len(new)

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()
        self.sinks = []


def scalars(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """An evaluation as named numbers: means over episodes, and the training's; without what is missing."""
    lists = {
        "return": evaluation["return"],
        "episode_length": evaluation["episode_length"],
        **evaluation["metrics"],
    }
    known = {name: [v for v in values if v is not None] for name, values in lists.items()}
    found = {f"evaluation/{name}": fmean(values) for name, values in known.items() if values}
    training = {f"training/{name}": v for name, v in evaluation["training"].items() if v is not None}
    return {**found, **training, "updates": float(evaluation["updates"]), "seconds": evaluation["seconds"]}


class TensorBoardSink:
    """Event files in ``<results>/<suite>/tensorboard/<task>/<agent>-<hash>/seed_<n>``."""

    def __init__(self, path: Path, meta: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = path.parents[2].joinpath("tensorboard", *path.parts[-3:])
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = SummaryWriter(str(folder))
        self._writer.add_text("run.json", "    " + schema.to_json(meta, indent=2).replace("\n", "\n    "))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        """Write to the disk."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class WandbSink:
    """A run of Weights & Biases, its files in ``<results>/<suite>/wandb``.

    The project is ``coordbench`` unless WANDB_PROJECT says otherwise; WANDB_MODE=offline needs no network. A
    run's id is made from its settings, so the same run is never there twice.
    """

    def __init__(self, path: Path, meta: Mapping[str, Any]) -> None:
        import wandb

        suite = path.parents[2]
        key = "/".join([meta["suite"], *path.parts[-3:]])
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        if os.environ.get("WANDB_MODE") == "offline":
            for old in (suite / "wandb").glob(f"offline-run-*-{name}"):
                shutil.rmtree(old)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "coordbench"),
            id=name,
            name="/".join(path.parts[-3:]),
            group=f"{meta['suite']} {meta['budget']} {meta['task']['id']}",
            config={key: value for key, value in meta.items() if key != "format"},
            dir=str(suite),
            resume="allow",
            reinit="create_new",
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Log at an environment step."""
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """Nothing: it sends on its own."""

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def _opener(kind: str) -> OpenSink:
    if kind not in KINDS:
        raise SuiteError(f"unknown log {kind!r}; known: {', '.join(KINDS)}")
    try:
        if kind == "tensorboard":
            import torch.utils.tensorboard  # noqa: F401

            return TensorBoardSink
        import wandb  # noqa: F401
    except ImportError as error:
        raise SuiteError(f'{kind} is not installed: pip install "coordbench[{kind}]"') from error
    return WandbSink
