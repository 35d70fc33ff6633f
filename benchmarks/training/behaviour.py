"""What is recorded about a team's coordination, when, and where: measures and positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ... import envs
from ...agents import Agent
from ...analysis.coordination.positions import POSITIONS_AFTER, PositionsFile
from ...analysis.records import RunFolder
from ...envs.scene import Rectangle
from .evaluate import EVALUATION_SEED, Episodes, flattened, mask_of, stacked
from .probe import measure

SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Measured at the first evaluation after each of these shares of the training steps."""

EPISODES, MAX_ROUNDS = 100, 5
"""Episodes a seed whose positions are kept, if so many rounds of the evaluation's copies give them."""


class Behaviour:
    """Measures coordination at a few evaluations of a stack of runs.

    Args:
        steps: environment steps of a run.
        folders: of the runs, in the order of the agent's seeds.
    """

    def __init__(self, steps: int, folders: Sequence[RunFolder]) -> None:
        self._left = [share * steps for share in SHARES]
        self._files = [PositionsFile(folder.path) for folder in folders]

    def record(
        self, step: int, agent: Agent, arena: envs.TeamEnv, episodes: Episodes, alive: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Measures (S,) for the evaluation's line, none if this evaluation is not measured.

        Args:
            step: environment steps of training so far.
            agent: as it is now.
            arena: the environment of the evaluations, free to be reset.
            episodes: of the evaluation.
            alive: (S,) runs whose positions are kept.
        """
        if not self._left or step < self._left[0]:
            return {}
        self._left = [due for due in self._left if due > step]
        shown = positions(agent, arena)
        if shown is not None:
            frame, places = shown
            for row in np.flatnonzero(alive):
                self._files[row].append(
                    {"step": step, "updates": agent.n_updates, **frame, "positions": places[row]}
                )
        return measure(agent, episodes.observation, episodes.mask)

    def state_dict(self) -> dict[str, Any]:
        """What is still to be measured."""
        return {"left": list(self._left)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        self._left = list(state["left"])


def positions(agent: Agent, arena: envs.TeamEnv) -> tuple[dict[str, Any], list[list[Any]]] | None:
    """Where members of exploring teams are after ``POSITIONS_AFTER`` steps of an episode.

    Args:
        agent: acts for S seeds.
        arena: as many copies for each seed.

    Returns:
        What is the same in all episodes: `low` and `high` corners and `marks`, rectangles (x, y, width,
        height) as they stand at the start; and for each seed, for each episode that lasted, positions (N, 2).
        None where episodes are shorter or the task shows no positions.
    """
    n, n_seeds = arena.team.n_agents, len(agent.seeds)
    if arena.team.horizon < POSITIONS_AFTER or _members(arena, 0).shape != (n, 2):
        return None
    copies = arena.num_envs // n_seeds
    policy = agent.policy("explore", seed=0)
    found: list[list[Any]] = [[] for _ in agent.seeds]
    frame: dict[str, Any] = {}
    for number in range(min(-(-EPISODES // copies), MAX_ROUNDS)):
        observation, info = arena.reset(seed=envs.copy_seeds(EVALUATION_SEED + number, copies) * n_seeds)
        frame = frame or _frame(arena)
        lasting, starting = np.ones(arena.num_envs, bool), np.ones(arena.num_envs, bool)
        for step in range(POSITIONS_AFTER):
            now = stacked(observation, n_seeds, agent.device)
            actions = policy.act(
                now, mask_of(info, n_seeds, agent.device), stacked(starting, n_seeds, agent.device)
            )
            observation, _, terminated, truncated, info = arena.step(flattened(actions))
            starting = terminated | truncated
            if step + 1 < POSITIONS_AFTER and starting.any():
                lasting &= ~starting
                observation, info = arena.reset(options={"reset_mask": starting})
        for copy in np.flatnonzero(lasting):
            found[copy // copies].append(_members(arena, int(copy)).round(3).tolist())
    return frame, [places[:EPISODES] for places in found]


def _members(arena: envs.TeamEnv, copy: int) -> np.ndarray:
    """Positions (N, 2), or (0, 2) of tasks that show none."""
    try:
        return arena.scene(copy).members
    except NotImplementedError:
        return np.empty((0, 2))


def _frame(arena: envs.TeamEnv) -> dict[str, Any]:
    scene = arena.scene(0)
    marks = [[s.x, s.y, s.width, s.height] for s in scene.shapes if isinstance(s, Rectangle)]
    return {"low": list(scene.low), "high": list(scene.high), "marks": np.round(marks, 3).tolist()}
