"""The units of SMAC-like battles, and teams written as in ``2s3z``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..settings import suggestion

ATTRIBUTES = ("light", "armoured")


@dataclass(frozen=True)
class Unit:
    """One kind of unit, in SC2's "normal" game seconds.

    Attributes:
        name: in words.
        letter: in compositions.
        hp: hit points.
        shield: shield points, 0 without shields.
        armour: taken off each hit on the hit points.
        damage: of a hit; of a Medivac 0.
        hits: of an attack.
        cooldown: seconds between attacks.
        reach: weapon range between the rims of two units; of a Medivac, of healing.
        speed: distance a second.
        radius: of the body.
        maxcd: what SMAC divides cooldowns in the state by, in game loops; a Medivac's greatest energy.
        attribute: "light", "armoured" or "".
        bonus: damage added to a hit on units with the attribute ``bonus_to``.
        bonus_to: see ``bonus``.
        splash: "", "line" (a colossus) or "burst" (a baneling, which dies of it).
        is_air: flies: nothing stands in its way but other flyers.
        hits_air: may attack flyers.
        is_protoss: its team's observations have a slot for shields.
    """

    name: str
    letter: str
    hp: float
    shield: float
    armour: float
    damage: float
    hits: int
    cooldown: float
    reach: float
    speed: float
    radius: float
    maxcd: float
    attribute: str = "light"
    bonus: float = 0.0
    bonus_to: str = ""
    splash: str = ""
    is_air: bool = False
    hits_air: bool = False
    is_protoss: bool = False

    @property
    def heals(self) -> bool:
        """Whether it heals instead of attacking."""
        return self.damage == 0.0


# fmt: off
UNITS = (
    Unit("colossus", "c", 200, 150, 1, 10, 2, 1.5, 7, 2.25, 1.0, 24, "armoured", 5, "light", "line",
         is_protoss=True),
    Unit("stalker", "s", 80, 80, 1, 13, 1, 1.8701, 6, 2.9531, 0.625, 35, "armoured", 5, "armoured",
         hits_air=True, is_protoss=True),
    Unit("zealot", "z", 100, 50, 1, 8, 2, 1.2, 0.1, 2.25, 0.5, 22, is_protoss=True),
    Unit("marauder", "M", 125, 0, 1, 10, 1, 1.5, 6, 2.25, 0.5625, 25, "armoured", 10, "armoured"),
    Unit("marine", "m", 45, 0, 0, 6, 1, 0.8608, 5, 2.25, 0.375, 15, hits_air=True),
    Unit("baneling", "b", 30, 0, 0, 80, 1, 0.0, 0.25, 2.5, 0.375, 1, "", splash="burst"),
    Unit("zergling", "g", 35, 0, 0, 5, 1, 0.696, 0.1, 2.953, 0.375, 11),
    Unit("hydralisk", "h", 90, 0, 0, 12, 1, 0.825, 5, 2.25, 0.625, 10, hits_air=True),
    Unit("medivac", "v", 150, 0, 1, 0, 1, 0.0, 4, 2.75, 0.75, 200, "armoured", is_air=True),
)
# fmt: on
"""Every kind, in the order of SMAC's own unit ids, which orders a team and the ally's one-hot type.

Numbers: the Blizzard maps of oxwhirl/smac (UnitData.xml) and BurnySc2/sc2-techtree; the baneling's damage,
ranges and splashes from uoe-agents/smaclite; maxcd from oxwhirl/smac starcraft2.py.
"""
BY_LETTER = {unit.letter: unit for unit in UNITS}
MOST = 99
"""Units of a team, at most."""


def team(composition: str) -> tuple[Unit, ...]:
    """The units of a team in SMAC's order.

    Args:
        composition: counts and letters, e.g. ``"2s3z"`` or ``"7m2M1v"``.

    Returns:
        Units sorted by kind, in the order of ``UNITS``.

    Raises:
        ValueError: something else, no unit at all, or too many.
    """
    if not re.fullmatch(r"(\d+[A-Za-z])+", composition):
        raise ValueError(f"a team is written like '2s3z', a number and a letter a kind; got {composition!r}")
    counts: dict[str, int] = {}
    for number, letter in re.findall(r"(\d+)([A-Za-z])", composition):
        if letter not in BY_LETTER:
            known = ", ".join(f"{unit.letter} {unit.name}" for unit in UNITS)
            near = suggestion(letter.swapcase(), BY_LETTER)
            raise ValueError(f"no unit has the letter {letter!r} of {composition!r}{near}; known: {known}")
        counts[letter] = counts.get(letter, 0) + int(number)
    if not 1 <= sum(counts.values()) <= MOST:
        raise ValueError(f"a team has 1 to {MOST} units, {composition!r} has {sum(counts.values())}")
    return tuple(unit for unit in UNITS for _ in range(counts.get(unit.letter, 0)))


def kinds_shown(allies: tuple[Unit, ...], enemies: tuple[Unit, ...]) -> tuple[list[Unit], list[Unit]]:
    """What the one-hot types of allies and of enemies stand for, bit by bit.

    As SMAC has it: no bits where each side is of one kind; on maps of stalkers and zealots alone the enemies'
    bits are in the other order than the allies'.

    Returns:
        The kinds of the allies' bits, and of the enemies'; equally many.
    """
    present = {*allies, *enemies}
    if len(set(allies)) == len(set(enemies)) == 1:
        return [], []
    kinds = [unit for unit in UNITS if unit in present]
    names = [unit.name for unit in kinds]
    return kinds, kinds[::-1] if names == ["stalker", "zealot"] else kinds
