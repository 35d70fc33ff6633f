"""Every task in Gymnasium's registry, as ``coordbench/<task id>``.

>>> import coordbench.envs
>>> import gymnasium
>>> env = gymnasium.make_vec("coordbench/predator_prey_4-v1", num_envs=16, horizon=50)
>>> env.unwrapped.team.horizon
50

A task is a batch, so there is only ``make_vec``; it takes the task's settings and ``seed``. Since its version
1.0 Gymnasium knows no plugins: ``coordbench.envs`` must be imported, before or after Gymnasium, or be named
in the id, ``"coordbench.envs:coordbench/predator_prey_4-v1"``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from .registry import FAMILIES, names

NAMESPACE = "coordbench"
MOST_MEMBERS = 99
"""The largest N of a family's task ids."""
_NAME = re.compile(r"[\w.-]+-v[0-9]+")


def task_ids() -> list[str]:
    """All ids that can be registered: those listed, and each family for N = 1 ... 99."""
    of_families = {f"{family}_{n}-v1" for family in FAMILIES for n in range(1, MOST_MEMBERS + 1)}
    return sorted(of_families | set(filter(_NAME.fullmatch, names())))


def register_tasks() -> None:
    """Puts the tasks into Gymnasium's registry; those that are there already stay as they are."""
    from gymnasium.envs.registration import register, registry

    for task_id in task_ids():
        name = f"{NAMESPACE}/{task_id}"
        if name not in registry:
            register(name, vector_entry_point=f"{__package__}.registry:make", kwargs={"task_id": task_id})


def register_with_gymnasium() -> None:
    """Registers the tasks now if Gymnasium has been imported, else as soon as it is: it is not light."""
    if "gymnasium" in sys.modules:
        register_tasks()
    else:
        sys.meta_path.insert(0, _AfterGymnasium())


class _AfterGymnasium(MetaPathFinder):
    """Waits for the import of Gymnasium, which it leaves to the usual finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "gymnasium":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_register(module: ModuleType) -> None:
                load(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    register_tasks()

            spec.loader.exec_module = load_and_register  # type: ignore[method-assign]
        return spec
