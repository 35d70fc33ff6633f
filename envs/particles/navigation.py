"""Cooperative navigation: N members share N landmarks out among themselves without bumping into each other.

Task
    Every landmark should have a member close to it. Members are heavy discs that push each other away.
Observation
    6 N numbers: own velocity (2), own position (2), landmarks relative to self (2 N, landmark order), other
    members relative to self (2 (N-1), member order), their communication (2 (N-1), always zero, kept for the
    layout).
Action
    Force on oneself, (2,) in [-1, 1].
Reward
    Member i earns -(sum over landmarks of the nearest member's distance) - (number of others that i touches).
    With ``team_reward="mean"`` every member receives the members' mean; with ``"individual"`` its own.
Episode
    All positions uniform in [-1, 1]^2, velocities zero. Truncated after ``horizon`` steps, never terminated.
State
    6 N numbers: positions (2 N), velocities (2 N), landmarks (2 N).
Metrics
    ``collisions``: touching pairs, summed over the steps so far. ``landmarks_covered``: landmarks with a
    member closer than 0.1, now. ``landmark_distance``: nearest member's distance, mean over landmarks and
    steps so far.
Settings
    ``NavigationSettings``.
Source
    OpenAI multiagent-particle-envs ``simple_spread``; mpe2 1.1.1 ``simple_spread_v3`` with
    ``physics="mpe2"``. Deviations: a member does not count as touching itself (OpenAI's does, a constant -1),
    the two-dimensional force is the action, and mpe2 halves both parts of the reward.
Versions
    v1: first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from ..base import TeamEnv
from ..generator import uniform
from ..kernels import Kernel, device, prange
from ..rewards import share_rewards
from ..scene import Scene
from ..team import TeamSpec
from .navigation_reference import assignment_policy
from .physics import SENSITIVITY, add_contacts, integrate, squared_distance
from .scenes import navigation_scene

CONTACT_DISTANCE = 0.3
"""Two members of radius 0.15."""
COVER_RADIUS = 0.1
"""As in mpe2's benchmark data."""
METRICS = ("collisions", "landmarks_covered", "landmark_distance")


@dataclass(frozen=True)
class NavigationSettings:
    """Settings of cooperative navigation.

    Attributes:
        n_agents: N, members and landmarks; fixed by the task id.
        horizon: steps of an episode (25: OpenAI maddpg train.py).
        physics: "openai" moves with the new velocity, "mpe2" with the old one.
        team_reward: "mean" of the members' rewards for all, or "individual".
        dtype: of observations and state; the physics is float64 always.
    """

    n_agents: int = 3
    horizon: int = 25
    physics: Literal["openai", "mpe2"] = "openai"
    team_reward: Literal["mean", "individual"] = "mean"
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if self.n_agents < 1 or self.horizon < 1:
            raise ValueError(f"n_agents and horizon must be >= 1, got {self.n_agents} and {self.horizon}")


@device
def observe_copy(position, velocity, landmark, observation, state, b):
    """Observation (B, N, 6 N) and state (B, 6 N) of copy ``b``; the other arrays are (B, N, 2)."""
    n = position.shape[1]
    for i in range(n):
        x, y = position[b, i, 0], position[b, i, 1]
        observation[b, i, 0], observation[b, i, 1] = velocity[b, i, 0], velocity[b, i, 1]
        observation[b, i, 2], observation[b, i, 3] = x, y
        column = 4
        for j in range(n):
            observation[b, i, column] = landmark[b, j, 0] - x
            observation[b, i, column + 1] = landmark[b, j, 1] - y
            column += 2
        for j in range(n):
            if j != i:
                observation[b, i, column] = position[b, j, 0] - x
                observation[b, i, column + 1] = position[b, j, 1] - y
                column += 2
        for silent in range(column, 6 * n):
            observation[b, i, silent] = 0.0
        for k in range(2):
            state[b, 2 * i + k] = position[b, i, k]
            state[b, 2 * (n + i) + k] = velocity[b, i, k]
            state[b, 2 * (2 * n + i) + k] = landmark[b, i, k]


@device
def score_copy(position, landmark, own, metrics, steps, b):
    """What each member earns ``own`` (B, N) and the metrics (B, 3) of copy ``b`` after ``steps`` steps."""
    n = position.shape[1]
    distance, covered = 0.0, 0
    for j in range(n):
        square = math.inf
        for i in range(n):
            square = min(square, squared_distance(position, i, landmark, j, b))
        nearest = math.sqrt(square)
        distance += nearest
        covered += nearest < COVER_RADIUS
    for i in range(n):
        own[b, i] = -distance
    for i in range(n):
        for j in range(i + 1, n):
            if math.sqrt(squared_distance(position, i, position, j, b)) < CONTACT_DISTANCE:
                own[b, i] -= 1.0
                own[b, j] -= 1.0
                metrics[b, 0] += 1.0
    metrics[b, 1] = covered
    metrics[b, 2] += (distance / n - metrics[b, 2]) / steps


