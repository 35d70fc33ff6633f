"""SMAC and SMACv2: battles in StarCraft II, which must be installed, a process of the game for each copy.

Task
    Members, each commanding one unit, have to kill all enemies, which the game's own player commands.
    ``smac_<map>-v1`` is a map of SMAC, as ``smac_3s_vs_3z-v1``; ``smacv2_<race>_<n>_vs_<m>-v1`` are SMACv2's
    random teams, as ``smacv2_terran_5_vs_5-v1``.
Observation
    The package's own, zero for the dead; its sizes come from ``get_env_info``.
Action
    0 no-op (the dead, and they only), 1 stop, 2 to 5 a move north, south, east, west, then (after the turns
    of a cone of sight) attack enemy j; of a Medivac, heal ally j. The mask is the package's.
Reward
    Shared. "dense" and "sparse" are what the package returns, scaled by itself unless ``reward_scale`` is
    false; it finds its greatest return by counting the enemies of the first battle of each start of the game.
    "modified" is made here from its battle statistics, as none of its arguments turns damage off:
    ``reward_death_value`` for each enemy that dies, ``reward_ally_death`` for each ally, ``reward_step`` in
    every step, ``reward_win`` for a win, nothing for a defeat, not scaled.
Episode
    Terminated when the battle is decided; truncated after the map's limit. Truncated as well, with a warning
    and ``game_restarts``, where the game breaks off; that step pays 0 and shows what was seen before it. If
    it breaks off twice without a step, or cannot be started, all games are ended by ``GameError``.
State
    The package's own.
Metrics
    ``battle_won``: 1 if the battle has been won. ``dead_allies`` and ``dead_enemies``: units so far.
    ``game_restarts``: times that the game broke off in this episode or at its start.
Seeds
    The game takes a seed only when it is started, by a copy's first reset, so that episodes depend on those
    before them. With ``restart_on_seed`` every ``reset(seed=...)`` starts it. SMACv2's teams and places come
    from the copy's stream in every episode. A game cannot be brought back to a point: ``snapshot`` is refused
    within an episode, and ``restore`` begins the episodes anew.
Settings
    ``SMACSettings``, ``SMACv2Settings``.
Source
    Samvelyan et al., "The StarCraft Multi-Agent Challenge", AAMAS 2019, oxwhirl/smac; Ellis et al., "SMACv2",
    NeurIPS 2023, oxwhirl/smacv2. "modified" after wjkim1202/ader, with each death counted once. Deviations:
    time limits truncate, where the packages only terminate, and a game that breaks off is told.
Versions
    v1: first. Results depend on the game's version, which ``versions`` tells and runs record.
"""

from __future__ import annotations

import re
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..base import StepResult, TeamEnv
from ..seeding import GAMMA, MASK, mix
from ..team import TeamSpec
from . import package
from .game import Game, GameError, end, stats
from .package import Package
from .rewards import pay
from .settings import SMACSettings

METRICS = ("battle_won", "dead_allies", "dead_enemies", "game_restarts")
T = TypeVar("T")


