"""SMAC-like battles: a team of StarCraft units against a scripted one, without StarCraft.

Task
    Members, each commanding one unit, have to kill all enemies. The interface is that of SMAC, the fight is
    a light stand-in for the game: results on it are SMAC-like and never to be compared with SMAC's. Battles
    are decided by concentrated fire, healing and retreating: Stalkers outrun Zealots.
Observation
    SMAC's, zero for the dead: 4 flags of the allowed moves; for each enemy that lives closer than 9 [may be
    attacked, distance / 9, dx / 9, dy / 9, hit points, shields, type], else zeros; the same for each other
    ally, led by 1; own hit points, shields and type. Points are parts of the most possible. Shields only on
    a side that has Protoss units, one-hot types only where a side is mixed. A Medivac's flags of targets are
    those of the allies that it may heal. On maps of Stalkers and Zealots the enemies' types are [Zealot,
    Stalker], the allies' [Stalker, Zealot].
Action
    0 no-op (the dead, and they only), 1 stop, 2 to 5 a step north, south, east, west, 6 + j attack enemy j;
    of a Medivac, heal ally j. A move is allowed if the cell one ahead is walkable, a target if it lives
    within 6, for every kind of unit; an attacker walks until it reaches its target. Members never attack by
    themselves.
Reward
    Shared. The default, "modified", is sparse: 10 for each enemy that dies, -1 for each ally, -0.1 in every
    step, 200 for a win. "dense" is SMAC's: points that the enemies lost, 10 a kill, 200 a win, scaled so that
    a won battle returns about 20. "sparse" is SMAC's 1 and -1, divided by that scale as well. Each number is
    a setting.
Episode
    Sides start 14 apart on a 32 x 32 map. A step is half a second: 8 ticks in each of which units choose
    targets, move, are pushed apart and attack in random order. Terminated when a side is dead (also when only
    Medivacs are left, or one enemy Medivac); truncated after ``horizon`` steps. With ``start_jitter=0`` the
    start is always the same, only the order of acting is random.
State
    SMAC's: for each ally [hit points, cooldown or a Medivac's energy, x, y, shields, type], for each enemy
    [hit points, x, y, shields, type], zero for the dead, x and y from the middle over 32; then the members'
    last actions, one-hot.
Metrics
    ``battle_won``: 1 if the battle has been won; its mean over episodes is the win rate, by which results on
    these tasks are ranked. ``dead_allies`` and ``dead_enemies``: units so far.
Settings
    ``MicroSettings``. ``micro-v1`` takes any composition.
Source
    Interface: Samvelyan et al., "The StarCraft Multi-Agent Challenge", AAMAS 2019, oxwhirl/smac; units from
    its maps and BurnySc2/sc2-techtree. The enemies' script and splashes: Michalski et al., "SMAClite", 2023,
    uoe-agents/smaclite. Pushing: JaxMARL's SMAX. Deviations from the game: no projectiles, wind-up, path
    finding or threat rules, one radius a unit, cliffs as two straight edges, no wounds of Zerg that close.
    Deviations from SMAClite: enemies in sight and those that attack from afar come by distance alone, a beam
    hits all that it touches, scripted Medivacs heal the closest, a hit takes half a point at least.
Versions
    v1: first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from ..base import TeamEnv
from ..scene import Scene
from ..team import TeamSpec
from .facts import facts
from .kernels import ALLOW, OBSERVE, START, STEP
from .layout import FIRST_TARGET, N_ROWS
from .reference import battle_policy
from .scenes import battle_scene
from .settings import MicroSettings
from .units import kinds_shown, team

METRICS = ("battle_won", "dead_allies", "dead_enemies")
WON = METRICS[0]
MAPS = {
    "micro_3m-v1": ("3m", "3m", 60, "band"),
    "micro_8m-v1": ("8m", "8m", 120, "band"),
    "micro_2s3z-v1": ("2s3z", "2s3z", 120, "band"),
    "micro_3s5z-v1": ("3s5z", "3s5z", 150, "band"),
    "micro_3s_vs_3z-v1": ("3s", "3z", 150, "open"),
    "micro_5m_vs_6m-v1": ("5m", "6m", 70, "band"),
    "micro_27m_vs_30m-v1": ("27m", "30m", 180, "band"),
    "micro_MMM2-v1": ("2M7m1v", "3M8m1v", 180, "band"),
}
"""Allies, enemies, SMAC's episode limit (oxwhirl/smac smac_maps.py), terrain."""


