"""Multi-walker: N two-legged walkers carry a long package over uneven ground.

Task
    The package lies on the walkers' heads. It should go to the right and must not fall; nor may a walker.
    Nobody can do it alone: who runs away from the others drops the package.
Observation
    31 numbers: hull angle, angular velocity and velocity (4); per leg hip angle and speed, knee angle and
    speed, ground contact (10); ten lidar distances; left and right neighbour relative to self (4, zero at the
    ends), the package relative to self (2), in units of the package's length, and its angle (1). The last
    seven are noisy.
Action
    Torque of hip and knee, left leg then right, (4,) in [-1, 1]; the sign says which way the motor turns.
Reward
    Each walker earns ``forward_reward`` * 130 / 30 times the package's way to the right and 5 times the
    decrease of its own hull's tilt; one that has fallen earns ``fall_reward`` in that and every later step,
    and ``terminate_reward`` too if the others go on without it. When the episode ends by a fall, or because
    the package goes back beyond the start of the ground, all earn ``terminate_reward``. With
    ``team_reward="mean"`` every member receives the members' mean; with ``"individual"`` its own.
Episode
    Ground drawn anew each time. Terminated when a walker falls (see ``terminate_on_fall``), when the package
    falls or leaves the ground to the left, and at the right end, without a bonus. Truncated after ``horizon``
    steps.
State
    24 N + 3 numbers: the first 24 of each walker's observation, without noise; the package's position (2) and
    angle.
Metrics
    ``package_distance``: how far the package has come, in units of Box2D. ``fallen``: walkers that have
    fallen.
Settings
    ``MultiWalkerSettings``; the names but the last three are PettingZoo's.
Source
    PettingZoo ``multiwalker_v9``, which is stepped here without its wrappers; after Gupta, Egorov,
    Kochenderfer 2017. Deviation: the time limit truncates, where PettingZoo's says it terminates.
Versions
    v1: first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from ..base import TeamEnv
from ..generator import uniform
from ..rewards import members_rewards
from ..scene import Scene
from ..team import TeamSpec
from .reference import standing_policy
from .scene import walkers_scene

OWN, OBSERVATION = 24, 31
"""Numbers that a walker sees of itself, and in all."""
METRICS = ("package_distance", "fallen")
NOT_STARTED = -1
EXTRA = "Box2D is not installed: pip install 'coordbench[multiwalker]'"


@dataclass(frozen=True)
class MultiWalkerSettings:
    """Settings of multi-walker; defaults are PettingZoo's.

    Attributes:
        n_agents: N, walkers; fixed by the task id.
        position_noise: standard deviation of the noise on observed positions.
        angle_noise: the same of the package's angle.
        forward_reward: weight of the package's way.
        terminate_reward: for all when the team fails.
        fall_reward: for a walker that falls.
        terminate_on_fall: whether the episode ends when a walker falls.
        remove_on_fall: whether a fallen walker leaves the ground.
        terrain_length: steps of the ground, each 14/30 long.
        team_reward: "mean" of the members' rewards for all, or "individual".
        horizon: steps of an episode.
        dtype: of observations and state.
    """

    n_agents: int = 3
    position_noise: float = 1e-3
    angle_noise: float = 1e-3
    forward_reward: float = 1.0
    terminate_reward: float = -100.0
    fall_reward: float = -10.0
    terminate_on_fall: bool = True
    remove_on_fall: bool = True
    terrain_length: int = 200
    team_reward: Literal["mean", "individual"] = "mean"
    horizon: int = 500
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if self.n_agents < 1 or self.horizon < 1:
            raise ValueError(f"n_agents and horizon must be >= 1, got {self.n_agents} and {self.horizon}")
        if self.terrain_length < 50:
            raise ValueError(f"terrain_length must be at least 50, got {self.terrain_length}")
        if not (0 <= self.position_noise < np.inf and 0 <= self.angle_noise < np.inf):
            raise ValueError("position_noise and angle_noise must be finite and not negative")


class MultiWalker(TeamEnv):
    """B copies of multi-walker, stepped one after the other; see the module's docstring.

    Box2D keeps state that cannot be read out, so a snapshot holds each episode's seed and its actions so far,
    and ``restore`` plays them again.

    Raises:
        ValueError: Box2D is not installed.
    """

    settings_type = MultiWalkerSettings
    presets = {"multiwalker_3-v1": {"n_agents": 3}, "multiwalker_4-v1": {"n_agents": 4}}  # noqa: RUF012
    reference_policy = staticmethod(standing_policy)

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed)
        self.require()
        from pettingzoo.sisl.multiwalker.multiwalker_base import MultiWalkerEnv

        settings = MultiWalkerSettings(**team.settings)
        self._individual = settings.team_reward == "individual"
        self._worlds: list[Any] = [
            MultiWalkerEnv(
                n_walkers=team.n_agents,
                position_noise=settings.position_noise,
                angle_noise=settings.angle_noise,
                forward_reward=settings.forward_reward,
                terminate_reward=settings.terminate_reward,
                fall_reward=settings.fall_reward,
                shared_reward=False,
                terminate_on_fall=settings.terminate_on_fall,
                remove_on_fall=settings.remove_on_fall,
                terrain_length=settings.terrain_length,
            )
            for _ in range(num_envs)
        ]
        self._episode = self._state_array("episode", (), np.int64)
        self._episode[:] = NOT_STARTED
        self._played = self._state_array("played", (), np.int64)
        shape = (team.horizon, team.n_agents, team.action_size)
        self._history = self._state_array("history", shape, np.float32)
        self._origin = np.zeros(num_envs)
        # What is to be seen of each world: reading it out costs as much as a tenth of a step.
        self._seen = np.zeros((num_envs, team.n_agents, OBSERVATION))
        self._package = np.zeros((num_envs, 3))
        self._own = np.zeros((num_envs, team.n_agents))

    @classmethod
    def require(cls) -> None:
        """Raises ValueError if Box2D is missing."""
        try:
            import Box2D  # noqa: F401
            import pygame  # noqa: F401  (imported by PettingZoo's module)
        except ImportError as error:
            raise ValueError(f"multi-walker: {EXTRA}") from error

    @classmethod
    def describe(cls, task_id: str, settings: MultiWalkerSettings) -> TeamSpec:
        """The TeamSpec of a task id under these settings."""
        n = settings.n_agents
        return TeamSpec(
            task_id,
            n,
            (OBSERVATION,) * n,
            OWN * n + 3,
            "continuous",
            4,
            settings.horizon,
            METRICS,
            "mean over members",
            asdict(settings),
        )

    def scene(self, copy: int = 0) -> Scene:
        """The walkers and their package, the ground around them."""
        distance, fallen = self._metrics[copy]
        caption = f"package distance {distance:.2f}, fallen {fallen:.0f}"
        return walkers_scene(self._worlds[copy], self._episode[copy] != NOT_STARTED, caption)

    def _start(self, mask: np.ndarray) -> None:
        for b in np.flatnonzero(mask).tolist():
            self._episode[b] = int(uniform(self._generator, b, 0.0, 2.0**31))
            self._played[b] = 0
            self._begin(b)

    def _begin(self, b: int) -> None:
        world = self._worlds[b]
        world._seed(int(self._episode[b]))
        world.reset()
        self._origin[b] = world.package.position.x
        self._look(b)

    def _look(self, b: int) -> None:
        world = self._worlds[b]
        self._seen[b] = world.last_obs
        self._package[b] = *world.package.position, world.package.angle

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> np.ndarray:
        terminated = np.zeros(self.num_envs, np.bool_)
        for b, world in enumerate(self._worlds):
            actions = self._history[b, self._played[b]]
            actions[:] = self._actions[b]
            self._played[b] += 1
            self._own[b] = play(world, actions)
            self._look(b)
            terminated[b] = all(world.last_dones)
            self._metrics[b] = self._package[b, 0] - self._origin[b], world.fallen_walkers.sum()
        members_rewards(self._own, self._individual, agent_reward, reward)
        self._observe(observation, state)
        return terminated

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        observation[:] = self._seen
        state[:, :-3] = self._seen[:, :, :OWN].reshape(self.num_envs, -1)
        state[:, -3:] = self._package

    def _restored(self) -> None:
        self._seen[:], self._package[:] = 0.0, 0.0
        for b in np.flatnonzero(self._episode != NOT_STARTED).tolist():
            self._begin(b)
            for t in range(self._played[b]):
                play(self._worlds[b], self._history[b, t])
            self._look(b)


def play(world: Any, actions: np.ndarray) -> np.ndarray:
    """One step of PettingZoo's world with actions (N, 4) float32; what each walker earns (N,).

    Walkers that have been removed do nothing.
    """
    walking = [i for i, walker in enumerate(world.walkers) if walker.hull is not None]
    for i in walking:
        world.step(actions[i], i, i == walking[-1])
    return world.last_rewards
