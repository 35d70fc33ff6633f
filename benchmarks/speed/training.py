"""Where a training run spends its time: the real training loop with an agent that looks at the clock."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from ...agents import Policy, Transition
from ...agents.actor_critics.vm3ac import VM3AC
from ..suites.suite_file import read_suite
from ..training.train import train

WARM_UP = 200
"""Environment steps a seed before the first update; the budget's own would only prolong the measurement."""


def timed_training(task: str, seeds: int, steps: int) -> dict[str, float]:
    """Seconds by phase of a run of VM3-AC at the coordination suite's quick budget, one evaluation included.

    Args:
        task: a task of the suite.
        seeds: trained together.
        steps: environment steps a seed, counted from the first update on.
    """
    cell = read_suite("coordination").cells("quick", [task], ["vm3ac"])[0]
    cell = replace(
        cell,
        agent=f"{__name__}:TimedVM3AC",
        agent_settings={**cell.agent_settings, "warm_up": WARM_UP},
        steps=WARM_UP + steps,
        evaluation=replace(cell.evaluation, every=WARM_UP + steps),
    )
    watch = TimedVM3AC.watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        train(cell, tuple(range(seeds)), Path(folder))
    watch.lap("other")
    return {phase: watch.seconds[phase] for phase in Stopwatch.PHASES}


class Stopwatch:
    """Seconds by phase."""

    PHASES = ("update", "environment step", "act", "store", "evaluation", "other")

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.running = False
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Count the time since the last lap as `phase`."""
        now = time.perf_counter()
        self.seconds[phase] += now - self._last
        self._last = now


class TimedVM3AC(VM3AC):
    """VM3-AC that times the training loop around it, from its first gradient step on."""

    watch: ClassVar[Stopwatch] = Stopwatch()

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """As VM3-AC's; asking for any mode but "explore" begins an evaluation."""
        self.watch.lap("other")
        policy = super().policy(mode, seed)
        return _TimedPolicy(policy, self.watch) if mode == "explore" else policy

    def observe(self, transition: Transition) -> None:
        """Store one step; what passed since acting was the environment's."""
        self.watch.lap("environment step")
        super().observe(transition)
        self.watch.lap("store")

    def update(self) -> dict[str, Tensor]:
        """Do the gradient steps due; the first ends the warm-up and what was timed until then."""
        self.watch.lap("other")
        metrics = super().update()
        self.watch.lap("update")
        if metrics and not self.watch.running:
            self.watch.running = True
            self.watch.seconds.clear()
        return metrics

    def diagnose(self, observation: Tensor) -> dict[str, Tensor]:
        """As VM3-AC's; it ends an evaluation."""
        measures = super().diagnose(observation)
        self.watch.lap("evaluation")
        return measures


class _TimedPolicy(Policy):
    def __init__(self, policy: Policy, watch: Stopwatch) -> None:
        self.policy, self.watch = policy, watch

    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        self.watch.lap("other")
        actions = self.policy.act(observation, mask, starting)
        self.watch.lap("act")
        return actions