class Battle(TeamEnv):
    """B copies of a SMAC-like battle; see the module's docstring."""

    settings_type = MicroSettings
    presets = {  # noqa: RUF012
        "micro-v1": {},
        **{
            task: {"allies": allies, "enemies": enemies, "horizon": limit, "terrain": terrain}
            for task, (allies, enemies, limit, terrain) in MAPS.items()
        },
    }
    reference_policy = staticmethod(battle_policy)

    def __init__(self, team: TeamSpec, num_envs: int = 1, seed: int | Sequence[int] | None = None) -> None:
        super().__init__(team, num_envs, seed, observation_bound=1.0)
        self._settings = settings = MicroSettings(**team.settings)
        self._facts = facts(settings)
        n_units = self._facts.kind.shape[1]
        self._units = self._state_array("units", (N_ROWS, n_units), np.float64)
        self._target = self._state_array("target", (n_units,), np.int64)
        self._last = self._state_array("last", (team.n_agents,), np.int64)
        self._battles = self._state_array("battles", (3,), np.int64)
        self._target[:] = self._last[:] = -1
        self._scripted = False

    @classmethod
    def describe(cls, task_id: str, settings: MicroSettings) -> TeamSpec:
        """The TeamSpec of a task id under these settings.

        Raises:
            ValueError: the settings have other teams than the task id, or teams without room.
        """
        for name, value in cls.presets.get(task_id, {}).items():
            if name in ("allies", "enemies") and getattr(settings, name) != value:
                raise ValueError(f"{task_id}: {name} is fixed by the task id; micro-v1 takes any composition")
        allies, enemies = team(settings.allies), team(settings.enemies)
        facts(settings)
        n, m, bits = len(allies), len(enemies), len(kinds_shown(allies, enemies)[0])
        own, other = (bits + any(unit.is_protoss for unit in side) for side in (allies, enemies))
        observation = 4 + m * (5 + other) + (n - 1) * (5 + own) + 1 + own
        n_actions = FIRST_TARGET + m
        state = n * (4 + own) + m * (3 + other) + n * n_actions
        unit, values = "team (shared reward)", asdict(settings)
        return TeamSpec(
            task_id,
            n,
            (observation,) * n,
            state,
            "discrete",
            n_actions,
            settings.horizon,
            METRICS,
            unit,
            values,
            WON,
        )

    def get_stats(self) -> dict[str, float]:
        """SMAC's battle statistics, of all copies since they were made, by SMAC's names."""
        won, fought, late = (int(count) for count in self._battles.sum(0))
        rate = won / fought if fought else 0.0
        return {
            "battles_won": won,
            "battles_game": fought,
            "battles_draw": late,
            "win_rate": rate,
            "timeouts": late,
            "restarts": 0,
        }

    def scene(self, copy: int = 0) -> Scene:
        """The battlefield: units, hit points, shields, targets and attacks."""
        return battle_scene(
            self._settings, self._facts, self._units[copy], self._target[copy], self._metrics[copy]
        )

    def _start(self, mask: np.ndarray) -> None:
        START.for_batch(self.num_envs)(
            mask, self._facts, self._generator, self._units, self._target, self._last
        )

    def _allowed(self, mask: np.ndarray) -> None:
        ALLOW.for_batch(self.num_envs)(self._facts, self._units, mask)

    def _observe(self, observation: np.ndarray, state: np.ndarray) -> None:
        observe = OBSERVE.for_batch(self.num_envs)
        observe(self._facts, self._units, self._last, self.team.action_size, observation, state)

    def _advance(
        self, observation: np.ndarray, state: np.ndarray, agent_reward: np.ndarray, reward: np.ndarray
    ) -> np.ndarray:
        terminated = np.empty(self.num_envs, np.bool_)
        STEP.for_batch(self.num_envs)(
            self._actions,
            self._elapsed,
            self.team.horizon,
            self.team.action_size,
            self._scripted,
            self._facts,
            self._generator,
            self._units,
            self._target,
            self._last,
            self._battles,
            self._metrics,
            observation,
            state,
            agent_reward,
            reward,
            terminated,
        )
        if not self._settings.continuing_episode:
            np.logical_or(terminated, self._elapsed >= self.team.horizon, out=terminated)
        return terminated