def _start(mask, generator, position, velocity, landmark):
    """New episodes for the copies in ``mask``: members, then landmarks, uniform in [-1, 1]^2."""
    for b in prange(mask.size):
        if mask[b]:
            for i in range(position.shape[1]):
                for k in range(2):
                    position[b, i, k] = uniform(generator, b, -1.0, 1.0)
                    velocity[b, i, k] = 0.0
            for j in range(landmark.shape[1]):
                for k in range(2):
                    landmark[b, j, k] = uniform(generator, b, -1.0, 1.0)


def _observe(position, velocity, landmark, observation, state):
    """Observations and states of all copies."""
    for b in prange(position.shape[0]):
        observe_copy(position, velocity, landmark, observation, state, b)


def _step(
    actions,
    elapsed,
    position,
    velocity,
    landmark,
    force,
    own,
    mpe2,
    individual,
    metrics,
    observation,
    state,
    agent_reward,
    reward,
):
    """One step of all copies: forces from the present positions, motion, rewards, observations."""
    for b in prange(position.shape[0]):
        for i in range(position.shape[1]):
            for k in range(2):
                force[b, i, k] = SENSITIVITY * actions[b, i, k]
        add_contacts(position, CONTACT_DISTANCE, force, b)
        integrate(position, velocity, force, mpe2, b)
        score_copy(position, landmark, own, metrics, elapsed[b], b)
        share_rewards(own, individual, b, agent_reward, reward)
        observe_copy(position, velocity, landmark, observation, state, b)


START, OBSERVE, STEP = Kernel(_start), Kernel(_observe), Kernel(_step)


class CooperativeNavigation(TeamEnv):
    """B copies of cooperative navigation; see the module's docstring."""

    settings_type = NavigationSettings
    presets = {"cooperative_navigation_3-v1": {"n_agents": 3}}  # noqa: RUF012  (others: ``preset``)
    reference_policy = staticmethod(assignment_policy)

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed)
        settings = NavigationSettings(**team.settings)
        self._mpe2 = settings.physics == "mpe2"
        self._individual = settings.team_reward == "individual"
        self._position = self._state_array("position", (team.n_agents, 2), np.float64)
        self._velocity = self._state_array("velocity", (team.n_agents, 2), np.float64)
        self._landmark = self._state_array("landmark", (team.n_agents, 2), np.float64)
        self._force = np.zeros_like(self._position)
        self._own = np.zeros((num_envs, team.n_agents))

    @classmethod
    def preset(cls, task_id: str) -> dict[str, int]:
        """N stands in the task id: ``"cooperative_navigation_5-v1"`` has five members."""
        return {"n_agents": int(task_id.removesuffix("-v1").rpartition("_")[2])}

    @classmethod
    def describe(cls, task_id: str, settings: NavigationSettings) -> TeamSpec:
        """The TeamSpec of a task id under these settings."""
        n = settings.n_agents
        unit, sizes, values = "mean over members", (6 * n,) * n, asdict(settings)
        return TeamSpec(task_id, n, sizes, 6 * n, "continuous", 2, settings.horizon, METRICS, unit, values)

    def scene(self, copy: int = 0) -> Scene:
        """Landmarks with their covering radius, members to scale."""
        metrics = dict(zip(self.team.metrics, self._metrics[copy], strict=True))
        radius = CONTACT_DISTANCE / 2
        return navigation_scene(self._position[copy], self._landmark[copy], radius, COVER_RADIUS, metrics)

    def _start(self, mask: np.ndarray) -> None:
        start = START.for_batch(self.num_envs)
        start(mask, self._generator, self._position, self._velocity, self._landmark)

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        observe = OBSERVE.for_batch(self.num_envs)
        observe(self._position, self._velocity, self._landmark, observation, state)

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> None:
        STEP.for_batch(self.num_envs)(
            self._actions,
            self._elapsed,
            self._position,
            self._velocity,
            self._landmark,
            self._force,
            self._own,
            self._mpe2,
            self._individual,
            self._metrics,
            observation,
            state,
            agent_reward,
            reward,
        )
