"""TeamEnv: the contract of every environment. ``check_env`` (checks.py) tests it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from .inputs import Gate, check_snapshot, reset_mask
from .scene import Scene
from .seeding import streams
from .team import TeamSpec

__all__ = ["ReferencePolicy", "TeamEnv", "TeamSpec"]

ReferencePolicy = Callable[[np.ndarray], np.ndarray]
"""From observations (B, N, obs) to actions (B, N, act), or (B, N) for discrete tasks."""

StepResult = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class TeamEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """B copies of a task, stepped together.

    Autoreset is disabled: the observation after the last step is the true last one; start finished copies
    again with ``reset(options={"reset_mask": truncated | terminated})``. The time limit truncates.

    A task is a subclass with ``settings_type``, ``presets``, ``describe`` and the hooks ``_start``,
    ``_advance`` and ``_observe``; ``reference_policy`` and ``scene`` make it scorable and visible, and
    ``_allowed`` masks actions. What a copy remembers is made by ``_state_array``; snapshots need no code.

    Args:
        team: the task (see ``coordbench.envs.spec``).
        num_envs: B, number of copies.
        seed: of the first ``reset()`` that names none; from the operating system if None.
        observation_bound: observations lie within [-observation_bound, observation_bound].

    Attributes:
        single_observation_space: Box (N, obs), float32 (or float64 with the setting ``dtype="float64"``).
        single_action_space: Box(-1, 1, (N, act)) float32, or MultiDiscrete with N times n actions.
    """

    settings_type: ClassVar[type]
    """Frozen dataclass, the only place where defaults stand."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Task id -> the settings that it stands for."""
    is_restorable: ClassVar[bool] = True
    """Whether ``restore`` can go back into an episode; where not, ``snapshot`` refuses within one."""
    most_copies: ClassVar[int | None] = None
    """How many copies long evaluations make at once, where they are costly."""
    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.DISABLED, "render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        team: TeamSpec,
        num_envs: int = 1,
        seed: int | Sequence[int] | None = None,
        observation_bound: float = np.inf,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be >= 1, got {num_envs}")
        self.team, self.num_envs = team, num_envs
        self._float = np.dtype(team.settings.get("dtype", "float32"))
        observation_shape = (team.n_agents, team.observation_size)
        bound = observation_bound
        self.single_observation_space = Box(-bound, bound, observation_shape, self._float)  # type: ignore[arg-type]
        self._discrete = team.action_kind == "discrete"
        self.single_action_space = (
            MultiDiscrete([team.action_size] * team.n_agents)
            if self._discrete
            else Box(-1.0, 1.0, (team.n_agents, team.action_size), np.float32)
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self._observation_shape = (num_envs, *observation_shape)
        self._state_shape, self._reward_shape = (num_envs, team.state_size), (num_envs, team.n_agents)
        self._arrays: dict[str, np.ndarray] = {}
        self._elapsed = self._state_array("elapsed", (), np.int64)
        self._finished = self._state_array("finished", (), np.bool_)
        self._generator = self._state_array("generator", (), np.uint64)
        self._metrics = self._state_array("metrics", (len(team.metrics),), np.float64)
        self._finished[:] = True
        self._gate = Gate(team, self._elapsed, self._finished)
        self._actions = self._gate.actions
        first = int(np.random.SeedSequence().generate_state(1, np.uint64)[0]) if seed is None else seed
        self._generator[:] = streams(first, num_envs)

    @classmethod
    def require(cls) -> None:
        """Raises ValueError with the remedy if a package that the task needs is not installed."""

    @classmethod
    def preset(cls, task_id: str) -> Mapping[str, Any]:
        """The settings that ``task_id`` stands for."""
        return cls.presets[task_id]

    @classmethod
    def describe(cls, task_id: str, settings: Any) -> TeamSpec:
        """The TeamSpec of ``task_id`` under ``settings``, an instance of ``settings_type``; cheap."""
        raise NotImplementedError(f"{cls.__name__} must define describe()")

    @staticmethod
    def reference_policy(team: TeamSpec) -> ReferencePolicy:
        """The task's scripted policy, acting on observations only: the score 1 of normalised returns."""
        raise NotImplementedError(f"{team.task_id} has no reference policy")

    def _start(self, mask: np.ndarray) -> None:
        """Draws new episodes for the copies in ``mask`` (B,) bool; ``_metrics`` there is already zero."""
        raise NotImplementedError

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> np.ndarray | None:
        """Plays ``self._actions``, updates ``self._metrics`` (B, metrics), fills the arguments.

        ``self._actions`` is (B, N, act) float64 within [-1, 1], or (B, N) int64 for discrete tasks.

        Args:
            observation: (B, N, obs), as ``_observe`` would fill it afterwards.
            state: (B, state), likewise.
            agent_reward: (B, N), what each member receives.
            reward: (B,), the team reward.

        Returns:
            Which copies have terminated (B,) bool, as a new array, or None if none has.
        """
        raise NotImplementedError

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        """Fills ``observation`` (B, N, obs) and ``state`` (B, state) from the state arrays alone."""
        raise NotImplementedError

    def _allowed(self, mask: np.ndarray) -> None:
        """Discrete tasks: sets ``mask`` (B, N, n), all True, to False where an action may not be chosen."""

    def scene(self, copy: int = 0) -> Scene:
        """What ``copy`` looks like now, for people to see."""
        raise NotImplementedError(f"{self.team.task_id} cannot be drawn: it has no scene()")

    def versions(self) -> dict[str, str]:
        """What else than this package the task's numbers depend on, with its version; kept in records."""
        return {}

    def _restored(self) -> None:
        """Called after ``restore``; for tasks whose state arrays only say how to rebuild the state."""

    def _state_array(self, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """A zero array (B, *shape) that belongs to the snapshot under ``name``."""
        array = np.zeros((self.num_envs, *shape), dtype)
        self._arrays[name] = array
        return array

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts episodes: of all copies, or of those in ``options["reset_mask"]``.

        Args:
            seed: one integer for all, from which each copy gets its own stream (``copy_seeds``), or B
                integers, used as they are. Without a seed the streams go on. Copies outside the mask keep
                theirs.
            options: ``{"reset_mask": (B,) bool}`` or None.

        Returns:
            Observation (B, N, obs) and info ("state" and metrics) of all copies, restarted or not.

        Raises:
            ValueError: an unknown option, a mask of wrong shape or type, an invalid seed.
        """
        mask = reset_mask(options, self.num_envs)
        if seed is not None:
            self._generator[mask] = streams(seed, self.num_envs)[mask]
        self._elapsed[mask] = 0
        self._finished[mask] = False
        self._metrics[mask] = 0.0
        self._start(mask)
        return self.observe()

    def observe(self) -> tuple[np.ndarray, dict[str, Any]]:
        """The present observation (B, N, obs) and info ("state" and metrics), e.g. after ``restore``."""
        observation = np.empty(self._observation_shape, self._float)
        state = np.empty(self._state_shape, self._float)
        self._observe(observation, state)
        return observation, self._info(state)

    def step(self, actions: np.ndarray) -> StepResult:
        """Plays one step in every copy.

        Args:
            actions: (B, N, act) finite numbers, values outside [-1, 1] are clipped; for discrete tasks (B, N)
                integers that ``info["action_mask"]`` allows.

        Returns:
            Observation (B, N, obs), team reward (B,) float64, terminated (B,) bool, truncated (B,) bool, and
            info: "state" (B, state), "agent_reward" (B, N), each metric (B,), running values of the episode,
            and for discrete tasks "action_mask" (B, N, n) bool. All arrays are new and stay as they are.

        Raises:
            gymnasium.error.ResetNeeded: a copy has finished its episode or has not begun one.
            ValueError: actions of wrong shape or type, not finite, or not allowed. Nothing has been stepped
                then.
        """
        truncated = self._gate.admit(actions)
        reward, agent_reward = np.empty(self.num_envs), np.empty(self._reward_shape)
        observation = np.empty(self._observation_shape, self._float)
        state = np.empty(self._state_shape, self._float)
        terminated = self._advance(observation, state, agent_reward, reward)
        if terminated is None:
            terminated = np.zeros(self.num_envs, np.bool_)
        else:
            np.logical_or(self._finished, terminated, out=self._finished)
        info = self._info(state)
        info["agent_reward"] = agent_reward
        return observation, reward, terminated, truncated, info

    def remake(self, num_envs: int, seed: int | Sequence[int] | None = None) -> TeamEnv:
        """A fresh environment of the same task and settings with another number of copies."""
        return type(self)(self.team, num_envs, seed)

    def _info(self, state: np.ndarray) -> dict[str, Any]:
        info: dict[str, Any] = dict(zip(self.team.metrics, self._metrics.T.copy(), strict=True))
        info["state"] = state
        if self._discrete:
            mask = np.ones((*self._reward_shape, self.team.action_size), np.bool_)
            self._allowed(mask)
            info["action_mask"] = self._gate.mask = mask
        return info

    def snapshot(self) -> dict[str, np.ndarray]:
        """All that the future depends on, as copies of arrays (B, ...): picklable, savable by np.savez."""
        return {name: array.copy() for name, array in self._arrays.items()}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Goes back to a snapshot of an environment of the same task, settings and B.

        Raises:
            ValueError: the snapshot has other arrays than this environment; nothing has been changed then.
        """
        check_snapshot(snapshot, self._arrays)
        for name, array in self._arrays.items():
            array[...] = snapshot[name]
        self._restored()
        if self._discrete:
            self.observe()
