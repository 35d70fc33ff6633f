"""Task ids, and what can be made from them. Light: a task's module is imported when it is first asked for.

Tasks of other packages join through the entry-point group ``coordbench.envs``: name = task id, value =
``"package.module:Class"`` with a TeamEnv subclass whose ``presets`` hold that id.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from .settings import resolve, suggestion

if TYPE_CHECKING:
    from .base import ReferencePolicy, TeamEnv
    from .team import TeamSpec

GROUP = "coordbench.envs"
FAMILIES = {"cooperative_navigation": "particles.navigation:CooperativeNavigation"}
"""Tasks that exist for any number of members: ``<family>_<N>-v<version>``."""
PATTERNS = {
    r"smac_.+-v[0-9]+": "starcraft.battle:SMAC",
    r"smacv2_.+-v[0-9]+": "starcraft.smacv2:SMACv2",
}
"""Tasks that need StarCraft II, by their whole id: too many to be listed, and their package knows them."""
TASKS = {
    "cooperative_navigation_3-v1": "particles.navigation:CooperativeNavigation",
    "climbing-v1": "toys.matrix_game:MatrixGame",
    "coordination_2-v1": "toys.matrix_game:MatrixGame",
    "coordination_4-v1": "toys.matrix_game:MatrixGame",
    "linear_gaussian-v1": "toys.linear_gaussian:LinearGaussian",
    "micro-v1": "micro.battle:Battle",
    "micro_27m_vs_30m-v1": "micro.battle:Battle",
    "micro_2s3z-v1": "micro.battle:Battle",
    "micro_3m-v1": "micro.battle:Battle",
    "micro_3s5z-v1": "micro.battle:Battle",
    "micro_3s_vs_3z-v1": "micro.battle:Battle",
    "micro_5m_vs_6m-v1": "micro.battle:Battle",
    "micro_8m-v1": "micro.battle:Battle",
    "micro_MMM2-v1": "micro.battle:Battle",
    "multiwalker_3-v1": "walkers.multiwalker:MultiWalker",
    "multiwalker_4-v1": "walkers.multiwalker:MultiWalker",
    "penalty-v1": "toys.matrix_game:MatrixGame",
    "predator_prey_2-v1": "particles.predator_prey:PredatorPrey",
    "predator_prey_3-v1": "particles.predator_prey:PredatorPrey",
    "predator_prey_4-v1": "particles.predator_prey:PredatorPrey",
    "ridge-v1": "toys.ridge:Ridge",
    "tag_3-v1": "particles.tag:Tag",
    "tag_6-v1": "particles.tag:Tag",
    "treasure_collection_4-v1": "particles.treasure:TreasureCollection",
    "treasure_collection_8-v1": "particles.treasure:TreasureCollection",
}


def names() -> list[str]:
    """All task ids, sorted: the package's own and those of installed packages.

    Of a family (``FAMILIES``) only the members that suites use are listed, of ``PATTERNS`` none.
    """
    return sorted(TASKS.keys() | _outside().keys())


def make(
    task_id: str, num_envs: int = 1, seed: int | Sequence[int] | None = None, **settings: Any
) -> TeamEnv:
    """Makes a batch of copies of a task.

    Args:
        task_id: one of ``names()``.
        num_envs: B.
        seed: of the first ``reset()``, as ``TeamEnv.reset`` takes it; from the operating system if None.
        **settings: the task's settings (its settings class lists them).

    Returns:
        The environment; call ``reset`` first.

    Raises:
        ValueError: unknown task or setting (with the nearest known name), wrong type or value.
    """
    return task_class(task_id)(spec(task_id, settings), num_envs, seed)


def spec(task_id: str, settings: Mapping[str, Any] | None = None) -> TeamSpec:
    """What a task is, without making or compiling it.

    Raises:
        ValueError: as ``make``.
    """
    task = task_class(task_id)
    return task.describe(task_id, resolve(task.settings_type, task_id, task.preset(task_id), settings or {}))


def require(task_id: str) -> None:
    """Check that what the task needs is installed.

    Raises:
        ValueError: unknown task, or a package is missing; the message has the command that installs it.
    """
    task_class(task_id).require()


def reference_policy(team: TeamSpec) -> ReferencePolicy:
    """The scripted policy of ``team``'s task: from observations (B, N, obs) to actions (B, N, act).

    Raises:
        ValueError: unknown task.
        NotImplementedError: the task (of another package) has none.
    """
    return task_class(team.task_id).reference_policy(team)


def task_class(task_id: str) -> type[TeamEnv]:
    """The TeamEnv subclass behind a task id.

    Raises:
        ValueError: unknown id, or another package's entry point that does not hold what it should.
    """
    inside = TASKS.get(task_id) or FAMILIES.get(_family(task_id)) or _by_pattern(task_id)
    if inside is not None:
        module, _, name = inside.partition(":")
        return getattr(importlib.import_module(f".{module}", __package__), name)
    outside = _outside()
    if task_id not in outside:
        hint = suggestion(task_id, names()) or f"; known: {', '.join(names())}"
        raise ValueError(f"unknown task {task_id!r}{hint}")
    return _load(outside[task_id])


def _family(task_id: str) -> str:
    named = re.fullmatch(r"(.+)_[1-9][0-9]?-v1", task_id)
    return named.group(1) if named else ""


def _by_pattern(task_id: str) -> str | None:
    return next((place for pattern, place in PATTERNS.items() if re.fullmatch(pattern, task_id)), None)


def _outside() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _load(point: EntryPoint) -> type[TeamEnv]:
    from .base import TeamEnv

    try:
        task = point.load()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"task {point.name!r}: its entry point {point.value!r} fails: {error}") from error
    if not (isinstance(task, type) and issubclass(task, TeamEnv) and point.name in task.presets):
        raise ValueError(
            f"task {point.name!r}: {point.value!r} must be a TeamEnv subclass with that id among its presets"
        )
    return task
