"""Tag: predators chase scripted preys among obstacles; a prey may take several captors in the same step.

Task
    Touch the preys, with ``n_captors`` predators at once. Preys flee and have the higher speed limit, but
    their force is weak; obstacles are in the way. All are discs that push each other away.
Observation
    4 + 2 L + 2 (N-1) + 4 M numbers: own velocity (2), own position (2), obstacles relative to self (2 L),
    other predators relative to self (2 (N-1), member order), preys relative to self (2 M), preys' velocities
    (2 M). With ``view_radius``, what is farther away shows as zeros.
Action
    Force on oneself in units of 3, (2,) in [-1, 1].
Reward
    A prey that at least ``n_captors`` predators touch is captured in this step; it is not removed. With
    ``reward_per="touch"`` it pays ``reward`` for each predator that touches it, with "capture" once. With
    ``team_reward="shared"`` every member receives all that the team earns; with "individual" a member
    receives only what its own touches earn (equal shares of a capture).
Episode
    Predators and preys uniform in [-1, 1]^2, obstacles in [-0.9, 0.9]^2, at rest. There are no walls.
    Truncated after ``horizon`` steps, never terminated.
State
    4 (N + M) + 2 L numbers: positions of predators and preys, their velocities, obstacles.
Metrics
    ``captures``: captured preys, summed over the steps so far. ``touches``: touching pairs of predator and
    prey, likewise. ``prey_distance``: nearest predator's distance, mean over preys and steps so far.
Settings
    ``TagSettings``. FACMAC's tasks 3a, 6a and 9a are N = 3, 6, 9 with M = 1, 2, 3, L = 2, 4, 6, one captor
    and ``view_radius=1.5``.
Source
    OpenAI multiagent-particle-envs ``simple_tag``; mpe2 1.1.1 ``simple_tag_v3`` with ``physics="mpe2"``. With
    one captor the predators' observations and rewards are theirs. Preys: oxwhirl/facmac
    ``continuous_pred_prey_3a.py``. Deviations: the two-dimensional force is the action, preys are scripted,
    a prey may take several captors.
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
from ..scene import Scene
from ..team import TeamSpec
from .scenes import tag_scene
from .tag_kernels import OBSERVE, PREDATOR_SPEED, PREY_SPEED, START, STEP
from .tag_prey import OBSTACLE_RADIUS, PREDATOR_RADIUS, PREY_RADIUS, PREYS
from .tag_reference import chasing_policy

METRICS = ("captures", "touches", "prey_distance")
RADII = (PREDATOR_RADIUS, PREY_RADIUS, OBSTACLE_RADIUS)


@dataclass(frozen=True)
class TagSettings:
    """Settings of tag.

    Attributes:
        n_agents: N, predators; fixed by the task id.
        n_preys: M.
        n_obstacles: L.
        n_captors: k, predators that must touch a prey in the same step (1: simple_tag).
        prey: what preys do: "min" or "sum" (FACMAC's two scores), "random" (a force uniform in the unit
            disc) or "still" (no force of their own).
        reward: what a capture pays (simple_tag: 10 for each touch).
        reward_per: "touch" pays for each predator that touches a captured prey, "capture" once a prey.
        team_reward: "shared", all to every member as in simple_tag, or "individual", to those that touch.
        view_radius: predators see this far; None: everything.
        physics: "openai" moves with the new velocity, "mpe2" with the old one.
        horizon: steps of an episode (25: OpenAI maddpg train.py, and FACMAC).
        dtype: of observations and state; the physics is float64 always.
    """

    n_agents: int = 3
    n_preys: int = 1
    n_obstacles: int = 2
    n_captors: int = 1
    prey: Literal["min", "sum", "random", "still"] = "min"
    reward: float = 10.0
    reward_per: Literal["touch", "capture"] = "touch"
    team_reward: Literal["shared", "individual"] = "shared"
    view_radius: float | None = None
    physics: Literal["openai", "mpe2"] = "openai"
    horizon: int = 25
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        for name, least in (("n_agents", 1), ("n_preys", 1), ("n_obstacles", 0), ("horizon", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be >= {least}, got {getattr(self, name)}")
        if not 1 <= self.n_captors <= self.n_agents:
            raise ValueError(
                f"n_captors must lie in 1..{self.n_agents}: {self.n_captors} captors are asked of "
                f"n_agents={self.n_agents} predators"
            )
        if not math.isfinite(self.reward):
            raise ValueError(f"reward must be finite, got {self.reward}")
        if self.view_radius is not None and not self.view_radius > 0:
            raise ValueError(
                f"view_radius must be positive, or none to see everything, got {self.view_radius}"
            )


class Tag(TeamEnv):
    """B copies of tag; see the module's docstring."""

    settings_type = TagSettings
    presets = {  # noqa: RUF012
        "tag_3-v1": {"n_agents": 3},
        "tag_6-v1": {"n_agents": 6, "n_preys": 2, "n_obstacles": 4, "n_captors": 2},
    }
    reference_policy = staticmethod(chasing_policy)

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed)
        self._settings = settings = TagSettings(**team.settings)
        particles = team.n_agents + settings.n_preys
        self._position = self._state_array("position", (particles, 2), np.float64)
        self._velocity = self._state_array("velocity", (particles, 2), np.float64)
        self._obstacle = self._state_array("obstacle", (settings.n_obstacles, 2), np.float64)
        self._force = np.zeros_like(self._position)
        is_prey = np.arange(particles) >= team.n_agents
        self._radius = np.where(is_prey, PREY_RADIUS, PREDATOR_RADIUS)
        self._mass = np.ones(particles)
        self._max_speed = np.where(is_prey, PREY_SPEED, PREDATOR_SPEED)
        self._own = np.zeros((num_envs, team.n_agents))
        self._prey_rule = PREYS.index(settings.prey)
        self._sight = math.inf if settings.view_radius is None else settings.view_radius

    @classmethod
    def describe(cls, task_id: str, settings: TagSettings) -> TeamSpec:
        """The TeamSpec of a task id under these settings."""
        n, m, obstacles = settings.n_agents, settings.n_preys, settings.n_obstacles
        shared = settings.team_reward == "shared"
        return TeamSpec(
            task_id=task_id,
            n_agents=n,
            observation_sizes=(4 + 2 * obstacles + 2 * (n - 1) + 4 * m,) * n,
            state_size=4 * (n + m) + 2 * obstacles,
            action_kind="continuous",
            action_size=2,
            horizon=settings.horizon,
            metrics=METRICS,
            return_unit="team (shared reward)" if shared else "mean over members",
            settings=asdict(settings),
        )

    def scene(self, copy: int = 0) -> Scene:
        """Obstacles, preys and predators to scale."""
        n, metrics = self.team.n_agents, dict(zip(self.team.metrics, self._metrics[copy], strict=True))
        predator, prey = np.split(self._position[copy], [n])
        return tag_scene(predator, prey, self._obstacle[copy], RADII, metrics)

    def _start(self, mask: np.ndarray) -> None:
        start = START.for_batch(self.num_envs)
        start(mask, self._generator, self._position, self._velocity, self._obstacle)

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        observe = OBSERVE.for_batch(self.num_envs)
        observe(self._position, self._velocity, self._obstacle, self._sight, observation, state)

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> None:
        settings = self._settings
        STEP.for_batch(self.num_envs)(
            self._actions,
            self._elapsed,
            self._generator,
            self._position,
            self._velocity,
            self._obstacle,
            self._force,
            self._radius,
            self._mass,
            self._max_speed,
            self._own,
            self._prey_rule,
            settings.physics == "mpe2",
            self._sight,
            settings.n_captors,
            settings.reward,
            settings.reward_per == "capture",
            settings.team_reward == "shared",
            self._metrics,
            observation,
            state,
            agent_reward,
            reward,
        )
