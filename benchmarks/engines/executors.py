"""Where training jobs run: a `concurrent.futures.Executor`, by name.

The sweep asks it for `submit`, for a `BrokenExecutor` as the exception of a job whose process died, for
`shutdown(cancel_futures=True)` to end running jobs at once, and, where it has one, for `stop()`: ask running
jobs to stop at a checkpoint. `local` stands here: processes of one thread each on this machine.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import loky

from ..errors import SuiteError, unknown
from ..startup import ONE_THREAD, prepare_worker
from .devices import cores, place, split_device
from .job import JobLost, stop_when_orphaned

__all__ = ["ENGINES", "JobLost", "LocalEngine", "make_engine", "n_slots", "parse_options", "stop"]

T = TypeVar("T")

ENGINES = ("local", "slurm", "dask")
"""Engines with a name; any other is `module:factory`."""


def make_engine(
    text: str,
    n_workers: int | None = None,
    options: Mapping[str, str] | None = None,
    folder: Path = Path("results"),
    device: str = "cpu",
    per_gpu: int = 1,
) -> tuple[Executor, str]:
    """Make an engine, and say which device its jobs shall be told.

    A factory of the user's is called as `factory(n_workers, options)` with an int and a dict of strings, and
    returns a `concurrent.futures.Executor`.

    Args:
        text: `local`, `slurm`, `dask` or `module:factory`.
        n_workers: most jobs at once; the engine's own choice if None.
        options: of the engine, as the user wrote them.
        folder: where an engine may keep files of its own; machines that work together all see it.
        device: as in `devices.place`.
        per_gpu: most jobs at once on a GPU.

    Raises:
        SuiteError: an unknown engine or option, a missing extra, a device or scheduler that is not there.
    """
    options = dict(options or {})
    _, index = split_device(device)
    if text != "local" and index is not None:
        raise SuiteError(f"--device {device} names a GPU of this machine; with --engine {text} write cuda")
    if text == "local":
        refuse_unknown(text, options, ())
        placed = place(device, n_workers, per_gpu)
        return LocalEngine(len(placed.slots), slots=placed.slots), placed.device
    if text == "slurm":
        require_extra("slurm", "submitit")
        from .on_slurm import make_slurm_engine

        return make_slurm_engine(n_workers, options, folder, device, per_gpu), device
    if text == "dask":
        require_extra("dask", "distributed")
        from .on_dask import make_dask_engine

        return make_dask_engine(n_workers, options, device, per_gpu), device
    if ":" not in text:
        raise SuiteError(f"{unknown('engine', text, ENGINES)}; an engine of your own is module:factory")
    return _from_factory(text, n_workers or cores(), options), device


def n_slots(engine: Executor, n_workers: int | None) -> int:
    """Jobs to keep at an engine at once: its own number, or what the user asked for."""
    return getattr(engine, "n_workers", None) or n_workers or cores()


def stop(engine: Executor) -> bool:
    """Ask the running jobs to stop at a checkpoint; False if the engine cannot ask."""
    ask = getattr(engine, "stop", None)
    if ask is None:
        return False
    ask()
    return True


def parse_options(texts: Iterable[str]) -> dict[str, str]:
    """Options from `key=value`.

    Raises:
        SuiteError: another form, or a key twice.
    """
    options: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise SuiteError(f"cannot read --engine-option {text!r}; write key=value")
        if key in options:
            raise SuiteError(f"--engine-option {key} is given twice")
        options[key] = value
    return options


def refuse_unknown(engine: str, options: Iterable[str], known: Sequence[str]) -> None:
    """Refuse an option that the engine does not have.

    Raises:
        SuiteError: it names the nearest one.
    """
    for key in options:
        if not known:
            raise SuiteError(f"--engine {engine} takes no --engine-option, so not {key!r}")
        if key not in known:
            raise SuiteError(f"--engine-option: {unknown(f'option of {engine}', key, known)}")


def whole_number(options: dict[str, str], key: str, default: int, least: int = 1) -> int:
    """Take a whole number out of the options.

    Raises:
        SuiteError: it is none, or too small.
    """
    text = options.pop(key, str(default))
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise SuiteError(f"--engine-option {key} is a whole number from {least}, not {text!r}")
    return int(text)


def require_extra(extra: str, module: str) -> None:
    """Refuse an engine whose library is not installed.

    Raises:
        SuiteError: it says what to type.
    """
    if find_spec(module) is None:
        raise SuiteError(
            f"--engine {extra} needs {module}, which is not installed: pip install 'coordbench[{extra}]'"
        )


def _from_factory(text: str, n_workers: int, options: dict[str, str]) -> Executor:
    module, _, name = text.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise SuiteError(f"cannot import the engine {text!r}: {error}; it must be on PYTHONPATH") from error
    if not callable(factory):
        raise SuiteError(f"the engine {text!r}: {module} has no function {name!r}")
    engine = factory(n_workers, options)
    if not isinstance(engine, Executor):
        kind = type(engine).__name__
        raise SuiteError(f"the engine {text!r} made a {kind}, not a concurrent.futures.Executor")
    return engine


class LocalEngine(Executor):
    """Worker processes on this machine, each in a pool of its own.

    So a worker that is killed takes only its own job along (in a common pool loky gives up the neighbours'
    jobs too), and the next job finds a new worker in its place.

    Args:
        n_workers: jobs that run at once.
        initializer: what every worker does first.
        slots: environment variables of each worker; one thread each if None.
    """

    def __init__(
        self,
        n_workers: int,
        initializer: Callable[[], object] = prepare_worker,
        slots: Sequence[Mapping[str, str]] | None = None,
    ) -> None:
        self.n_workers = n_workers
        self._slots = [ONE_THREAD] * n_workers if slots is None else slots
        self._initializer = initializer
        self._pools: list[loky.ProcessPoolExecutor | None] = [None] * n_workers
        self._busy: set[int] = set()
        self._free: SimpleQueue[int] = SimpleQueue()
        for slot in range(n_workers):
            self._free.put(slot)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start a job; waits for a free worker."""
        slot = self._free.get()
        pool = self._pools[slot]
        if pool is None:
            pool = loky.ProcessPoolExecutor(
                1, env=dict(self._slots[slot]), initializer=_start_worker, initargs=(self._initializer,)
            )
            self._pools[slot] = pool
        self._busy.add(slot)
        future: Future[T] = pool.submit(fn, *args, **kwargs)
        future.add_done_callback(lambda ended: self._release(slot, ended))
        return future

    def stop(self) -> None:
        """Ask the running jobs to stop at a checkpoint (SIGTERM)."""
        for slot in tuple(self._busy):
            pool = self._pools[slot]
            pids = tuple(pool._processes or ()) if pool is not None else ()  # loky tells them nowhere else
            for pid in pids:
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(pid, signal.SIGTERM)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the running jobs, or kill them if `cancel_futures`; idle workers leave on their own."""
        for slot, pool in enumerate(self._pools):
            if pool is not None:
                pool.shutdown(wait=wait and slot in self._busy, kill_workers=cancel_futures)

    def _release(self, slot: int, ended: Future[Any]) -> None:
        self._busy.discard(slot)
        if not ended.cancelled() and isinstance(ended.exception(), BrokenExecutor):
            self._pools[slot] = None
        self._free.put(slot)


def _start_worker(initializer: Callable[[], object]) -> None:
    """Leave Ctrl-C, which reaches all processes of a terminal, to the parent, and stop if that has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop_when_orphaned()
    initializer()
