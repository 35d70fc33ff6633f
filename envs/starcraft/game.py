"""One copy: a process of StarCraft II behind SMAC's environment, and what SMAC keeps quiet about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from .randomness import Draws, reseed

COUNTS: tuple[str, ...] = ("battles_won", "battles_game", "timeouts", "force_restarts")
"""Attributes of SMAC's environment from which its ``get_stats`` is made."""


class GameError(OSError):
    """StarCraft II fails and does not come back; the games of this environment have been ended."""


@dataclass(frozen=True)
class Turn:
    """What came of a step.

    Attributes:
        reward: SMAC's, scaled or not as its settings say.
        is_over: whether the battle is over, or the game broke off.
        is_late: whether the time limit ended it.
        is_broken: whether the game broke off; then the rest says nothing.
        won, dead_allies, dead_enemies: SMAC's battle statistics of the episode.
    """

    reward: float = 0.0
    is_over: bool = True
    is_late: bool = False
    is_broken: bool = False
    won: bool = False
    dead_allies: int = 0
    dead_enemies: int = 0


class Game:
    """One copy of SMAC's environment; the game starts with the first battle.

    Args:
        make: SMAC's environment with this seed of the game; starts nothing.
        takes_no_seed: whether the package draws its battles from generators that ``randomness`` must seed.
    """

    def __init__(self, make: Callable[[int], Any], takes_no_seed: bool) -> None:
        self._make = make
        self._draws = Draws() if takes_no_seed else None
        self._env: Any = None
        self._is_sound = False
        self._past: dict[str, int] = dict.fromkeys(COUNTS, 0)

    def begin(self, seed: int, anew: bool = False) -> int:
        """Begins a battle.

        Args:
            seed: of the game, if it is started by this, and of what SMACv2 draws.
            anew: whether to start the game anew even if it runs.

        Returns:
            How often the game broke off meanwhile, 0 or 1.

        Raises:
            GameError: the game broke off, was started anew and broke off again.
        """
        # Until a battle is over SMAC's reset starts another game, and counts the enemies once more in its
        # greatest return.
        if anew or not self._is_sound or self._env.battles_game == 0:
            self.close()
        if self._draws is not None:
            self._draws.seed(seed)
        for n_broken in range(2):
            if self._env is None:
                self._env = self._make(seed)
            if self._draws is not None:
                reseed(self._env, seed)
            self._is_sound = self._reset()
            if self._is_sound:
                return n_broken
            self.close()
        raise GameError("it broke off at the start of a battle, twice")

    def step(self, actions: np.ndarray) -> Turn:
        """Plays the members' actions (N,)."""
        before = self._restarts()
        with self._random():
            reward, is_over, info = self._env.step(actions.tolist())
        # Where the game breaks off, SMAC starts another one and returns 0, True, {}.
        if "battle_won" not in info or self._restarts() != before:
            self._is_sound = False
            return Turn(is_broken=True)
        return Turn(
            float(reward),
            bool(is_over),
            bool(info.get("episode_limit", False)),
            False,
            bool(info["battle_won"]),
            int(info["dead_allies"]),
            int(info["dead_enemies"]),
        )

    def look(self, announced: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Observations (N, obs), state (state,) and allowed actions (N, n) bool.

        Args:
            announced: arrays of the shapes that they must have.

        Raises:
            GameError: they have others, or a member has no action.
        """
        with self._random():
            seen = np.stack(self._env.get_obs())
            state, allowed = self._env.get_state(), self._env.get_avail_actions()
        shown = seen, np.asarray(state), np.asarray(allowed) != 0
        for name, array, other in zip(("observations", "a state", "a mask"), shown, announced, strict=True):
            if array.shape != other.shape:
                raise GameError(f"it shows {name} of shape {array.shape}, and announced {other.shape}")
        for i in np.flatnonzero(~shown[2].any(-1)):
            raise GameError(f"member {i} has no action that it may choose")
        return shown

    def counts(self) -> Mapping[str, int]:
        """``COUNTS`` since this copy was made, whatever had to be started anew."""
        if self._env is None:
            return dict(self._past)
        return {name: self._past[name] + int(getattr(self._env, name)) for name in COUNTS}

    def close(self) -> None:
        """Ends the game; the next battle starts another one."""
        env, self._past, self._env, self._is_sound = self._env, dict(self.counts()), None, False
        if env is not None:
            env.close()

    def _reset(self) -> bool:
        """Whether SMAC's reset went through without the game breaking off."""
        before = self._restarts()
        try:
            with self._random():
                self._env.reset()
        except Exception:
            # SMAC starts a game that broke off anew without a word; if that was while it looked for the new
            # units it goes on with the last battle's, or fails for want of any.
            if self._restarts() == before:
                raise
        return self._restarts() == before

    def _restarts(self) -> int:
        return int(self._env.force_restarts)

    def _random(self) -> Any:
        return nullcontext() if self._draws is None else self._draws.used()


def end(games: Sequence[Game]) -> None:
    """Ends all of them, also where one of them makes trouble.

    Raises:
        Exception: the first that any of them raised.
    """
    with ExitStack() as stack:
        for game in games:
            stack.callback(game.close)


def stats(games: Sequence[Game]) -> dict[str, float]:
    """SMAC's battle statistics of all of them, by SMAC's names."""
    counts = {name: sum(game.counts()[name] for game in games) for name in COUNTS}
    fought = counts["battles_game"]
    return {
        "battles_won": counts["battles_won"],
        "battles_game": fought,
        "battles_draw": counts["timeouts"],
        "win_rate": counts["battles_won"] / fought if fought else 0.0,
        "timeouts": counts["timeouts"],
        "restarts": counts["force_restarts"],
    }
