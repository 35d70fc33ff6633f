"""The training loop: act, step, observe, update; an evaluation every so often; all of it into the records."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ... import agents, envs
from ...agents import Agent, Transition
from ...envs import copy_seeds
from ..engines.devices import resolve_device
from ..startup import prepare_worker
from ..suites.cell import Cell
from ..suites.stack import cell_folder, folder_of
from .checkpoint import CHECKPOINT_MINUTES, Checkpoints, checkpoint_folder
from .evaluate import evaluate, flattened, mask_of, stacked
from .recording import Records
from .stopping import stoppable


def train(
    cell: Cell,
    seeds: tuple[int, ...],
    results: Path,
    device: str = "cpu",
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
) -> Literal["finished", "stopped"]:
    """Train one cell's runs with these seeds together and record them.

    Goes on from the checkpoint of exactly these seeds if there is one, bit for bit as if it had never been
    interrupted; else starts those that are not done. A seed whose numbers stop being finite is marked failed
    and left behind; the others go on undisturbed.

    SIGTERM, or `stopping.request_stop` where training is in a thread, makes it write a checkpoint after the
    step at hand and return.

    Args:
        cell: task, agent, settings, budget.
        seeds: one run each.
        results: the results folder.
        device: torch device of the agent.
        checkpoint_minutes: wall time between checkpoints, at least; 0: none, not even when stopped.

    Returns:
        "finished": no run is left to train; "stopped": it was asked to, the same call goes on.

    Raises:
        CheckpointError: there is a checkpoint that cannot be used.
        RecordError: records that cannot be written.
    """
    device = resolve_device(device)
    prepare_worker(device=device)
    checkpoints = Checkpoints(
        checkpoint_folder(cell_folder(cell, results), seeds),
        {
            "agent": cell.agent,
            "task": cell.task,
            "settings": cell.settings_hash,
            "seeds": list(seeds),
            "device": torch.device(device).type,
        },
        checkpoint_minutes,
    )
    with stoppable() as stop, ExitStack() as at_end:
        saved = checkpoints.read(device)
        if saved is None:
            seeds = tuple(seed for seed in seeds if folder_of(cell, seed, results).status != "done")
        if not seeds:
            return "finished"
        training = Training(cell, seeds, results, device)
        at_end.callback(training.close)
        if saved is None:
            training.begin()
        else:
            try:
                training.load_state_dict(saved)
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                raise checkpoints.refusal(error) from error
            del saved
        while not training.is_over:
            if stop.is_set or checkpoints.is_due:
                training.settle()
                checkpoints.write(training.step, training.state_dict)
            if stop.is_set:
                return "stopped"
            if not training.is_over:
                training.advance()
        training.finish()
        checkpoints.remove()
    return "finished"


class Training:
    """A stack of runs in training, between two steps: `begin` or `load_state_dict`, then `advance`.

    Args:
        cell: task, agent, settings, budget.
        seeds: one run each.
        results: the results folder.
        device: torch device of the agent.
    """

    def __init__(self, cell: Cell, seeds: tuple[int, ...], results: Path, device: str = "cpu") -> None:
        self.cell, self.seeds, self.device = cell, seeds, device
        self.env = envs.make(cell.task, num_envs=len(seeds) * cell.num_envs, **cell.task_settings)
        self.arena = envs.make(
            cell.task,
            num_envs=len(seeds) * cell.evaluation.episodes,
            **{**cell.task_settings, **cell.evaluation_settings},
        )
        self.agent = agents.make(cell.agent, self.env.team, seeds, device, settings=cell.agent_settings)
        self.records = Records(cell, seeds, results, self.env.team)
        self.policy = self.agent.policy("explore")
        self.step, self.next_evaluation = 0, cell.evaluation.every
        self.observation, self.info = np.empty(0), {}
        self.starting = np.ones(self.env.num_envs, bool)
        self._cuts_short = False

    def begin(self) -> None:
        """Start the records and the first episodes."""
        self.records.begin(self.device, self.env.versions())
        streams = [stream for seed in self.seeds for stream in copy_seeds(seed, self.cell.num_envs)]
        self.observation, self.info = self.env.reset(seed=streams)
        self.records.evaluate(0, self.agent, self.arena)

    @property
    def is_over(self) -> bool:
        """Whether no run is left that has steps to go."""
        return self.step >= self.cell.steps or not self.records.alive.any()

    def advance(self) -> None:
        """One step of all copies, the updates and the evaluation that are due after it."""
        now, state, mask = self._seen()
        actions = self.policy.act(now, mask, self._stacked(self.starting))
        self.observation, reward, terminated, truncated, self.info = self.env.step(flattened(actions))
        truncated |= self._cuts_short
        next_observation, next_state, next_mask = self._seen()
        self.agent.observe(
            Transition(
                observation=now,
                action=actions,
                reward=self._stacked(self.info["agent_reward"]).float(),
                terminated=self._stacked(terminated),
                truncated=self._stacked(truncated),
                next_observation=next_observation,
                state=state,
                next_state=next_state,
                mask=mask,
                next_mask=next_mask,
            )
        )
        self.step += self.cell.num_envs
        self.starting = terminated | truncated
        self.records.note(self.step, reward, self.starting, actions, self.agent.update())
        if self.starting.any():
            self.observation, self.info = self.env.reset(options={"reset_mask": self.starting})
        if self.step >= self.cell.steps:
            further = other_modes(self.agent, self.arena, self.cell.evaluation.mode)
            self.records.evaluate(self.step, self.agent, self.arena, further)
        elif self.step >= self.next_evaluation:
            self.records.evaluate(self.step, self.agent, self.arena)
            self.next_evaluation += self.cell.evaluation.every

    def settle(self) -> None:
        """Make a checkpoint possible where a task cannot be restored within an episode: between two.

        Plays one step more, after which all episodes are cut short, as by a time limit.
        """
        if not self.env.is_restorable and not self.starting.all():
            self._cuts_short = True
            self.advance()
            self._cuts_short = False

    def finish(self) -> None:
        """Keep what has been learned, and mark the runs as done."""
        self.records.finish(self.step, self.agent)

    def close(self) -> None:
        """End what the environments keep running."""
        self.env.close()
        self.arena.close()

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on; it may share memory with the agent."""
        return {
            "step": self.step,
            "next_evaluation": self.next_evaluation,
            "observation": self.observation,
            "state": self.info["state"],
            "starting": self.starting,
            "env": self.env.snapshot(),
            "versions": self.env.versions(),
            "agent": self.agent.state_dict(),
            "policy": self.policy.state_dict(),
            "records": self.records.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, instead of `begin`.

        Raises:
            ValueError: the environment or the records cannot be brought there.
        """
        self.step, self.next_evaluation = state["step"], state["next_evaluation"]
        if state["versions"] != self.env.versions():
            raise ValueError(f"it was written with {state['versions']}, and here is {self.env.versions()}")
        self.env.restore(state["env"])
        self.observation, self.info = self.env.observe()
        if self.env.is_restorable:
            if not np.allclose(self.observation, state["observation"], rtol=1e-3, atol=1e-3):
                raise ValueError(
                    f"{self.cell.task} shows something else here after its episodes were restored"
                )
            self.observation, self.info["state"] = state["observation"], state["state"]
        self.starting = state["starting"]
        self.agent.load_state_dict(state["agent"])
        self.policy.load_state_dict(state["policy"])
        self.records.load_state_dict(state["records"], self.step)

    def _seen(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Observation, state and action mask as the agent gets them."""
        mask = mask_of(self.info, len(self.seeds), self.agent.device)
        return self._stacked(self.observation), self._stacked(self.info["state"]), mask

    def _stacked(self, array: np.ndarray) -> Tensor:
        return stacked(array, len(self.seeds), self.agent.device)


def other_modes(agent: Agent, arena: envs.TeamEnv, mode: str) -> dict[str, Tensor]:
    """Mean returns (S,) under the agent's other ways to play what it has learned, for the last evaluation."""
    others = [name for name in agent.modes if name not in ("explore", mode)]
    return {
        f"return_{name}": torch.from_numpy(evaluate(arena, agent, name).returns.mean(1)) for name in others
    }
