"""Cooperative treasure collection: collectors pick up treasures and carry each to the bank of its kind.

Task
    N members: first C collectors, then D banks, all of them moving discs. A collector without a load takes a
    treasure by touching it, and loses it again by touching the bank of that kind. Treasures return somewhere
    else. Everybody is paid for everybody's pickups and deliveries; collectors should not touch each other.
Observation
    Own position (2) and velocity (2); collectors only: own load, one-hot (D). Then the ``n_visible`` nearest
    other members, nearest first: relative position (2), velocity (2), which bank it is, one-hot (D), its
    load, one-hot (D). Then the ``n_visible`` nearest treasures: relative position (2), kind, one-hot (D).
    Banks' observations are D numbers shorter and padded with zeros. Treasures that have just been taken show
    as zeros; with ``hide_taken=False`` where MAAC puts them, at (-999, -999).
Action
    Force on oneself, (2,) in [-1, 1].
Reward
    Every member earns 5 for each touching pair of a collector without load and a treasure, or of a collector
    and the bank that its load is for. A collector loses 5 for each collector that it touches and 0.1 times
    the distance to the nearest treasure, or to the bank that its load is for. A bank loses 0.1 times the
    distance to the nearest collector with a load for it, or, without one, to the mean of its ``n_visible``
    nearest collectors. With ``team_reward="mean"`` every member receives the members' mean; with
    ``"individual"`` its own.
Episode
    Members uniform in [-1, 1]^2 at rest, treasures uniform in [-0.95, 0.95]^2, their kinds uniform. Truncated
    after ``horizon`` steps, never terminated. In a step all move, then they are rewarded and see, then
    treasures are taken (by the first collector in member order), then those taken one step before return,
    then loads are delivered. So a treasure touched at step t is away during step t + 1, and the load shows
    from step t + 1 on.
State
    4 N + C D + J (2 + D) numbers, after the events of the step: positions, velocities, loads (one-hot, D
    each), treasures: position (2) and kind (one-hot, D), zeros while taken away.
Metrics
    ``pickups``, ``deliveries``: events so far. ``collisions``: touching pairs of collectors, summed over the
    steps so far.
Settings
    ``TreasureCollectionSettings``. ``rules="mpe2"``: nobody is pushed; all move with the old velocity; a full
    force is 1.5 instead of 2.25 times the collector's mass, the same for the heavier banks; events come
    before rewards and observations; 5 for each event instead of each touching pair; everything is visible;
    treasures that have been taken away show as zeros and are at no distance.
Source
    shariqiqbal2810/MAAC ``fullobs_collect_treasure.py`` with that author's fork of multiagent-particle-envs
    (Iqbal and Sha, "Actor-attention-critic for multi-agent reinforcement learning", ICML 2019); mpe2 1.1.1
    ``collect_treasure_v1`` with ``rules="mpe2"``. Deviations: the two-dimensional force is the action,
    coincident members do not push each other, and treasures that have been taken are hidden (``hide_taken``).
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
from .treasure_kernels import (
    BANK_MASS,
    BANK_RADIUS,
    COLLECTOR_MASS,
    COLLECTOR_RADIUS,
    MAX_SPEED,
    OBSERVE,
    START,
    STEP,
)
from .treasure_reference import collecting_policy
from .treasure_scene import treasure_scene
from .treasure_views import GRAVE

ACCELERATION = 1.5
"""MAAC's code applies it twice to each mass; mpe2's once, as a force."""
METRICS = ("pickups", "deliveries", "collisions")


@dataclass(frozen=True)
class TreasureCollectionSettings:
    """Settings of treasure collection.

    Attributes:
        n_agents: N, collectors and banks together; fixed by the task id.
        n_banks: D, banks and kinds of treasures; the other C = N - D members are collectors.
        n_treasures: J; None: as many as collectors, as in MAAC.
        n_visible: how many other members, and how many treasures, a member sees (rules "maac" only).
        rules: "maac" or "mpe2", see the module's docstring.
        hide_taken: treasures that have been taken away show as zeros and count for no distance (rules "mpe2":
            always); False: they lie 1413 away, as in MAAC, whose networks normalise their inputs.
        team_reward: "mean" of the members' rewards for all, or "individual".
        horizon: steps of an episode (100: MAAC's README).
        dtype: of observations and state; the physics is float64 always.
    """

    n_agents: int = 8
    n_banks: int = 2
    n_treasures: int | None = None
    n_visible: int = 7
    rules: Literal["maac", "mpe2"] = "maac"
    hide_taken: bool = True
    team_reward: Literal["mean", "individual"] = "mean"
    horizon: int = 100
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if not 1 <= self.n_banks < self.n_agents:
            most = f"1..{self.n_agents - 1}"
            raise ValueError(f"n_banks must lie in {most} (one collector at least), got {self.n_banks}")
        if self.n_treasures is None:
            object.__setattr__(self, "n_treasures", self.n_agents - self.n_banks)
        for name in ("n_treasures", "n_visible", "horizon"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.rules == "mpe2":
            object.__setattr__(self, "hide_taken", True)
            object.__setattr__(self, "n_visible", max(self.n_agents - 1, self.n_treasures or 1))


class TreasureCollection(TeamEnv):
    """B copies of treasure collection; see the module's docstring."""

    settings_type = TreasureCollectionSettings
    presets = {  # noqa: RUF012
        "treasure_collection_4-v1": {"n_agents": 4, "n_banks": 1},
        "treasure_collection_8-v1": {"n_agents": 8, "n_banks": 2},
    }
    reference_policy = staticmethod(collecting_policy)

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed)
        self._settings = settings = TreasureCollectionSettings(**team.settings)
        n, j, mpe2 = team.n_agents, int(settings.n_treasures or 1), settings.rules == "mpe2"
        self._mpe2, self._collectors = mpe2, n - settings.n_banks
        self._position = self._state_array("position", (n, 2), np.float64)
        self._velocity = self._state_array("velocity", (n, 2), np.float64)
        self._load = self._state_array("load", (self._collectors,), np.int64)
        self._treasure = self._state_array("treasure", (j, 2), np.float64)
        self._kind = self._state_array("kind", (j,), np.int64)
        # What members see of these: MAAC's events come after the observation, mpe2's before.
        self._seen_load, self._seen_treasure, self._seen_kind = self._load, self._treasure, self._kind
        if not mpe2:
            self._seen_load = self._state_array("seen_load", (self._collectors,), np.int64)
            self._seen_treasure = self._state_array("seen_treasure", (j, 2), np.float64)
            self._seen_kind = self._state_array("seen_kind", (j,), np.int64)
        is_bank = np.arange(n) >= self._collectors
        self._radius = np.where(is_bank, BANK_RADIUS, COLLECTOR_RADIUS)
        self._mass = np.where(is_bank, BANK_MASS, COLLECTOR_MASS)
        self._strength = np.full(n, ACCELERATION) if mpe2 else ACCELERATION**2 * self._mass
        self._max_speed = np.full(n, MAX_SPEED)
        self._force = np.zeros_like(self._position)
        self._distance = np.zeros((num_envs, n, n + j))
        self._order = np.zeros((num_envs, max(n, j)), np.int64)
        self._own = np.zeros((num_envs, n))

    @classmethod
    def describe(cls, task_id: str, settings: TreasureCollectionSettings) -> TeamSpec:
        """The TeamSpec of a task id under these settings."""
        n, d, j = settings.n_agents, settings.n_banks, int(settings.n_treasures or 1)
        others, treasures = min(settings.n_visible, n - 1), min(settings.n_visible, j)
        bank = 4 + others * (4 + 2 * d) + treasures * (2 + d)
        sizes, state = (bank + d,) * (n - d) + (bank,) * d, 4 * n + (n - d) * d + j * (2 + d)
        unit, values = "mean over members", asdict(settings)
        return TeamSpec(task_id, n, sizes, state, "continuous", 2, settings.horizon, METRICS, unit, values)

    def scene(self, copy: int = 0) -> Scene:
        """Banks and treasures in the colour of their kind, collectors with what they carry."""
        present = self._treasure[copy, :, 0] != GRAVE
        treasure, kind = self._treasure[copy][present], self._kind[copy][present]
        metrics: dict[str, float] = dict(zip(METRICS, self._metrics[copy], strict=True))
        return treasure_scene(self._position[copy], self._load[copy], treasure, kind, metrics)

    def _start(self, mask: np.ndarray) -> None:
        START.for_batch(self.num_envs)(
            mask,
            self._generator,
            self._position,
            self._velocity,
            *self._treasures(),
        )

    def _treasures(self) -> tuple[np.ndarray, ...]:
        """Loads and treasures as they are, and as they are seen."""
        here = (self._load, self._treasure, self._kind)
        return (*here, self._seen_load, self._seen_treasure, self._seen_kind)

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        OBSERVE.for_batch(self.num_envs)(
            self._position,
            self._velocity,
            *self._treasures(),
            self._distance,
            self._order,
            self._settings.hide_taken,
            self._settings.n_visible,
            observation,
            state,
        )

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> None:
        settings = self._settings
        STEP.for_batch(self.num_envs)(
            self._actions,
            self._generator,
            self._position,
            self._velocity,
            *self._treasures(),
            self._force,
            self._distance,
            self._order,
            self._own,
            self._radius,
            self._mass,
            self._strength,
            self._max_speed,
            self._mpe2,
            settings.hide_taken,
            settings.n_visible,
            settings.team_reward == "individual",
            self._metrics,
            observation,
            state,
            agent_reward,
            reward,
        )
