"""A task as PettingZoo sees it: one copy, dictionaries keyed by member."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from gymnasium import logger
from gymnasium.spaces import Box, Discrete, Space
from pettingzoo import ParallelEnv

from .base import TeamEnv
from .inputs import member_action
from .registry import make
from .settings import suggestion

Spaces = dict[str, Space[np.ndarray]]

RENDER_MODES = ("human", "rgb_array")
FPS = 12
TRAIL = 25
"""Steps for which a member's trail is drawn."""


def parallel_env(task_id: str, render_mode: str | None = None, **settings: Any) -> TeamParallelEnv:
    """A PettingZoo ``ParallelEnv`` of a task, members ``"agent_0"``, ``"agent_1"``, ...

    Args:
        task_id: one of ``names()``.
        render_mode: "rgb_array": ``render()`` returns pictures; "human": every reset and step is shown in a
            window, which needs pygame and a screen.
        **settings: the task's settings.

    Raises:
        ValueError: unknown task, render mode or setting, wrong type or value.
    """
    return TeamParallelEnv(make(task_id, num_envs=1, **settings), render_mode)


class TeamParallelEnv(ParallelEnv[str, np.ndarray, np.ndarray]):
    """One copy of a TeamEnv in PettingZoo's parallel form.

    Observations have each member's true size; a member's reward is its ``info["agent_reward"]``; every
    member's info holds the task metrics as floats and, for discrete tasks, its "action_mask" (n,) int8.

    Args:
        env: a TeamEnv with one copy; the view owns it from now on.
        render_mode: as in ``parallel_env``.
    """

    def __init__(self, env: TeamEnv, render_mode: str | None = None) -> None:
        if env.num_envs != 1:
            raise ValueError(f"the parallel view needs one copy, got num_envs={env.num_envs}")
        if render_mode is not None and render_mode not in RENDER_MODES:
            hint = suggestion(str(render_mode), RENDER_MODES)
            modes = ", ".join(map(repr, RENDER_MODES))
            raise ValueError(f"render_mode must be None or one of {modes}, got {render_mode!r}{hint}")
        team = env.team
        self.env = env
        self.team = team
        self.metadata = {
            "name": team.task_id,
            "render_modes": list(RENDER_MODES),
            "render_fps": FPS,
            "is_parallelizable": True,
        }
        self.render_mode = render_mode
        self._trail: deque[np.ndarray] = deque(maxlen=TRAIL)
        self._is_watched = render_mode == "human"
        self.possible_agents = [f"agent_{i}" for i in range(team.n_agents)]
        self.agents: list[str] = []
        whole = env.single_observation_space
        assert isinstance(whole, Box)
        dtype: Any = whole.dtype
        sizes = enumerate(team.observation_sizes)
        boxes = [Box(whole.low[i, :size], whole.high[i, :size], dtype=dtype) for i, size in sizes]
        self.observation_spaces: Spaces = dict(zip(self.possible_agents, boxes, strict=True))
        self.action_spaces: dict[str, Space[Any]] = {
            name: Discrete(team.action_size)
            if team.action_kind == "discrete"
            else Box(-1.0, 1.0, (team.action_size,), np.float32)
            for name in self.possible_agents
        }
        self.state_space = Box(-np.inf, np.inf, (team.state_size,), dtype)
        self._state = np.zeros(team.state_size, dtype)
        self._mask: np.ndarray | None = None

    def observation_space(self, agent: str) -> Space[np.ndarray]:
        """The member's observation space, the same object each time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Any]:
        """The member's action space, the same object each time."""
        return self.action_spaces[agent]

    def reset(
        self,
        seed: int | None = None,
        options: dict | None = None,  # noqa: ARG002
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Starts an episode; without a seed the generator goes on. There are no options.

        Returns:
            Observations and infos by member.
        """
        observation, info = self.env.reset(seed=seed)
        self.agents = list(self.possible_agents)
        self._trail.clear()
        self._watch()
        return self._observations(observation), self._infos(info)

    def step(
        self, actions: dict[str, np.ndarray]
    ) -> tuple[
        dict[str, np.ndarray],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Plays one step.

        Args:
            actions: one action, (act,) within [-1, 1] or an integer, for each member; without members left
                (episode over) it is not looked at.

        Returns:
            Observations, rewards, terminations, truncations and infos by member; empty when the episode was
            over.

        Raises:
            ValueError: a member is missing or unknown, or an action lies outside its space or is not allowed
                now; the message names the member and the value.
        """
        if not self.agents:
            return {}, {}, {}, {}, {}
        odd = sorted(actions.keys() ^ set(self.agents))
        if odd:
            raise ValueError(
                f"actions must name exactly the members {', '.join(self.agents)}; odd: {', '.join(odd)}"
            )
        masks = [None] * self.team.n_agents if self._mask is None else self._mask
        size = self.team.action_size
        joint = np.stack(
            [member_action(name, actions[name], size, m) for name, m in zip(self.agents, masks, strict=True)]
        )[None]
        observation, _, terminated, truncated, info = self.env.step(joint)
        rewards = dict(zip(self.possible_agents, map(float, info["agent_reward"][0]), strict=True))
        terminations = dict.fromkeys(self.possible_agents, bool(terminated[0]))
        truncations = dict.fromkeys(self.possible_agents, bool(truncated[0]))
        if terminated[0] or truncated[0]:
            self.agents = []
        self._watch()
        return self._observations(observation), rewards, terminations, truncations, self._infos(info)

    def state(self) -> np.ndarray:
        """The state (state_size,) of the last reset or step."""
        return self._state.copy()

    def render(self) -> np.ndarray | None:
        """A picture of the present moment, with trails of the last steps.

        Returns:
            (H, W, 3) uint8 for "rgb_array"; None otherwise: for "human" the window is brought up to date.

        Raises:
            ValueError: "human" without pygame or without a screen.
        """
        if self.render_mode is None:
            logger.warn("render() shows nothing: make the environment with render_mode='rgb_array'")
            return None
        from .drawing import draw
        from .window import show

        scene = self.env.scene()
        frame = draw(scene, trails=np.stack(self._trail) if self._trail else None)
        if self.render_mode == "rgb_array":
            return frame
        if self._is_watched:
            self._is_watched = show(frame, self.team.task_id, FPS)
        return None

    def close(self) -> None:
        """Closes the window, if there is one."""
        if self.render_mode == "human":
            from .window import hide

            hide()

    def _watch(self) -> None:
        """Notes where the members are, and shows it where somebody watches."""
        if self.render_mode is not None:
            members = self.env.scene().members
            if len(members):
                self._trail.append(members)
            if self._is_watched:
                self.render()

    def _observations(self, observation: np.ndarray) -> dict[str, np.ndarray]:
        sizes = self.team.observation_sizes
        return {name: observation[0, i, : sizes[i]] for i, name in enumerate(self.possible_agents)}

    def _infos(self, info: dict[str, Any]) -> dict[str, dict[str, Any]]:
        self._state = info["state"][0]
        infos: dict[str, dict[str, Any]] = {
            name: {m: float(info[m][0]) for m in self.team.metrics} for name in self.possible_agents
        }
        if "action_mask" in info:
            mask = self._mask = info["action_mask"][0]
            for i, name in enumerate(self.possible_agents):
                infos[name]["action_mask"] = mask[i].astype(np.int8)
        return infos
