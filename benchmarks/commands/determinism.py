"""`bench check-determinism`: the same runs in several ways, whose records and weights must agree bit for bit.

Two seeds of a tiny run are trained together and alone, once more in the same process, on two processes at
once, and stopped and gone on with. Compared is everything a run leaves behind but times and provenance.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import agents, envs
from ...analysis import schema
from ...analysis.records import RunFolder
from ..engines.executors import LocalEngine
from ..errors import SuiteError
from ..suites.cell import Cell, Evaluation
from ..suites.stack import folder_of
from ..suites.suite import Budget, Suite, SuiteTask

SEEDS = (0, 1)
TASKS = ("cooperative_navigation_3-v1", "coordination_2-v1")
"""One task of continuous actions and one of discrete ones."""
COPIES, EVALUATIONS = 4, 4
SMALL = {"batch_size": 16, "buffer_size": 2_000, "hidden": (16, 16)}
"""Settings of the agents that have them, with values of these types."""

TOGETHER = (SEEDS,)
ALONE = tuple((seed,) for seed in SEEDS)
WAYS: dict[str, tuple[int, tuple[tuple[int, ...], ...]]] = {
    "stacked": (1, TOGETHER),
    "again": (1, TOGETHER),
    "alone": (1, ALONE),
    "stack/2": (2, (SEEDS, SEEDS[::-1])),
    "alone/2": (2, ALONE),
    "resumed": (1, TOGETHER),
}
"""Name to the number of workers and the seeds of each job; all are held against the first."""

_MAX_TRIES = 5  # a run may be over before it is told to stop


@dataclass(frozen=True)
class Trace:
    """What the runs of one way left behind.

    Attributes:
        records: file and line to content, without times and provenance.
        weights: hash of the final and the best weights, empty where the agent keeps none.
        error: what broke, empty if nothing did.
    """

    records: Mapping[str, Any]
    weights: str
    error: str = ""

    @property
    def record_hash(self) -> str:
        """Hash of the records."""
        return _hash(schema.to_json(self.records, sort_keys=True).encode())


@dataclass(frozen=True)
class Verdict:
    """All ways of one cell.

    Attributes:
        cell: what was trained.
        traces: by way.
    """

    cell: Cell
    traces: Mapping[str, Trace]

    @property
    def differing(self) -> dict[str, str]:
        """Ways that do not agree with the first, and where they part."""
        found = {}
        first = next(iter(self.traces.values()))
        for way, trace in self.traces.items():
            if trace.error:
                found[way] = trace.error
            elif trace.record_hash != first.record_hash:
                found[way] = first_difference(first.records, trace.records)
            elif trace.weights != first.weights:
                found[way] = "the weights differ, though no number in the records does"
        return found


def tiny_cells(names: Sequence[str], tasks: Sequence[str], steps: int) -> list[Cell]:
    """A cell of each agent on each task that it can play.

    Raises:
        ValueError: an unknown agent or task, or no cell at all.
    """
    if steps < COPIES * EVALUATIONS:
        raise SuiteError(f"--steps must be at least {COPIES * EVALUATIONS}, not {steps}")
    evaluation = Evaluation(every=steps // EVALUATIONS, episodes=4, score_last=1)
    cells = []
    for name in names:
        plain = agents.load(name).config_class()
        wanted = {**SMALL, "warm_up": steps // 4}
        settings = {k: v for k, v in wanted.items() if type(getattr(plain, k, None)) is type(v)}
        suite = Suite(
            name="determinism",
            version=1,
            description="",
            seeds=SEEDS,
            agents=(name,),
            tasks=tuple(SuiteTask(task) for task in tasks),
            num_envs=COPIES,
            default_budget="tiny",
            budgets={"tiny": Budget(steps, evaluation, "small", settings)},
        )
        kinds = agents.load(name).action_kinds
        playable = [task for task in tasks if envs.spec(task).action_kind in kinds]
        cells += suite.cells("tiny", playable) if playable else []
    if not cells:
        raise SuiteError(f"none of {', '.join(names)} can play {' or '.join(tasks)}")
    return cells


def check(cells: Sequence[Cell]) -> Iterator[Verdict]:
    """Train every cell in every way, and say of each whether its ways agree.

    Args:
        cells: see `tiny_cells`; a cell's tasks must be installed.
    """
    engines = {n_workers: LocalEngine(n_workers) for n_workers, _ in WAYS.values()}
    try:
        for cell in cells:
            with tempfile.TemporaryDirectory(prefix="determinism-") as folder:
                yield Verdict(cell, {way: _try(cell, way, Path(folder), engines) for way in WAYS})
    finally:
        for engine in engines.values():
            engine.shutdown(wait=True, cancel_futures=True)


def _try(cell: Cell, way: str, root: Path, engines: Mapping[int, LocalEngine]) -> Trace:
    n_workers, jobs = WAYS[way]
    places = [root / way.replace("/", "_") / str(number) for number in range(len(jobs))]
    job = train_with_a_stop if way == "resumed" else train_once
    futures: list[Future[None]] = []
    try:
        for seeds, place in zip(jobs, places, strict=True):
            futures.append(engines[n_workers].submit(job, cell, seeds, place))
        for future in futures:
            future.result()
    except Exception as error:  # noqa: BLE001  (whatever an agent raises is the finding)
        return Trace({}, "", f"{type(error).__name__}: {error}".splitlines()[0])
    found = [(seed, place) for seeds, place in zip(jobs, places, strict=True) for seed in seeds]
    traces = {}
    for seed, place in found:
        trace = trace_of(folder_of(cell, seed, place))
        if traces.setdefault(seed, trace) != trace:
            return Trace({}, "", f"two jobs of this way: {first_difference(traces[seed][0], trace[0])}")
    records = {
        f"seed {seed}, {name}": item for seed in SEEDS for name, item in sorted(traces[seed][0].items())
    }
    weights = "".join(traces[seed][1] for seed in SEEDS)
    return Trace(records, _hash(weights.encode()) if weights else "")


def train_once(cell: Cell, seeds: tuple[int, ...], results: Path) -> None:
    """The job of most ways: an ordinary training."""
    from ..training.train import train

    train(cell, seeds, results)


def train_with_a_stop(cell: Cell, seeds: tuple[int, ...], results: Path) -> None:
    """Train, stop after the first evaluation in training, go on from the checkpoint.

    Raises:
        RuntimeError: the run is over too soon to be stopped.
    """
    from ..training.stopping import request_stop
    from ..training.train import train

    path = folder_of(cell, seeds[0], results).path
    for _ in range(_MAX_TRIES):
        shutil.rmtree(results, ignore_errors=True)
        is_over = threading.Event()

        def stop(over: threading.Event = is_over) -> None:
            while not over.wait(0.0005):
                if _n_lines(path / schema.EVALUATIONS_FILE) > 1:
                    request_stop()
                    return

        watcher = threading.Thread(target=stop, daemon=True)
        watcher.start()
        try:
            stopped = train(cell, seeds, results) == "stopped"
        finally:
            is_over.set()
            watcher.join()
        if stopped:
            train(cell, seeds, results)
            return
    raise RuntimeError("it was over before it could be stopped; --steps makes it longer")


def trace_of(folder: RunFolder) -> tuple[dict[str, Any], str]:
    """The records of a run without times and provenance, by file and line, and hashes of its weights."""
    records: dict[str, Any] = {"status": folder.status}
    for name in (schema.RUN_FILE, schema.DONE_FILE, schema.FAILED_FILE, schema.ABSOLUTE_FILE):
        if (folder.path / name).exists():
            records[name] = _timeless(json.loads((folder.path / name).read_bytes()))
    for name in (schema.EVALUATIONS_FILE, schema.POSITIONS_FILE):
        if (folder.path / name).exists():
            for number, line in enumerate((folder.path / name).read_bytes().splitlines(), 1):
                records[f"{name} line {number:04}"] = _timeless(json.loads(line))
    files = [folder.path / name for name in (schema.POLICY_FILE, schema.BEST_FILE)]
    return records, "".join(_hash(path.read_bytes()) for path in files if path.exists())


def first_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Where two records part, and how."""
    for name in sorted({*one, *other}):
        a, b = one.get(name), other.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            if a != b:
                return f"{name}: {first_difference(a, b)}"
        elif a != b:
            return f"{name}: {str(a)[:40]} and {str(b)[:40]}"
    return "nowhere"


def _timeless(content: Mapping[str, Any]) -> dict[str, Any]:
    ignored = ("seconds", "provenance", "resumed_at", "traceback")
    return {name: value for name, value in content.items() if name not in ignored}


def _n_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
