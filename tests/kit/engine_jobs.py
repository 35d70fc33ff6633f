"""Jobs for the tests of the engines; workers import this file by name."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path


def double(x: int) -> int:
    return 2 * x


def breaks(x: int) -> int:
    raise FloatingPointError(f"no number {x}\nbut a second line")


class StubbornError(Exception):
    """Cannot be unpickled: its argument is not the one that it is made of."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


def breaks_stubbornly() -> None:
    raise StubbornError(1, 2)


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_once(marks: Path) -> str:
    """Is killed the first time."""
    if mark(marks, "try") == 1:
        dies()
    return "done"


def environment(*names: str) -> dict[str, str | None]:
    print("this line is no answer")
    return {name: os.environ.get(name) for name in names}


def threads() -> dict[str, int]:
    """As training finds them, and in a pool within it."""
    import loky
    import torch
    from coordbench.benchmarks.startup import prepare_worker

    prepare_worker()
    with loky.ProcessPoolExecutor(1) as pool:
        inner = pool.submit(_torch_threads).result(60)
    return {"torch": torch.get_num_threads(), "inner": inner, "loky": loky.cpu_count()}


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def masked() -> bool:
    """Whether Slurm's signal before the time limit is kept from this process."""
    return signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def mark(marks: Path, name: str) -> int:
    """Leave a mark; how many of this name there are now."""
    with (marks / name).open("a") as file:
        file.write("x")
    return (marks / name).stat().st_size


def counts(marks: Path, name: str, n: int, seconds: float = 0.1) -> str:
    """Counts to `n` as training counts steps: stops at SIGTERM, goes on where it was, notes each step."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    mark(marks, f"{name}.starts")
    (marks / f"{name}.pid").write_text(str(os.getpid()))
    file = marks / f"{name}.steps"
    while (file.stat().st_size if file.exists() else 0) < n:
        if asked.is_set():
            mark(marks, f"{name}.stops")
            return "stopped"
        mark(marks, f"{name}.steps")
        time.sleep(seconds)
    return "done"


def wait_for(condition, seconds: float = 60.0):
    """What `condition` returns once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{condition} did not become true in {seconds} s")


def is_there(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
