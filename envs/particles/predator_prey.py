"""Predator-prey: N predators in the unit square eat preys that stand still; some preys take several at once.

Task
    A prey is caught when at least ``n_coop`` predators touch it in the same step. When all are caught, all
    return. So the team should split up (into groups of ``n_coop``) and sweep the square in parallel.
Observation
    2 N + 3 M numbers: own position (2), other predators relative to self (2 (N-1), member order), preys
    relative to self (2 M, zero when caught), whether each prey is there (M). With ``legacy_obs`` 2 (N + M)
    numbers: absolute positions of all predators, then of all preys (zero when caught), the preys as they
    stood before this step's catches; the same for every member.
Action
    Displacement in units of ``scale``, (2,) in [-1, 1].
Reward
    Shared, for each prey caught in this step: ``food`` if ``reward_type`` is "constant", ``food * (1 +
    sweeps)`` if "increment", ``food * 2**sweeps`` if "double", ``food + sweeps`` if "additive", with the
    sweeps completed before.
Episode
    Predators at the centre (or at random, see settings). Truncated after ``horizon`` steps, never terminated.
State
    2 N + 3 M + 1 numbers: predators (2 N), preys (2 M), whether each prey is there (M), sweeps completed.
Metrics
    ``catches``: preys caught so far. ``sweeps``: times that all were caught so far. ``pair_split``: members
    with exactly one team mate within 2 ``radius`` after step 5 (0 before); N means that the team has split
    into pairs.
Settings
    ``PredatorPreySettings``. The author's other reading is ``reward_type="increment", scale=0.03``.
Source
    wjkim1202/intension_sharing ``madrl_environments/predator_prey.py`` and its ``main.py``; start and pair
    split from the VM3-AC paper (AAMAS 2023), section 6 and figure 6. Deviations: relative observations
    without lag, no step within reset, no ``touch_reward``, no sensor range (the author's covers everything).
Versions
    v1: first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from ..base import TeamEnv
from ..scene import Scene
from ..team import TeamSpec
from .predator_prey_kernels import OBSERVE, START, STEP
from .predator_prey_reference import hunting_policy
from .scenes import predator_prey_scene

METRICS = ("catches", "sweeps", "pair_split")
REWARD_TYPES = ("constant", "increment", "double", "additive")


@dataclass(frozen=True)
class PredatorPreySettings:
    """Settings of predator-prey, in units of the square's side.

    Attributes:
        n_agents: N, predators; fixed by the task id.
        n_coop: predators that must touch a prey in the same step (2 for N = 4, else 1).
        radius: R; a predator touches a prey at a distance of at most 1.25 R (0.15 for N = 4, else 0.1).
        n_preys: M.
        layout: "grid" (M must be a square number) or "uniform", drawn anew each episode.
        scale: longest move along each axis in one step.
        food: reward for a prey.
        reward_type: how the reward grows with sweeps: by name, or 1, 2, 3, 4 for "constant", "increment",
            "double", "additive" (1 to 3 are the author's numbers).
        start: "centre", or "random": farther than 1.5 R from every prey, all at one point if ``n_coop`` is 1.
        start_jitter: uniform displacement in [-start_jitter, start_jitter] of each start coordinate of each
            predator.
        horizon: steps of an episode.
        legacy_obs: the author's absolute observation.
        dtype: of observations and state.
    """

    n_agents: int = 4
    n_coop: int = 1
    radius: float = 0.1
    n_preys: int = 16
    layout: Literal["grid", "uniform"] = "grid"
    scale: float = 0.05
    food: float = 10.0
    reward_type: Literal["constant", "increment", "double", "additive", 1, 2, 3, 4] = "constant"
    start: Literal["centre", "random"] = "centre"
    start_jitter: float = 0.0
    horizon: int = 100
    legacy_obs: bool = False
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if isinstance(self.reward_type, int):
            object.__setattr__(self, "reward_type", REWARD_TYPES[self.reward_type - 1])
        if min(self.n_agents, self.n_preys, self.horizon) < 1:
            raise ValueError("n_agents, n_preys and horizon must be >= 1")
        if not 1 <= self.n_coop <= self.n_agents:
            raise ValueError(f"n_coop must lie in 1..{self.n_agents} (n_agents), got {self.n_coop}")
        if self.layout == "grid" and round(self.n_preys**0.5) ** 2 != self.n_preys:
            raise ValueError(f"n_preys must be a square number for layout='grid', got {self.n_preys}")
        for name in ("radius", "scale"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}")
        if not (np.isfinite(self.food) and 0 <= self.start_jitter <= 1):
            raise ValueError("food must be finite and start_jitter must lie in [0, 1]")


def prey_grid(n_preys: int) -> np.ndarray:
    """The author's grid (M, 2): coordinates 0.1 + 0.8 i / (side - 1); a single prey stands at 0.5."""
    side = round(n_preys**0.5)
    axis = 0.1 + 0.8 * np.arange(side) / (side - 1) if side > 1 else np.array([0.5])
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


class PredatorPrey(TeamEnv):
    """B copies of predator-prey; see the module's docstring."""

    settings_type = PredatorPreySettings
    presets = {  # noqa: RUF012
        "predator_prey_2-v1": {"n_agents": 2},
        "predator_prey_3-v1": {"n_agents": 3},
        "predator_prey_4-v1": {"n_agents": 4, "n_coop": 2, "radius": 0.15},
    }
    reference_policy = staticmethod(hunting_policy)

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed, observation_bound=1.0)
        self._settings = settings = PredatorPreySettings(**team.settings)
        self._predator = self._state_array("predator", (team.n_agents, 2), np.float64)
        self._prey = self._state_array("prey", (settings.n_preys, 2), np.float64)
        self._alive = self._state_array("alive", (settings.n_preys,), np.bool_)
        # What ``legacy_obs`` shows: the preys before this step's catches and return.
        self._seen = self._state_array("seen", (settings.n_preys,), np.bool_)
        self._uniform = settings.layout == "uniform"
        self._reward_type = REWARD_TYPES.index(settings.reward_type)  # type: ignore[arg-type]
        if not self._uniform:
            self._prey[:] = prey_grid(settings.n_preys)

    @classmethod
    def describe(cls, task_id: str, settings: PredatorPreySettings) -> TeamSpec:
        """The TeamSpec of a task id under these settings."""
        n, m = settings.n_agents, settings.n_preys
        size = 2 * (n + m) if settings.legacy_obs else 2 * n + 3 * m
        unit = "team (shared reward)"
        return TeamSpec(
            task_id,
            n,
            (size,) * n,
            2 * n + 3 * m + 1,
            "continuous",
            2,
            settings.horizon,
            METRICS,
            unit,
            asdict(settings),
        )

    def scene(self, copy: int = 0) -> Scene:
        """The square, predators with their radius R, the preys that are there."""
        metrics = dict(zip(self.team.metrics, self._metrics[copy], strict=True))
        preys = self._prey[copy][self._alive[copy]]
        return predator_prey_scene(self._predator[copy], preys, self._settings.radius, metrics)

    def _start(self, mask: np.ndarray) -> None:
        settings = self._settings
        START.for_batch(self.num_envs)(
            mask,
            self._generator,
            self._predator,
            self._prey,
            self._alive,
            self._seen,
            self._uniform,
            settings.start == "random",
            settings.n_coop > 1,
            1.5 * settings.radius,
            settings.start_jitter,
        )

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        OBSERVE.for_batch(self.num_envs)(
            self._predator,
            self._prey,
            self._alive,
            self._seen,
            self._metrics,
            self._settings.legacy_obs,
            observation,
            state,
        )

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> None:
        settings = self._settings
        STEP.for_batch(self.num_envs)(
            self._actions,
            self._elapsed,
            self._predator,
            self._prey,
            self._alive,
            self._seen,
            settings.n_coop,
            settings.radius,
            settings.scale,
            settings.food,
            self._reward_type,
            settings.legacy_obs,
            self._metrics,
            observation,
            state,
            agent_reward,
            reward,
        )
