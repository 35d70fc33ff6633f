"""The linear-Gaussian game: members guess a common number from noisy views, and everything is known about it.

Task
    A number z is drawn from N(0, 1). Member i sees x_i = w_i z + s e_i, with noise e_i from N(0, 1) of its
    own, and the members' actions should add up to ``scale`` z. It is a static linear-quadratic-Gaussian team:
    the best decentralised policy is linear, its return and the mutual information of the actions have closed
    forms.
Observation
    x_i, one number.
Action
    A number, (1,) in [-1, 1].
Reward
    Shared: -((sum over members of a_i) / scale - z)**2. Doing nothing earns -1 on average, the best linear
    policy -s**2 / (s**2 + sum of w_i**2).
Episode
    ``horizon`` rounds, each with z and noise of its own, that do not influence each other; then truncated,
    never terminated. An agent with discount 0 learns the expected reward itself as its Q.
State
    N + 1 numbers: z, then what each member sees.
Metrics
    ``target_error``: |(sum of a_i) / scale - z|, mean over the rounds so far. ``clipped``: share of the
    rounds so far in which some member's action lies on its bound, where the closed forms are not exact.
Settings
    ``LinearGaussianSettings``.
Source
    The optimum: Radner, "Team decision problems", Annals of Mathematical Statistics 33, 1962. The mutual
    information of two Gaussians with correlation rho is -log(1 - rho**2) / 2 nats (Cover and Thomas,
    "Elements of Information Theory", chapter 8). A ground truth for estimates of the mutual information
    between members' actions, which the VM3-AC paper (AAMAS 2023) maximises.
Versions
    v1: first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from ..base import TeamEnv
from ..generator import uniform
from ..kernels import Kernel, device, prange
from ..scene import FAINT, GOAL, INK, Disc, Line, Scene, Shape, member_colour
from ..team import TeamSpec
from .gaussian_answers import LinearGaussianSettings, best_gains

METRICS = ("target_error", "clipped")


@device
def normal(generator, b):
    """The next standard normal number of copy ``b`` (Box and Muller, 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(generator, b, 0.0, 1.0)))
    return radius * math.cos(2.0 * math.pi * uniform(generator, b, 0.0, 1.0))


@device
def draw_copy(generator, weights, noise, signal, seen, b):
    """A new round of copy ``b``: the common number ``signal`` (B,) and what members see, ``seen`` (B, N)."""
    signal[b] = normal(generator, b)
    for i in range(weights.size):
        seen[b, i] = weights[i] * signal[b] + noise * normal(generator, b)


@device
def observe_copy(signal, seen, observation, state, b):
    """Observation (B, N, 1) and state (B, N + 1) of copy ``b``."""
    state[b, 0] = signal[b]
    for i in range(seen.shape[1]):
        observation[b, i, 0] = seen[b, i]
        state[b, i + 1] = seen[b, i]


def _start(mask, generator, weights, noise, signal, seen):
    """A first round for the copies in ``mask``."""
    for b in prange(mask.size):
        if mask[b]:
            draw_copy(generator, weights, noise, signal, seen, b)


def _observe(signal, seen, observation, state):
    """Observations and states of all copies."""
    for b in prange(signal.size):
        observe_copy(signal, seen, observation, state, b)


def _step(
    actions,
    elapsed,
    generator,
    weights,
    noise,
    scale,
    signal,
    seen,
    last,
    metrics,
    observation,
    state,
    agent_reward,
    reward,
):
    """One round of all copies: rewards for the present one, then the next one is drawn.

    ``last`` (B, N + 1) receives what was aimed at, ``scale`` z, and the actions.
    """
    for b in prange(signal.size):
        total, clipped = 0.0, 0.0
        last[b, 0] = scale * signal[b]
        for i in range(weights.size):
            total += actions[b, i, 0]
            last[b, i + 1] = actions[b, i, 0]
            if abs(actions[b, i, 0]) >= 1.0:
                clipped = 1.0
        error = total / scale - signal[b]
        reward[b] = -error * error
        for i in range(weights.size):
            agent_reward[b, i] = reward[b]
        metrics[b, 0] += (abs(error) - metrics[b, 0]) / elapsed[b]
        metrics[b, 1] += (clipped - metrics[b, 1]) / elapsed[b]
        draw_copy(generator, weights, noise, signal, seen, b)
        observe_copy(signal, seen, observation, state, b)


