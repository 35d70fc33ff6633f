"""The training loop: act, step, observe, update; an evaluation every so often; all of it into the records."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import agents, envs
from ..agents import Agent, Transition
from ..analysis.records import run_folder
from ..envs import TeamSpec, copy_seeds
from .behaviour import Behaviour
from .cell import Cell
from .evaluate import evaluate, flattened, mask_of, stacked
from .policies import save_policy
from .startup import prepare_worker, provenance


def train(cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
    """Train one cell's runs with these seeds together, from the start, and record them.

    A seed whose numbers stop being finite is marked failed and left behind; the others go on undisturbed.

    Args:
        cell: task, agent, settings, budget.
        seeds: one run each.
        results: the results folder.
        device: torch device of the agent.
    """
    prepare_worker()
    n_seeds, copies = len(seeds), cell.num_envs
    env = envs.make(cell.task, num_envs=n_seeds * copies, **cell.task_settings)
    arena = envs.make(
        cell.task,
        num_envs=n_seeds * cell.evaluation.episodes,
        **{**cell.task_settings, **cell.evaluation_settings},
    )
    agent = agents.make(cell.agent, env.team, seeds, device, settings=cell.agent_settings)
    records = Records(cell, seeds, results, env.team)

    policy = agent.policy("explore")
    observation, info = env.reset(seed=[s for seed in seeds for s in copy_seeds(seed, copies)])
    starting = np.ones(env.num_envs, bool)
    records.evaluate(0, agent, arena)
    step, next_evaluation = 0, cell.evaluation.every
    while step < cell.steps and records.alive.any():
        now = stacked(observation, n_seeds, agent.device)
        state = stacked(info["state"], n_seeds, agent.device)
        first = stacked(starting, n_seeds, agent.device)
        mask = mask_of(info, n_seeds, agent.device)
        actions = policy.act(now, mask, first)
        observation, reward, terminated, truncated, info = env.step(flattened(actions))
        agent.observe(
            Transition(
                observation=now,
                action=actions,
                reward=stacked(info["agent_reward"], n_seeds, agent.device).float(),
                terminated=stacked(terminated, n_seeds, agent.device),
                truncated=stacked(truncated, n_seeds, agent.device),
                next_observation=stacked(observation, n_seeds, agent.device),
                state=state,
                next_state=stacked(info["state"], n_seeds, agent.device),
                mask=mask,
                next_mask=mask_of(info, n_seeds, agent.device),
            )
        )
        step += copies
        starting = terminated | truncated
        records.note(step, reward, starting, actions, agent.update())
        if starting.any():
            observation, info = env.reset(options={"reset_mask": starting})
        if step >= cell.steps:
            records.evaluate(step, agent, arena, other_modes(agent, arena, cell.evaluation.mode))
        elif step >= next_evaluation:
            records.evaluate(step, agent, arena)
            next_evaluation += cell.evaluation.every
    records.finish(step, agent)


def other_modes(agent: Agent, arena: envs.TeamEnv, mode: str) -> dict[str, Tensor]:
    """Mean returns (S,) under the agent's other ways to play what it has learned, for the last evaluation."""
    others = [name for name in agent.modes if name not in ("explore", mode)]
    return {
        f"return_{name}": torch.from_numpy(evaluate(arena, agent, name).returns.mean(1)) for name in others
    }


class Records:
    """Writes the records of all runs of a stack, and notices the ones that failed.

    Attributes:
        alive: (S,) bool, the runs that go on.
    """

    def __init__(self, cell: Cell, seeds: tuple[int, ...], results: Path, team: TeamSpec) -> None:
        self.cell, self.n_seeds = cell, len(seeds)
        self.folders = [
            run_folder(results, cell.suite, cell.task, cell.agent_label, cell.settings_hash, seed)
            for seed in seeds
        ]
        made = provenance()
        for seed, folder in zip(seeds, self.folders, strict=True):
            folder.clear()
            folder.start(run_record(cell, seed, team) | {"provenance": made | {"stack": str(list(seeds))}})
        self.behaviour = Behaviour(cell.steps, self.folders)
        self.alive = np.ones(self.n_seeds, bool)
        self.began = time.perf_counter()
        self._running_return = np.zeros(self.n_seeds * cell.num_envs)
        self._finished: list[list[float]] = [[] for _ in seeds]
        self._metrics: dict[str, list[Tensor]] = defaultdict(list)

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
        diagnosis = {
            **agent.diagnose(episodes.observation),
            **self.behaviour.record(step, agent, arena, episodes, self.alive),
            **(further or {}),
        }
        seconds = time.perf_counter() - self.began
        training = {name: torch.stack(values, -1).mean(-1) for name, values in self._metrics.items()}
        self._metrics.clear()
        for row in np.flatnonzero(self.alive):
            finished = self._finished[row]
            measured = {name: float(values[row]) for name, values in {**training, **diagnosis}.items()}
            self.folders[row].append(
                {
                    "step": step,
                    "updates": agent.n_updates,
                    "seconds": round(seconds, 3),
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
            save_policy(self.folders[row], agent, int(row))
            self.folders[row].finish(step, agent.n_updates, round(time.perf_counter() - self.began, 3))

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