class SMAC(TeamEnv):
    """B copies of a map of SMAC, stepped one after the other; see the module's docstring.

    Raises:
        ValueError: the package, the game, this version of it or the map's file is missing.
    """

    settings_type: ClassVar[type[SMACSettings]] = SMACSettings
    presets = {}  # noqa: RUF012  (ids are patterns, see ``preset``)
    package: ClassVar[Package] = package.SMAC
    is_restorable = False
    most_copies = 8

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed)
        self._settings = settings = self.settings_type(**team.settings)
        self._config = package.game(settings.game_version)
        package.check_map_file(self._config, settings.map_name)
        make = self.package.load()
        self._games = [
            Game(lambda seed: make(**settings.arguments(), seed=seed), self.package is package.SMACV2)
            for _ in range(num_envs)
        ]
        n = team.n_agents
        self._episode = self._state_array("episode", (), np.uint64)
        self._seen = self._state_array("seen", (n, team.observation_size), self._float)
        self._state = self._state_array("state", (team.state_size,), self._float)
        self._mask = self._state_array("mask", (n, team.action_size), np.bool_)
        self._mask[..., 0] = True
        self._cut = np.zeros(num_envs, np.bool_)
        self._is_seeded = False
        # SMAC keeps its environments, and so the games, until the process ends.
        weakref.finalize(self, end, self._games)

    @classmethod
    def require(cls) -> None:
        """Raises ValueError, with the remedy, if the package or the game is missing."""
        cls.package.load()
        package.game(None)

    @classmethod
    def preset(cls, task_id: str) -> Mapping[str, Any]:
        """The map that a task id names."""
        found = re.fullmatch(r"smac_(.+)-v1", task_id)
        if found is None:
            raise ValueError(f"{task_id} is no map of SMAC; such ids are smac_<map>-v1")
        return {"map_name": found[1]}

    @classmethod
    def describe(cls, task_id: str, settings: SMACSettings) -> TeamSpec:
        """The TeamSpec of a task id under these settings, as the package announces it; starts no game.

        Raises:
            ValueError: the package is missing, knows no such map, or the settings contradict the task id.
        """
        for name, value in cls.preset(task_id).items():
            if getattr(settings, name) != value:
                raise ValueError(f"{task_id}: {name} is fixed by the task id")
        make = cls.package.load()
        cls.package.check_map(settings.map_name)
        told = make(**settings.arguments(), seed=0).get_env_info()
        return TeamSpec(
            task_id,
            told["n_agents"],
            (told["obs_shape"],) * told["n_agents"],
            told["state_shape"],
            "discrete",
            told["n_actions"],
            told["episode_limit"],
            METRICS,
            "team (shared reward)",
            asdict(settings),
            "battle_won",
        )

    def versions(self) -> dict[str, str]:
        """The versions of the package, of pysc2 and of the game."""
        return {**self.package.versions(), "game_version": package.game_version(self._config)}

    def get_stats(self) -> dict[str, float]:
        """SMAC's battle statistics, of all copies since they were made, by SMAC's names."""
        return stats(self._games)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """As ``TeamEnv.reset``, and raises GameError if the game cannot be started."""
        self._is_seeded = seed is not None
        return super().reset(seed=seed, options=options)

    def step(self, actions: np.ndarray) -> StepResult:
        """As ``TeamEnv.step``, and truncates where the game broke off; GameError if it does not come back."""
        result = super().step(actions)
        np.logical_or(result[3], self._cut, out=result[3])
        np.logical_or(self._finished, self._cut, out=self._finished)
        return result

    def snapshot(self) -> dict[str, np.ndarray]:
        """As ``TeamEnv.snapshot``, between episodes.

        Raises:
            ValueError: a copy is in an episode, which the game cannot be brought back to.
        """
        busy = np.flatnonzero(~self._finished & (self._elapsed > 0))
        if busy.size:
            raise ValueError(
                f"{self.team.task_id}: copy {busy[0]} is in an episode, which StarCraft II cannot restore; "
                "take snapshots when all copies have finished or have just been reset"
            )
        return super().snapshot()

    def close_extras(self, **_: Any) -> None:
        """Ends the games."""
        self._finished[:] = True
        end(self._games)

    def _start(self, mask: np.ndarray) -> None:
        if self.closed:
            raise GameError(f"{self.team.task_id}: this environment has been closed; make another one")
        anew = self._is_seeded and self._settings.restart_on_seed
        for b in map(int, np.flatnonzero(mask)):
            self._generator[b] = (int(self._generator[b]) + GAMMA) & MASK
            self._episode[b] = mix(int(self._generator[b])) >> 33  # the game's seeds have 31 bits here
            self._begin(b, anew)

    def _begin(self, b: int, anew: bool) -> None:
        n_broken = self._safely(b, lambda game: game.begin(int(self._episode[b]), anew))
        if n_broken:
            self._tell(b, "at the start of an episode, and has been started anew")
        self._metrics[b] = 0, 0, 0, n_broken
        self._look(b)

    def _look(self, b: int) -> None:
        """Takes in what copy ``b`` shows now."""
        place = self._seen[b], self._state[b], self._mask[b]
        for array, found in zip(place, self._safely(b, lambda game: game.look(place)), strict=True):
            array[...] = found

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> np.ndarray:
        terminated = np.zeros(self.num_envs, np.bool_)
        for b in range(self.num_envs):
            turn = self._safely(b, lambda game, b=b: game.step(self._actions[b]))
            self._cut[b] = turn.is_broken
            if turn.is_broken:
                reward[b] = 0.0
                self._metrics[b, 3] += 1
                self._tell(b, f"in step {self._elapsed[b]} of an episode, which is truncated")
                continue
            reward[b] = pay(self._settings, turn, self._metrics[b])
            self._metrics[b, :3] = turn.won, turn.dead_allies, turn.dead_enemies
            terminated[b] = turn.is_over and not (turn.is_late and self._settings.continuing_episode)
            self._look(b)
        agent_reward[:] = reward[:, None]
        self._observe(observation, state)
        return terminated

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        observation[...], state[...] = self._seen, self._state

    def _allowed(self, mask: np.ndarray) -> None:
        mask[...] = self._mask

    def _restored(self) -> None:
        for b in map(int, np.flatnonzero(~self._finished)):
            self._begin(b, self._settings.restart_on_seed)

    def _safely(self, b: int, do: Callable[[Game], T]) -> T:
        """What ``do`` returns; whatever it raises ends all games and is told in one line."""
        try:
            return do(self._games[b])
        except Exception as error:
            self.close()
            kind = "" if isinstance(error, GameError) else f"{type(error).__name__}: "
            reason = kind + " ".join(str(error).split())
            raise GameError(f"{self.team.task_id}, copy {b}: StarCraft II fails: {reason}") from error

    def _tell(self, b: int, when: str) -> None:
        count = self._games[b].counts()["force_restarts"]
        told = f"{self.team.task_id}, copy {b}: StarCraft II broke off {when}; restarts of this copy: {count}"
        warnings.warn(told, RuntimeWarning, stacklevel=2)
