"""Cooperative tasks, always batched: B copies stepped by one compiled call.

>>> from coordbench import envs
>>> env = envs.make("cooperative_navigation_3-v1", num_envs=64)
>>> observation, info = env.reset(seed=0)
>>> observation.shape
(64, 3, 18)

Importing the package is cheap; Gymnasium, Numba and PettingZoo are imported when they are first needed. The
tasks enter Gymnasium's registry when it and this package have been imported (``gymnasium_ids``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .gymnasium_ids import register_with_gymnasium
from .registry import make, names, reference_policy, require, spec
from .seeding import copy_seeds

if TYPE_CHECKING:
    from .autoreset import NextStepAutoreset
    from .base import ReferencePolicy, TeamEnv
    from .checks import ContractError, check_env
    from .parallel import parallel_env
    from .pettingzoo_team import ParallelTeam, from_parallel
    from .team import TeamSpec

__all__ = [
    "ContractError",
    "NextStepAutoreset",
    "ParallelTeam",
    "ReferencePolicy",
    "TeamEnv",
    "TeamSpec",
    "check_env",
    "copy_seeds",
    "from_parallel",
    "make",
    "names",
    "parallel_env",
    "reference_policy",
    "require",
    "spec",
]

_LAZY = {
    "ContractError": "checks",
    "NextStepAutoreset": "autoreset",
    "ParallelTeam": "pettingzoo_team",
    "ReferencePolicy": "base",
    "TeamEnv": "base",
    "TeamSpec": "team",
    "check_env": "checks",
    "from_parallel": "pettingzoo_team",
    "parallel_env": "parallel",
}

register_with_gymnasium()


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
