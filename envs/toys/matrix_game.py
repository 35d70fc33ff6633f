"""Repeated matrix games: members choose among a few actions and are paid by a table of joint actions.

Task
    In every round each of N members chooses one of n actions, not knowing the others' choices. The team has
    to find out what joint actions pay. ``climbing-v1``: (0, 0) pays 11, but a member that tries it while the
    other plays 1 costs 30, so teams drift to 7, 6 or 5. ``penalty-v1``: (0, 0) and (2, 2) pay 10, (0, 2) and
    (2, 0) pay ``k``, the safe (1, 1) pays 2. ``coordination_2-v1`` (10 actions) and ``coordination_4-v1`` (5
    actions): 1 if all choose the same action, else 0; n equal optima, and nothing but agreement is asked for.
Observation
    The constant 1; with ``observation="last_actions"`` N n numbers, the joint action of the round before, one
    one-hot block a member, zero in the first round. The same for every member.
Action
    One of n actions, all allowed always.
Reward
    Shared: the payoff of the joint action.
Episode
    ``horizon`` rounds that do not influence each other; then truncated, never terminated. Nothing is random.
State
    As the observation.
Metrics
    ``optimal``: share of the rounds so far whose joint action pays most. ``equilibrium``: which strict Nash
    equilibrium the last round was, counted from 1 in the order of ``strict_equilibria``, 0 if it was none.
Settings
    ``MatrixGameSettings``.
Source
    Climbing and penalty: Claus and Boutilier, "The dynamics of reinforcement learning in cooperative
    multiagent systems", AAAI 1998. As repeated games for deep learners: Papoudakis et al. (2021) and
    uoe-agents/matrix-games, whose penalty game numbers one member's actions the other way round and whose
    constant observation is 0.
Versions
    v1: first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from ..base import TeamEnv
from ..kernels import Kernel, device, prange
from ..scene import Scene
from ..team import TeamSpec
from .matrix_scene import matrix_scene
from .payoffs import MatrixGameSettings, optimal_joint_actions, payoff, strict_equilibria

METRICS = ("optimal", "equilibrium")


@device
def observe_copy(last, n_actions, remember, observation, state, b):
    """Observation (B, N, obs) and state (B, obs) of copy ``b`` after the joint action ``last`` (B, N)."""
    n = last.shape[1]
    for k in range(state.shape[1]):
        state[b, k] = 0.0 if remember else 1.0
    if remember:
        for i in range(n):
            if last[b, i] >= 0:
                state[b, i * n_actions + last[b, i]] = 1.0
    for i in range(n):
        for k in range(state.shape[1]):
            observation[b, i, k] = state[b, k]


def _observe(last, n_actions, remember, observation, state):
    """Observations and states of all copies."""
    for b in prange(last.shape[0]):
        observe_copy(last, n_actions, remember, observation, state, b)


def _step(
    actions,
    elapsed,
    payoffs,
    number,
    n_actions,
    remember,
    last,
    metrics,
    observation,
    state,
    agent_reward,
    reward,
):
    """One round of all copies.

    Args:
        actions: (B, N) int64.
        elapsed: (B,) int64, rounds of the episode with this one.
        payoffs: (n ** N,) float64, the table with the last member's action running fastest.
        number: (n ** N,) int64, of the strict equilibrium, 0 elsewhere.
        n_actions: n.
        remember: whether members observe the last joint action.
        last: (B, N) int64, receives the actions.
        metrics: (B, 2), brought up to date.
        observation: (B, N, obs), filled.
        state: (B, obs), filled.
        agent_reward: (B, N), filled.
        reward: (B,), filled.
    """
    best = payoffs.max()
    for b in prange(actions.shape[0]):
        joint = 0
        for i in range(actions.shape[1]):
            last[b, i] = actions[b, i]
            joint = joint * n_actions + actions[b, i]
        reward[b] = payoffs[joint]
        for i in range(actions.shape[1]):
            agent_reward[b, i] = payoffs[joint]
        is_best = 1.0 if payoffs[joint] == best else 0.0
        metrics[b, 0] += (is_best - metrics[b, 0]) / elapsed[b]
        metrics[b, 1] = number[joint]
        observe_copy(last, n_actions, remember, observation, state, b)


OBSERVE, STEP = Kernel(_observe), Kernel(_step)


def first_optimum(team: TeamSpec):
    """All members play the first of the best joint actions: the convention of a team that has agreed.

    Args:
        team: a matrix game.

    Returns:
        A function from observations (B, N, obs) to actions (B, N) int64.
    """
    agreed = optimal_joint_actions(MatrixGameSettings(**team.settings))[0]

    def act(observation: np.ndarray) -> np.ndarray:
        return np.tile(agreed, (len(observation), 1))

    return act


class MatrixGame(TeamEnv):
    """B copies of a repeated matrix game; see the module's docstring."""

    settings_type = MatrixGameSettings
    presets = {  # noqa: RUF012
        "climbing-v1": {"n_agents": 2, "game": "climbing"},
        "penalty-v1": {"n_agents": 2, "game": "penalty"},
        "coordination_2-v1": {"n_agents": 2, "game": "coordination", "n_actions": 10},
        "coordination_4-v1": {"n_agents": 4, "game": "coordination", "n_actions": 5},
    }
    reference_policy = staticmethod(first_optimum)

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed, observation_bound=1.0)
        settings = MatrixGameSettings(**team.settings)
        self._remember = settings.observation == "last_actions"
        self._payoffs = payoff(settings).ravel()
        self._number = np.zeros(self._payoffs.shape, np.int64)
        equilibria = strict_equilibria(settings)
        shape = (settings.n_actions,) * team.n_agents
        self._number[np.ravel_multi_index(tuple(equilibria.T), shape)] = np.arange(len(equilibria)) + 1
        self._last = self._state_array("last", (team.n_agents,), np.int64)
        self._last[:] = -1

    @classmethod
    def describe(cls, task_id: str, settings: MatrixGameSettings) -> TeamSpec:
        """The TeamSpec of a task id under these settings.

        Raises:
            ValueError: the settings name another game than the task id.
        """
        game = cls.presets.get(task_id, {}).get("game", settings.game)
        if game != settings.game:
            raise ValueError(f"{task_id}: game is fixed by the task id; choose the task of that game")
        n, n_actions = settings.n_agents, settings.n_actions
        size = n * n_actions if settings.observation == "last_actions" else 1
        unit, values = "team (shared reward)", asdict(settings)
        return TeamSpec(
            task_id, n, (size,) * n, size, "discrete", n_actions, settings.horizon, METRICS, unit, values
        )

    def scene(self, copy: int = 0) -> Scene:
        """The payoff table with the last joint action; more than two members: each one's action."""
        settings = MatrixGameSettings(**self.team.settings)
        return matrix_scene(settings, self._last[copy], self._metrics[copy])

    def _start(self, mask: np.ndarray) -> None:
        self._last[mask] = -1

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        observe = OBSERVE.for_batch(self.num_envs)
        observe(self._last, self.team.action_size, self._remember, observation, state)

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> None:
        STEP.for_batch(self.num_envs)(
            self._actions,
            self._elapsed,
            self._payoffs,
            self._number,
            self.team.action_size,
            self._remember,
            self._last,
            self._metrics,
            observation,
            state,
            agent_reward,
            reward,
        )