START, OBSERVE, STEP = Kernel(_start), Kernel(_observe), Kernel(_step)


def best_linear_policy(team: TeamSpec):
    """Each member multiplies what it sees by its best gain (``best_gains``): the optimum, up to clipping.

    Args:
        team: a linear-Gaussian game.

    Returns:
        A function from observations (B, N, 1) to actions (B, N, 1).
    """
    gains = best_gains(LinearGaussianSettings(**team.settings))[:, None]

    def act(observation: np.ndarray) -> np.ndarray:
        return np.clip(gains * observation.astype(np.float64), -1.0, 1.0)

    return act


class LinearGaussian(TeamEnv):
    """B copies of the linear-Gaussian game; see the module's docstring."""

    settings_type = LinearGaussianSettings
    presets = {"linear_gaussian-v1": {}}  # noqa: RUF012
    reference_policy = staticmethod(best_linear_policy)

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed)
        settings = LinearGaussianSettings(**team.settings)
        self._weights = np.array(settings.weights)
        self._noise, self._scale = settings.noise, settings.scale
        self._signal = self._state_array("signal", (), np.float64)
        self._seen = self._state_array("seen", (team.n_agents,), np.float64)
        self._last = self._state_array("last", (team.n_agents + 1,), np.float64)

    @classmethod
    def describe(cls, task_id: str, settings: LinearGaussianSettings) -> TeamSpec:
        """The TeamSpec of the linear-Gaussian game under these settings; N is the number of weights."""
        n, unit, values = len(settings.weights), "team (shared reward)", asdict(settings)
        return TeamSpec(task_id, n, (1,) * n, n + 1, "continuous", 1, settings.horizon, METRICS, unit, values)

    def scene(self, copy: int = 0) -> Scene:
        """Number lines of the last round: what was aimed at, the sum of the actions, each member's action."""
        return _scene(self._last[copy], played=bool(self._elapsed[copy]), error=self._metrics[copy, 0])

    def _start(self, mask: np.ndarray) -> None:
        self._last[mask] = 0.0
        start = START.for_batch(self.num_envs)
        start(mask, self._generator, self._weights, self._noise, self._signal, self._seen)

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        OBSERVE.for_batch(self.num_envs)(self._signal, self._seen, observation, state)

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> None:
        STEP.for_batch(self.num_envs)(
            self._actions,
            self._elapsed,
            self._generator,
            self._weights,
            self._noise,
            self._scale,
            self._signal,
            self._seen,
            self._last,
            self._metrics,
            observation,
            state,
            agent_reward,
            reward,
        )


def _scene(last: np.ndarray, *, played: bool, error: float) -> Scene:
    n = len(last) - 1
    low, high = (-2.2, -0.4 - 0.5 * n), (2.2, 0.9)
    rows = [(0.5, 2.0), (0.0, 2.0), *((-0.5 * (i + 1), 1.0) for i in range(n))]
    shapes: list[Shape] = [Line(((-half, y), (half, y)), FAINT) for y, half in rows]
    if not played:
        return Scene(low, high, shapes, caption="no round yet")
    aim, total = float(last[0]), float(last[1:].sum())
    for i, action in enumerate(last[1:]):
        shapes.append(Disc(float(action), -0.5 * (i + 1), 0.17, member_colour(i), label=str(i)))
    shapes += [Disc(aim, 0.5, 0.17, GOAL, label="aim"), Disc(total, 0.0, 0.17, INK, label="sum")]
    return Scene(low, high, shapes, caption=f"aim {aim:.2f}, sum {total:.2f}, mean error {error:.2f}")
