"""What a copy remembers of its units, and what a step writes down meanwhile: rows of two arrays."""

from __future__ import annotations

X, Y, HP, SHIELD, COOLDOWN, DELAY, ENERGY, HEALING, STRUCK = range(9)
"""Rows of the state array "units" (B, 9, U).

X, Y: of the centre. HP: 0 of the dead. COOLDOWN: seconds until it may attack again. DELAY: ticks until its
shields grow again. ENERGY: a Medivac's. HEALING: whether it healed in the last tick. STRUCK: 1 + the unit
that it last attacked or healed in this step, 0 if none.
"""
N_ROWS = 9
NEW_X, NEW_Y, GOAL_X, GOAL_Y, WALKS, BEFORE, PLACE_X, PLACE_Y, SIZE, PLANE, PUSH_X, PUSH_Y = range(12)
"""Rows of the scratch array (12, U). BEFORE: hit points and shields at the step's start, 0 of the dead.

From PLACE_X on columns are positions in the list of living units, else units.
"""
N_WORK = 12

NO_OP, STOP, NORTH, SOUTH, EAST, WEST, FIRST_TARGET = range(7)
"""Actions; FIRST_TARGET + j is an order against enemy j, of a Medivac for ally j."""
SIGHT, SHOOT, STRIDE = 9.0, 6.0, 2.0
"""SMAC's, for every kind of unit: distance seen, distance of targets, length of an ordered move."""
ENERGY_AT_START, ENERGY_MAX = 50.0, 200.0
