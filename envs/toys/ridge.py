"""The ridge game: two members are paid for choosing the same number, and every number is as good.

Task
    Each of two members chooses a number without seeing the other's. The reward is a ridge along the diagonal
    of the joint actions: all its points are optima, so members may agree on one point (a joint bias) or move
    along the ridge together, which takes a common source of randomness, such as a shared latent variable.
Observation
    The constant 1, the same for both members.
Action
    A number, (1,) in [-1, 1].
Reward
    Shared: exp(-(a_0 - a_1)**2 / width), at most 1.
Episode
    ``horizon`` rounds that do not influence each other; then truncated, never terminated. Nothing is random.
    An agent with discount 0 learns the reward itself as its Q.
State
    As the observation.
Metrics
    ``action_gap``: |a_0 - a_1|, mean over the rounds so far. ``action_mean``: (a_0 + a_1) / 2 of the last
    round, the place on the ridge.
Settings
    ``RidgeSettings``.
Source
    Ours, after the toy example that the VM3-AC paper (AAMAS 2023) mentions in sections 4.1 and 5: it asks
    whether an agent's common latent variable correlates the members' actions.
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
from ..kernels import Kernel, prange
from ..scene import FAINT, GOAL, INK, OBSTACLE, Disc, Line, Rectangle, Scene, Shape, member_colour
from ..team import TeamSpec

METRICS = ("action_gap", "action_mean")


@dataclass(frozen=True)
class RidgeSettings:
    """Settings of the ridge game.

    Attributes:
        width: of the ridge, the square of the gap at which the reward has fallen to 1 / e.
        horizon: rounds of an episode.
        dtype: of observations and state.
    """

    width: float = 0.1
    horizon: int = 1
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if not 0 < self.width < math.inf:
            raise ValueError(f"width must be a positive number, got {self.width}")
        if self.horizon < 1:
            raise ValueError(f"horizon must be >= 1, got {self.horizon}")


def ridge_reward(actions: np.ndarray, width: float) -> np.ndarray:
    """The reward (...) of joint actions (..., 2)."""
    return np.exp(-np.square(actions[..., 0] - actions[..., 1]) / width)


def random_reward(width: float) -> float:
    """The expected reward of a round with independent actions, uniform in [-1, 1].

    The gap d has density (2 - d) / 2 on [0, 2]; the integral of exp(-d**2 / width) over it is this.
    """
    plateau = 0.5 * math.sqrt(math.pi * width) * math.erf(2 / math.sqrt(width))
    return plateau + 0.25 * width * math.expm1(-4 / width)


def gaussian_reward(deviation: float, correlation: float, width: float) -> float:
    """The expected reward of a round with jointly Gaussian actions of equal means; clipping is left out.

    The gap has variance v = 2 ``deviation``**2 (1 - ``correlation``), and the reward's mean is
    (1 + 2 v / width)**-0.5. So correlated actions cost nothing, however far they range.

    Args:
        deviation: standard deviation of each action.
        correlation: of the two, in [-1, 1].
        width: of the ridge.
    """
    variance = 2 * deviation**2 * (1 - correlation)
    return (1 + 2 * variance / width) ** -0.5


def _step(actions, elapsed, width, last, metrics, observation, state, agent_reward, reward):
    """One round of all copies; ``last`` (B, 2) receives the actions, the last four are filled."""
    for b in prange(actions.shape[0]):
        gap = actions[b, 0, 0] - actions[b, 1, 0]
        reward[b] = math.exp(-gap * gap / width)
        metrics[b, 0] += (abs(gap) - metrics[b, 0]) / elapsed[b]
        metrics[b, 1] = 0.5 * (actions[b, 0, 0] + actions[b, 1, 0])
        state[b, 0] = 1.0
        for i in range(2):
            last[b, i] = actions[b, i, 0]
            agent_reward[b, i] = reward[b]
            observation[b, i, 0] = 1.0


STEP = Kernel(_step)


def agreed_point(team: TeamSpec):
    """Both members play 0, the middle of the ridge: always the best reward.

    Args:
        team: the ridge game.

    Returns:
        A function from observations (B, 2, 1) to actions (B, 2, 1).
    """
    shape = (team.n_agents, team.action_size)

    def act(observation: np.ndarray) -> np.ndarray:
        return np.zeros((len(observation), *shape))

    return act


class Ridge(TeamEnv):
    """B copies of the ridge game; see the module's docstring."""

    settings_type = RidgeSettings
    presets = {"ridge-v1": {}}  # noqa: RUF012
    reference_policy = staticmethod(agreed_point)

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed, observation_bound=1.0)
        self._width = float(team.settings["width"])
        self._last = self._state_array("last", (2,), np.float64)

    @classmethod
    def describe(cls, task_id: str, settings: RidgeSettings) -> TeamSpec:
        """The TeamSpec of the ridge game under these settings."""
        unit, values = "team (shared reward)", asdict(settings)
        return TeamSpec(task_id, 2, (1, 1), 1, "continuous", 1, settings.horizon, METRICS, unit, values)

    def scene(self, copy: int = 0) -> Scene:
        """The square of joint actions, member 0 to the right, member 1 upwards, with the ridge in it."""
        if self._elapsed[copy] == 0:
            return Scene((-1.3, -1.3), (1.3, 1.3), _landscape(self._width), caption="no round yet")
        x, y = (float(a) for a in self._last[copy])
        shapes = [
            *_landscape(self._width),
            Line(((x, -1.0), (x, y)), member_colour(0)),
            Line(((-1.0, y), (x, y)), member_colour(1)),
            Disc(x, -1.12, 0.08, member_colour(0), label="0"),
            Disc(-1.12, y, 0.08, member_colour(1), label="1"),
            Disc(x, y, 0.05, INK),
        ]
        paid = float(ridge_reward(self._last[copy], self._width))
        return Scene((-1.3, -1.3), (1.3, 1.3), shapes, caption=f"reward {paid:.3f}, gap {abs(x - y):.3f}")

    def _start(self, mask: np.ndarray) -> None:
        self._last[mask] = 0.0

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        observation[...] = 1.0
        state[...] = 1.0

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> None:
        STEP.for_batch(self.num_envs)(
            self._actions,
            self._elapsed,
            self._width,
            self._last,
            self._metrics,
            observation,
            state,
            agent_reward,
            reward,
        )


def _landscape(width: float) -> list[Shape]:
    """The square, the ridge, and the lines where the reward has fallen to 1 / e."""
    shapes: list[Shape] = [Rectangle(0.0, 0.0, 2.0, 2.0, OBSTACLE, filled=False)]
    for gap in (-math.sqrt(width), math.sqrt(width)):
        if abs(gap) < 2:
            low, high = max(-1.0, -1.0 - gap), min(1.0, 1.0 - gap)
            shapes.append(Line(((low, low + gap), (high, high + gap)), FAINT))
    return [*shapes, Line(((-1.0, -1.0), (1.0, 1.0)), GOAL)]
