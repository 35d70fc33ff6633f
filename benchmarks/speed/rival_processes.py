"""Interpreters of the user's that step other packages' environments when they are asked to."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Rival(NamedTuple):
    """What is stepped: a package as `name==version`, its task, and how many copies of that."""

    package: str
    task: str
    copies: int


class Rivals:
    """Running interpreters with other packages; leaving the context ends them.

    Args:
        interpreters: paths of Python interpreters.
        tasks: what each package is to step: name -> (task, copies) each. Packages that are not there, and
            those that are not asked for anything, are left out.
        seconds: of a chunk.

    Attributes:
        chunks: for each what is called for one chunk; steps a second.

    Raises:
        ValueError: a path that is no interpreter, or a package that gives up.
    """

    def __init__(
        self, interpreters: Collection[str], tasks: Mapping[str, Sequence[tuple[str, int]]], seconds: float
    ) -> None:
        self.chunks: dict[Rival, Callable[[], float]] = {}
        self._interpreters, self._tasks, self._seconds = interpreters, tasks, seconds
        self._running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Rivals:
        script = str(Path(__file__).with_name("rival_steps.py"))
        try:
            for python in self._interpreters:
                for line in _asked([python, script]).splitlines():
                    name = line.partition("==")[0]
                    for task, copies in self._tasks.get(name, ()):
                        command = [python, script, name, task, str(copies), str(self._seconds)]
                        self.chunks[Rival(line, task, copies)] = self._start(command)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    def _start(self, command: list[str]) -> Callable[[], float]:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._running.append(process)

        def line() -> str:
            assert process.stdout is not None
            answer = process.stdout.readline().strip()
            if not answer:
                raise ValueError(f"{' '.join(command)} gave up; run it by itself to see why")
            return answer

        line()

        def chunk() -> float:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            return float(line())

        return chunk


def _asked(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError(f"cannot run {command[0]!r} as a Python interpreter: {error}") from error
