"""A TeamEnv of any PettingZoo ``ParallelEnv``.

>>> from coordbench import envs
>>> from mpe2 import simple_reference_v3
>>> env = envs.from_parallel(simple_reference_v3.parallel_env, num_envs=4)
>>> observation, info = env.reset(seed=0)
>>> observation.shape
(4, 2, 21)

Observation
    Flattened, discrete parts one-hot, members with fewer numbers padded with zeros. Of a dictionary with
    "observation" and "action_mask" the former.
Action
    Discrete: the mask is the environment's (in the observation or ``info["action_mask"]``), without the
    surplus of members that have fewer actions. Continuous: [-1, 1] is mapped affinely onto the Box; a surplus
    is ignored.
Reward
    "mean": every member receives the mean over all N members; "sum": their sum; "individual": its own. The
    team reward is the mean of what members receive.
Episode
    Ends when no member is left. One that has left earlier sees zeros, earns nothing and may only choose
    action 0. Terminated if all that leave in the last step are flagged so; truncated if one of them is, or at
    the horizon; both are reported where the environment flags both.
State
    ``env.state()`` flattened, or the members' observations one after the other where there is none.
Seeds
    Each episode is started by ``reset(seed=...)`` with a number from the copy's own stream. ``restore`` plays
    the episode's actions again, which needs an environment that is deterministic given its seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from .base import StepResult, TeamEnv
from .pettingzoo_source import Maker, checked, described, maker_of
from .pettingzoo_spaces import Environment, Member, members_of
from .seeding import GAMMA, MASK, mix
from .settings import suggestion
from .team import TeamSpec

TeamReward = Literal["mean", "sum", "individual"]


def from_parallel(
    make: Maker | Environment,
    num_envs: int = 1,
    seed: int | Sequence[int] | None = None,
    team_reward: TeamReward = "mean",
    horizon: int | None = None,
    task_id: str | None = None,
    use_state: bool = True,
) -> ParallelTeam:
    """Makes a TeamEnv of a PettingZoo environment.

    The copies are stepped one after the other in this process.

    Args:
        make: returns a fresh ``ParallelEnv``, e.g. ``lambda: simple_spread_v3.parallel_env(N=4)``; or one
            environment, if ``copy.deepcopy`` can copy it.
        num_envs: B.
        seed: of the first ``reset()``, as ``TeamEnv.reset`` takes it.
        team_reward: what members receive: the "mean" of their rewards, the "sum", or each its own
            ("individual").
        horizon: steps after which an episode is truncated; the environment's own limit (``max_cycles`` or the
            like) if None.
        task_id: the name in results; the environment's name if None.
        use_state: whether the state is ``env.state()`` where there is one; the members' observations if not.

    Raises:
        ValueError: no ``ParallelEnv``, spaces that a team cannot have, no time limit, or a bad argument.
    """
    if team_reward not in get_args(TeamReward):
        rules = ", ".join(map(repr, get_args(TeamReward)))
        near = suggestion(str(team_reward), get_args(TeamReward))
        raise ValueError(f"team_reward must be one of {rules}, got {team_reward!r}{near}")
    maker = maker_of(make)
    team = described(maker, team_reward, horizon, task_id, use_state)
    own_state = bool(team.settings["own_state"])
    return ParallelTeam(team, num_envs, seed, maker, team_reward, own_state)


class ParallelTeam(TeamEnv):
    """B copies of a PettingZoo environment; made by ``from_parallel``, or the base of a task with a name.

    Args:
        team: the task.
        num_envs: B.
        seed: of the first ``reset()``.
        make: returns a fresh environment of the task.
        team_reward: as ``from_parallel`` takes it.
        own_state: whether the state is ``env.state()``.
    """

    def __init__(
        self,
        team: TeamSpec,
        num_envs: int,
        seed: int | Sequence[int] | None,
        make: Maker,
        team_reward: TeamReward = "mean",
        own_state: bool = False,
    ) -> None:
        super().__init__(team, num_envs, seed)
        self._make, self._own_state = make, own_state
        self._rule: TeamReward = team_reward
        self.envs = [checked(make()) for _ in range(num_envs)]
        self._members: tuple[Member, ...] = members_of(self.envs[0])
        n, width = team.n_agents, (() if self._discrete else (team.action_size,))
        played: tuple[int, ...] = (team.horizon, n, *width)
        self._episode = self._state_array("episode", (), np.uint64)
        self._played = self._state_array("played", played, self._actions.dtype)
        self._seen = self._state_array("seen", (n, team.observation_size), np.float32)
        self._state = self._state_array("state", (team.state_size,), np.float32)
        self._present = self._state_array("present", (n,), np.bool_)
        self._mask = self._state_array("mask", (n, team.action_size if self._discrete else 0), np.bool_)
        self._mask[..., :1] = True
        self._own = np.zeros((num_envs, n))
        self._terminated = np.zeros(num_envs, np.bool_)
        self._cut = np.zeros(num_envs, np.bool_)
        # What self.envs have really played, to know after a restore what to play again.
        self._live_episode: list[int | None] = [None] * num_envs
        self._live_played: list[list[np.ndarray]] = [[] for _ in range(num_envs)]

    def remake(self, num_envs: int, seed: int | Sequence[int] | None = None) -> ParallelTeam:
        """A fresh environment of the same task and settings with another number of copies."""
        return ParallelTeam(self.team, num_envs, seed, self._make, self._rule, self._own_state)

    def step(self, actions: np.ndarray) -> StepResult:
        """As ``TeamEnv.step``; an episode that the environment itself cuts short is truncated too."""
        result = super().step(actions)
        np.logical_or(result[3], self._cut, out=result[3])
        np.logical_or(self._finished, self._cut, out=self._finished)
        return result

    def render(self) -> tuple[Any, ...]:
        """What each copy's own ``render`` returns; ``make`` chooses the render mode."""
        return tuple(env.render() for env in self.envs)

    def close_extras(self, **_: Any) -> None:
        """Closes the environments."""
        for env in self.envs:
            env.close()

    def _start(self, mask: np.ndarray) -> None:
        for b in map(int, np.flatnonzero(mask)):
            self._generator[b] = (int(self._generator[b]) + GAMMA) & MASK
            # 31 bits: environments seed NumPy's old generators and C libraries with it.
            self._episode[b] = mix(int(self._generator[b])) >> 33
            self._begin(b)

    def _begin(self, b: int) -> None:
        observations, infos = self.envs[b].reset(seed=int(self._episode[b]))
        self._live_episode[b], self._live_played[b] = int(self._episode[b]), []
        self._look(b, set(self.envs[b].agents), observations, infos)

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> np.ndarray:
        for b in range(self.num_envs):
            self._played[b, self._elapsed[b] - 1] = self._actions[b]
            self._play(b, self._actions[b])
        self._observe(observation, state)
        shares = {"mean": self._own.mean(1), "sum": self._own.sum(1)}
        agent_reward[...] = shares[self._rule][:, None] if self._rule in shares else self._own
        reward[...] = agent_reward.mean(1)
        return self._terminated.copy()

    def _play(self, b: int, actions: np.ndarray) -> None:
        """One step of copy ``b``."""
        env, present = self.envs[b], self._present[b].copy()
        chosen = {m.name: m.act(actions[i]) for i, m in enumerate(self._members) if present[i]}
        observations, rewards, terminations, truncations, infos = env.step(chosen)
        self._live_played[b].append(actions.copy())
        last = [m.name for i, m in enumerate(self._members) if present[i]]
        gone = {name for name in last if terminations[name] or truncations[name]}
        self._look(b, set(env.agents) - gone, observations, infos)
        self._own[b] = 0.0
        self._own[b, present] = [rewards[name] for name in last]
        is_over = not self._present[b].any()
        self._cut[b] = is_over and any(truncations[name] for name in last)
        self._terminated[b] = is_over and (all(terminations[name] for name in last) or not self._cut[b])

    def _look(self, b: int, left: set[Any], observations: dict[Any, Any], infos: dict[Any, Any]) -> None:
        """Takes in what copy ``b`` shows now: who is ``left``, and the last sight of those who just went."""
        self._seen[b] = 0.0
        for i, member in enumerate(self._members):
            name, size = member.name, member.observation_size
            self._present[b, i] = name in left
            if name in observations:
                self._seen[b, i, :size] = member.flat(observations[name])
            if self._discrete:
                self._mask[b, i] = np.arange(self.team.action_size) == 0
                if self._present[b, i]:
                    allowed = member.allowed(observations[name], infos.get(name, {}))
                    self._mask[b, i, : member.action_size] = allowed
        if self._own_state:
            self._state[b] = np.asarray(self.envs[b].state()).reshape(-1)
        else:
            parts = [self._seen[b, i, : m.observation_size] for i, m in enumerate(self._members)]
            self._state[b] = np.concatenate(parts)

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        observation[...], state[...] = self._seen, self._state

    def _allowed(self, mask: np.ndarray) -> None:
        mask[...] = self._mask

    def _restored(self) -> None:
        for b in range(self.num_envs):
            if self._elapsed[b] or not self._finished[b]:
                self._replay(b)

    def _replay(self, b: int) -> None:
        """Brings the environment of copy ``b`` to where the arrays say it is."""
        wanted, live = self._played[b, : self._elapsed[b]], self._live_played[b]
        seen = self._seen[b].copy()
        is_there = self._live_episode[b] == int(self._episode[b]) and len(live) == len(wanted)
        if is_there and all(map(np.array_equal, live, wanted)):
            return
        self._begin(b)
        for actions in wanted:
            self._play(b, actions)
        if not np.array_equal(seen, self._seen[b]):
            raise ValueError(
                f"{self.team.task_id} cannot be restored: with the same seed and actions it shows "
                "something else; reset(seed=...) seems not to decide or to clear everything"
            )


__all__ = ["ParallelTeam", "from_parallel"]
