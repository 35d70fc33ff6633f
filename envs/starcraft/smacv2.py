"""SMACv2: SMAC's battles between random teams at random places; ``battle.py`` tells the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import package
from .battle import SMAC
from .settings import SMACv2Settings


class SMACv2(SMAC):
    """B copies of a SMACv2 task, stepped one after the other.

    Raises:
        ValueError: as ``SMAC``.
    """

    settings_type = SMACv2Settings
    package = package.SMACV2

    @classmethod
    def preset(cls, task_id: str) -> Mapping[str, Any]:
        """Race and sizes of the teams that a task id names."""
        found = re.fullmatch(r"smacv2_(terran|protoss|zerg)_([1-9]\d?)_vs_([1-9]\d?)-v1", task_id)
        if found is None:
            raise ValueError(f"{task_id} is not SMACv2's; such ids are smacv2_<race>_<n>_vs_<m>-v1")
        race, n, m = found[1], int(found[2]), int(found[3])
        return {"map_name": f"10gen_{race}", "race": race, "n_units": n, "n_enemies": m}
