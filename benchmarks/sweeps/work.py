"""A job of a sweep: take the leases of a stack, train it, give them back; run by a worker on any engine."""

from __future__ import annotations

import errno
import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ...analysis.records import RecordError
from ..suites.cell import Cell
from ..suites.stack import Stack, cell_folder, span
from ..training.checkpoint import CheckpointError
from .crashes import MAX_TRIES, count_crash, forget_crashes
from .heartbeat import BEAT_SECONDS, Heartbeat
from .holder import Holder
from .lease import LeaseLost, claim_all, look, release_all

Train = Callable[[Cell, tuple[int, ...], Path, str], object]
"""What a job does: `benchmarks.train.train`. It goes on from a checkpoint, and returns
"stopped" if it was asked to stop at one."""

LOST_STATUS = 75
"""Exit status of a worker whose runs are in other hands."""
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.ESTALE}


@dataclass(frozen=True)
class Order:
    """What a job is told, besides what it trains.

    Attributes:
        token: of the job, unique.
        dead: names of leases that may be taken over.
        host: of the sweep.
        pid: of the sweep.
        beat_seconds: between signs of life.
    """

    token: str
    dead: frozenset[str] = frozenset()
    host: str = ""
    pid: int = 0
    beat_seconds: float = BEAT_SECONDS


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        kind: `settled`: every run is done or failed; `stopped`: at a checkpoint, because it was asked to;
            `crashed`: to be tried again; `elsewhere`: another process trains one of the runs; `disk`: the
            disk refuses, which is no fault of the run; `refused`: its checkpoint cannot be used here.
        reason: one line.
        tries: of a crashed one, so far.
    """

    kind: Literal["settled", "stopped", "crashed", "elsewhere", "disk", "refused"]
    reason: str = ""
    tries: int = 0


def work(train: Train, stack: Stack, results: Path, device: str, order: Order) -> Ending:
    """Train a stack if nobody else does.

    Args:
        train: the training.
        stack: what to train; runs of it that are done or failed are left alone.
        results: the results folder.
        device: torch device.
        order: the circumstances.
    """
    folders = stack.folders(results)
    holder = Holder.this_process(order.token)
    try:
        leases, taken = claim_all([folder.path for folder in folders.values()], holder, order.dead)
    except RecordError as error:
        return Ending("disk", str(error))
    if taken is not None:
        seen = look(taken)
        return Ending("elsewhere", seen.holder.host if seen and seen.holder else "")
    is_apart = (order.host, order.pid) != (holder.host, holder.pid)
    try:
        if not open_seeds(stack, results):
            return Ending("settled")
        with _log(stack, results, is_apart), Heartbeat(leases, _on_loss(is_apart), order.beat_seconds):
            return _train(train, stack, results, device)
    finally:
        release_all(leases)


def open_seeds(stack: Stack, results: Path) -> tuple[int, ...]:
    """Those of a stack's runs that are neither done nor failed."""
    folders = stack.folders(results)
    return tuple(seed for seed, folder in folders.items() if folder.status in ("missing", "running"))


def _train(train: Train, stack: Stack, results: Path, device: str) -> Ending:
    folders = stack.folders(results)
    try:
        if train(stack.cell, stack.seeds, results, device) == "stopped":
            return Ending("stopped")
        if open_seeds(stack, results):
            raise RuntimeError("the training job ended without finishing its runs")
        forget_crashes(list(folders.values()))
        return Ending("settled")
    except LeaseLost as error:
        return Ending("elsewhere", str(error))
    except CheckpointError as error:
        return Ending("refused", str(error))
    except Exception as error:  # noqa: BLE001  (whatever an agent raises is recorded)
        text = traceback.format_exc()
        print(text, file=sys.stderr, flush=True)
        reason = one_line(error)
        if is_disk_error(error):
            return Ending("disk", reason)
        try:
            left = replace(stack, seeds=open_seeds(stack, results))
            tries = count_crash(left, folders, reason, text)
        except RecordError as refused:
            return Ending("disk", str(refused))
        return Ending("settled" if tries >= MAX_TRIES else "crashed", reason, tries)


def is_disk_error(error: BaseException | None) -> bool:
    """Whether the disk refused, whatever the run did."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK:
            return True
        error = error.__cause__
    return False


def one_line(error: BaseException) -> str:
    """Type and first line of an error."""
    if isinstance(error, RecordError):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]


def log_path(stack: Stack, results: Path) -> Path:
    """Where the output of a stack's jobs goes."""
    name = span(stack.seeds).partition(" ")[2]
    return cell_folder(stack.cell, results) / f"log_{name}.txt"


@contextmanager
def _log(stack: Stack, results: Path, is_apart: bool) -> Iterator[None]:
    """Lead the process's output, also that of libraries in C, and tracebacks of hard crashes, into a file."""
    if not is_apart or threading.current_thread() is not threading.main_thread():
        yield
        return
    with log_path(stack, results).open("ab", buffering=0) as log:
        when = time.strftime("%Y-%m-%d %H:%M:%S")
        log.write(f"--- {when} {Holder.this_process('').host}, process {os.getpid()}\n".encode())
        sys.stdout.flush()
        sys.stderr.flush()
        kept = os.dup(1), os.dup(2)
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
        faulthandler.enable(log)
        try:
            yield
        finally:
            faulthandler.disable()
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, before in zip((1, 2), kept, strict=True):
                os.dup2(before, descriptor)
                os.close(before)


def _on_loss(is_apart: bool) -> Callable[[], None]:
    """What to do when another process has taken over: end at once, before anything more is written."""

    def leave() -> None:
        if is_apart:
            print("another process has taken over these runs; this one leaves", file=sys.stderr, flush=True)
            os._exit(LOST_STATUS)

    return leave
