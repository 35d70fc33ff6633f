"""Learning algorithms behind one interface; torch, and no knowledge of environments but their `TeamSpec`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .registry import load, make, names, summary

if TYPE_CHECKING:
    from .base import Agent, Config, Policy, Transition
    from .checking.checks import check_agent, inspect_agent
    from .settings import SettingError
    from .single_seed import SingleSeedAgent, SingleSeedLearner
    from .stored import PolicyFileError, StoredPolicy, load_policy, read_policy

_LAZY = {
    "Agent": ".base",
    "Config": ".base",
    "Policy": ".base",
    "PolicyFileError": ".stored",
    "SettingError": ".settings",
    "SingleSeedAgent": ".single_seed",
    "SingleSeedLearner": ".single_seed",
    "StoredPolicy": ".stored",
    "Transition": ".base",
    "check_agent": ".checking.checks",
    "inspect_agent": ".checking.checks",
    "load_policy": ".stored",
    "read_policy": ".stored",
}

__all__ = [
    "Agent",
    "Config",
    "Policy",
    "PolicyFileError",
    "SettingError",
    "SingleSeedAgent",
    "SingleSeedLearner",
    "StoredPolicy",
    "Transition",
    "check_agent",
    "inspect_agent",
    "load",
    "load_policy",
    "make",
    "names",
    "read_policy",
    "summary",
]


def __getattr__(name: str) -> Any:  # torch takes over a second to import; listing names must not
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
