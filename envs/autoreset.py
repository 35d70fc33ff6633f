"""Gymnasium's next-step autoreset around a TeamEnv, for wrappers and libraries that expect it."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper

from .base import StepResult, TeamEnv
from .inputs import reset_mask


class NextStepAutoreset(VectorWrapper):
    """A finished copy starts again in the step after its last one.

    In that step its action is ignored; it returns the first observation of the new episode, reward 0, and
    neither flag. The other copies go on as if nothing had happened. Gymnasium's ``NormalizeObservation``
    works on this, but refuses a bare TeamEnv, whose autoreset is disabled.

    Args:
        env: the TeamEnv itself, without wrappers.
    """

    def __init__(self, env: TeamEnv) -> None:
        if not isinstance(env, TeamEnv):
            raise ValueError(f"NextStepAutoreset wraps a bare TeamEnv, not {type(env).__name__}")
        super().__init__(env)
        self.metadata = {**env.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}
        self._team = env
        self._over = np.zeros(env.num_envs, np.bool_)

    def reset(
        self, *, seed: int | list[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """As ``TeamEnv.reset``."""
        result = self._team.reset(seed=seed, options=options)
        self._over[reset_mask(options, self.num_envs)] = False
        return result

    def step(self, actions: np.ndarray) -> StepResult:
        """As ``TeamEnv.step`` for the copies that play; the others begin.

        Raises:
            ValueError: as ``TeamEnv.step``, also for the action of a copy that begins if it has no numbers or
                another shape.
        """
        over = self._over
        result = self._begin(over, actions) if over.any() else self._team.step(actions)
        self._over = result[2] | result[3]
        return result

    def _begin(self, over: np.ndarray, actions: np.ndarray) -> StepResult:
        """A step in which the copies ``over`` (B,) bool begin an episode."""
        env = self._team
        saved = env.snapshot()
        info = env.reset(options={"reset_mask": over})[1]
        begun = env.snapshot()
        played = np.array(actions)
        if played.shape == env.action_space.shape:
            played[over] = info["action_mask"][over].argmax(-1) if "action_mask" in info else 0
        try:
            _, reward, terminated, truncated, info = env.step(played)
        except ValueError:
            env.restore(saved)
            raise
        merged = env.snapshot()
        for name, array in merged.items():
            array[over] = begun[name][over]
        env.restore(merged)
        observation, shown = env.observe()
        for array in (reward, terminated, truncated, info["agent_reward"]):
            array[over] = 0
        return observation, reward, terminated, truncated, info | shown


__all__ = ["NextStepAutoreset"]
