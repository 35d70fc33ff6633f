"""What a training writes down of its runs, and what it notices about them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ... import envs
from ...agents import Agent
from ...analysis.records import RecordError, run_folder
from ...envs import TeamSpec
from ..startup import provenance
from ..suites.cell import Cell
from .behaviour import Behaviour
from .best import Best
from .evaluate import evaluate
from .policies import save_policy


class Records:
    """Writes the records of all runs of a stack, and notices the ones that failed.

    `begin` starts them, `load_state_dict` goes on with them.

    Args:
        cell: what is trained.
        seeds: one run each.
        results: the results folder.
        team: the task.

    Attributes:
        alive: (S,) bool, the runs that go on.
    """

    def __init__(self, cell: Cell, seeds: tuple[int, ...], results: Path, team: TeamSpec) -> None:
        self.cell, self.seeds, self.team = cell, seeds, team
        self.folders = [
            run_folder(results, cell.suite, cell.task, cell.agent_label, cell.settings_hash, seed)
            for seed in seeds
        ]
        self.behaviour = Behaviour(cell.steps, self.folders)
        self.best = Best(cell, seeds, team)
        self.alive = np.ones(len(seeds), bool)
        self._resumed_at: list[int] = []
        self._seconds_before, self._began = 0.0, time.perf_counter()
        self._running_return = np.zeros(len(seeds) * cell.num_envs)
        self._finished: list[list[float]] = [[] for _ in seeds]
        self._metrics: dict[str, list[Tensor]] = defaultdict(list)

    @property
    def seconds(self) -> float:
        """Wall time of the training so far, without the time between a stop and going on."""
        return self._seconds_before + time.perf_counter() - self._began

    def begin(self, device: str, versions: Mapping[str, str]) -> None:
        """Start the records of all runs, with the task's own versions; what there was of them is removed."""
        made = provenance(device) | {"stack": str(list(self.seeds)), **versions}
        for seed, folder in zip(self.seeds, self.folders, strict=True):
            folder.clear()
            folder.start(run_record(self.cell, seed, self.team) | {"provenance": made})

    def note(
        self, step: int, reward: np.ndarray, ended: np.ndarray, actions: Tensor, metrics: Mapping[str, Tensor]
    ) -> None:
        """Keep one step's rewards (S * E,), ends of episodes (S * E,), actions and training metrics (S,)."""
        self._running_return += reward
        if ended.any():
            for copy in np.flatnonzero(ended):
                self._finished[copy // self.cell.num_envs].append(float(self._running_return[copy]))
            self._running_return[ended] = 0
        for name, values in metrics.items():
            self._metrics[name].append(values)
        sick = ~torch.isfinite(actions.flatten(1).sum(1))
        for values in metrics.values():
            sick |= ~torch.isfinite(values)
        if sick.any():
            names = [name for name, values in metrics.items() if not torch.isfinite(values).all()]
            self._give_up(sick.cpu().numpy(), f"not finite: {', '.join(names) or 'actions'}", step)

    def evaluate(
        self, step: int, agent: Agent, arena: envs.TeamEnv, further: Mapping[str, Tensor] | None = None
    ) -> None:
        """Evaluate all runs; append a line, with `further` metrics (S,), to the records of those alive."""
        episodes = evaluate(arena, agent, self.cell.evaluation.mode)
        self.best.note(step, agent, episodes, self.alive)
        diagnosis = {
            **agent.diagnose(episodes.observation),
            **self.behaviour.record(step, agent, arena, episodes, self.alive),
            **(further or {}),
        }
        training = {name: torch.stack(values, -1).mean(-1) for name, values in self._metrics.items()}
        self._metrics.clear()
        for row in np.flatnonzero(self.alive):
            finished = self._finished[row]
            measured = {name: float(values[row]) for name, values in {**training, **diagnosis}.items()}
            self.folders[row].append(
                {
                    "step": step,
                    "updates": agent.n_updates,
                    "seconds": round(self.seconds, 3),
                    "return": episodes.returns[row].tolist(),
                    "episode_length": episodes.lengths[row].tolist(),
                    "metrics": {name: values[row].tolist() for name, values in episodes.metrics.items()},
                    "training": {"return": float(np.mean(finished)) if finished else None, **measured},
                }
            )
        self._finished = [[] for _ in self._finished]

    def finish(self, step: int, agent: Agent) -> None:
        """Keep what the runs that came through have learned, and mark them as done."""
        for row in np.flatnonzero(self.alive):
            save_policy(self.folders[row], agent, int(row), self.cell.agent, step)
            self.best.finish(int(row), self.folders[row])
            seconds = round(self.seconds, 3)
            self.folders[row].finish(step, agent.n_updates, seconds, self._resumed_at)

    def state_dict(self) -> dict[str, Any]:
        """How far the records have come, and what the next line of them will tell."""
        return {
            "alive": self.alive.copy(),
            "cursors": [folder.cursor() for folder in self.folders],
            "resumed_at": list(self._resumed_at),
            "seconds": self.seconds,
            "running_return": self._running_return.copy(),
            "finished": [list(returns) for returns in self._finished],
            "metrics": {name: torch.stack(values) for name, values in self._metrics.items() if values},
            "behaviour": self.behaviour.state_dict(),
            "best": self.best.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], step: int) -> None:
        """Go on with the runs that have not ended, from `state`: what they have recorded since is dropped.

        Runs that are done or failed by now stay as they are.

        Args:
            state: made by `state_dict`.
            step: environment steps when it was made.

        Raises:
            RecordError: records are missing, or cannot be written.
        """
        self.alive = state["alive"].copy()
        for row, folder in enumerate(self.folders):
            status = folder.status
            if status == "missing":
                raise RecordError(f"{folder.path} has no records any more")
            if status != "running":
                self.alive[row] = False
            elif self.alive[row]:
                folder.cut(state["cursors"][row])
            else:
                folder.fail("it had failed already when the checkpoint was written", step)
        self._resumed_at = [*state["resumed_at"], step]
        self._seconds_before, self._began = state["seconds"], time.perf_counter()
        self._running_return = state["running_return"].copy()
        self._finished = [list(returns) for returns in state["finished"]]
        for name, values in state["metrics"].items():
            self._metrics[name] = list(values)
        self.behaviour.load_state_dict(state["behaviour"])
        self.best.load_state_dict(state["best"])

    def _give_up(self, sick: np.ndarray, reason: str, step: int) -> None:
        for row in np.flatnonzero(sick & self.alive):
            self.folders[row].fail(reason, step)
        self.alive &= ~sick


def run_record(cell: Cell, seed: int, team: TeamSpec) -> dict[str, Any]:
    """The content of a run's `run.json`, but for its provenance."""
    return {
        "suite": cell.suite,
        "suite_version": cell.suite_version,
        "budget": cell.budget,
        "task": {
            "id": cell.task,
            "settings": dict(team.settings),
            "evaluation_settings": dict(cell.evaluation_settings),
            "n_agents": team.n_agents,
            "horizon": team.horizon,
            "return_unit": team.return_unit,
            "metrics": list(team.metrics),
            **({} if team.win_metric is None else {"win_metric": team.win_metric}),
        },
        "agent": {"id": cell.agent, "settings": dict(cell.agent_settings)},
        "seed": seed,
        "steps": cell.steps,
        "num_envs": cell.num_envs,
        "evaluation": {
            "every": cell.evaluation.every,
            "episodes": cell.evaluation.episodes,
            "mode": cell.evaluation.mode,
            "score_last": cell.evaluation.score_last,
        },
        "settings_hash": cell.settings_hash,
    }
