"""How long stacks will take, judged by those that have ended, so that the dearest are not begun last."""

from __future__ import annotations

import math
from pathlib import Path

from ..suites.stack import Stack
from .progress import last_evaluation


class Pace:
    """Seconds that an agent needs for a unit of `Stack.cost`, learned while a sweep runs."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def learn(self, stack: Stack, results: Path) -> None:
        """Take note of a stack that has ended, here or elsewhere; one that failed teaches nothing."""
        done = [folder for folder in stack.folders(results).values() if folder.status == "done"]
        if done and (last := last_evaluation(done[0])):
            self._seconds[stack.cell.agent_label] = last["seconds"] / stack.cost

    def expected(self, stack: Stack) -> float:
        """Seconds that a stack will take; infinite while its agent is unknown: that goes first."""
        return stack.cost * self._seconds.get(stack.cell.agent_label, math.inf)
