"""Settings of SMAC-like battles, and the rewards that have names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .units import team

NUMBERS = ("kill", "loss", "step", "win", "defeat", "damage", "hurt", "scale")
REWARDS = {
    "modified": (10.0, -1.0, -0.1, 200.0, 0.0, 0.0, 0.0, 0.0),
    "dense": (10.0, 0.0, 0.0, 200.0, 0.0, 1.0, 0.0, 20.0),
    "dense_signed": (10.0, -5.0, 0.0, 200.0, 0.0, 1.0, -0.5, 20.0),
    "sparse": (0.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 20.0),
    "sparse_maser": (10.0, -5.0, 0.0, 200.0, 0.0, 0.0, 0.0, 10.0),
}
"""The ``NUMBERS`` of each named reward.

"modified" is wjkim1202/ader's (smac/smac/env/starcraft2/starcraft2.py), "sparse_maser" Jiwonjeon9603/MASER's;
the others are the defaults of oxwhirl/smac, "dense_signed" with ``reward_only_positive=False``.
"""


@dataclass(frozen=True)
class MicroSettings:
    """Settings of SMAC-like battles.

    Attributes:
        allies: the team, a number and a letter a kind: m marine, M marauder, v Medivac, s stalker, z zealot,
            c colossus, h hydralisk, g zergling, b baneling. Fixed by the task id, except of ``micro-v1``.
        enemies: the other side, likewise.
        terrain: where ground units may go on the 32 x 32 map: "band", 8 <= y < 25, or "open", everywhere.
        horizon: SMAC's episode limit, in steps of half a second.
        reward: whose numbers the next eight have where they are none: "modified", "dense", "dense_signed",
            "sparse" or "sparse_maser".
        reward_kill: for each enemy unit that dies.
        reward_loss: for each allied unit that dies.
        reward_step: in every step.
        reward_win: for a won battle.
        reward_defeat: for a lost one.
        reward_damage: for each point of hit points and shields that the enemies lost. Where positive and
            ``reward_hurt`` is 0, the sum of this and ``reward_kill`` counts by its size, as in SMAC: shields
            that grow can pay.
        reward_hurt: for each point that the allies lost.
        reward_scale: 0, or the reward is divided by SMAC's greatest return over this number.
        clock: "normal", or "smaclite": speeds times 1.4 and cooldowns over 1.4.
        scan: distance at which enemy units see somebody to attack.
        healer_first: whether they prefer to attack Medivacs, as in SMAClite.
        passes: of pushing overlapping units apart, in each sixteenth of a second.
        start_jitter: uniform displacement in [-start_jitter, start_jitter] of each start coordinate.
        cooldown_jitter: whether a cooldown is -1 to 2 sixteenths of a second longer at random, as in SMAX.
        continuing_episode: whether the time limit only truncates; SMAC's default, false, also terminates.
        dtype: of observations and state.
    """

    allies: str = "3m"
    enemies: str = "3m"
    terrain: Literal["band", "open"] = "band"
    horizon: int = 120
    reward: Literal["modified", "dense", "dense_signed", "sparse", "sparse_maser"] = "modified"
    reward_kill: float | None = None
    reward_loss: float | None = None
    reward_step: float | None = None
    reward_win: float | None = None
    reward_defeat: float | None = None
    reward_damage: float | None = None
    reward_hurt: float | None = None
    reward_scale: float | None = None
    clock: Literal["normal", "smaclite"] = "normal"
    scan: float = 5.0
    healer_first: bool = False
    passes: int = 4
    start_jitter: float = 0.0
    cooldown_jitter: bool = False
    continuing_episode: bool = True
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        for name, number in zip(NUMBERS, REWARDS[self.reward], strict=True):
            if getattr(self, f"reward_{name}") is None:
                object.__setattr__(self, f"reward_{name}", number)
            if not math.isfinite(getattr(self, f"reward_{name}")):
                raise ValueError(f"reward_{name} must be finite")
        if self.reward_scale < 0:  # type: ignore[operator]
            raise ValueError(f"reward_scale must be 0 (no scaling) or more, got {self.reward_scale}")
        if self.horizon < 1 or self.passes < 0:
            raise ValueError(f"horizon must be >= 1 and passes >= 0, got {self.horizon} and {self.passes}")
        if not 0 <= self.scan < math.inf:
            raise ValueError(f"scan must be a distance of 0 or more, got {self.scan}")
        if not 0 <= self.start_jitter <= 1:
            raise ValueError(f"start_jitter must lie in [0, 1], got {self.start_jitter}")
        allies, enemies = team(self.allies), team(self.enemies)
        for side, units in (("allies", allies), ("enemies", enemies)):
            if all(unit.heals for unit in units):
                raise ValueError(f"{side} must have somebody who can attack, got {getattr(self, side)!r}")
        patients = sum(not unit.heals for unit in allies)
        if patients < len(allies) and patients > len(enemies):
            raise ValueError(
                f"a Medivac heals ally j by action 6 + j, and there is one such action an enemy: "
                f"{patients} allies to heal need as many enemies, got {self.enemies!r}"
            )
