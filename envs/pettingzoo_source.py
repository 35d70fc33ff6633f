"""What a user hands to ``from_parallel``: a maker of environments, and what they know of themselves."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from .pettingzoo_spaces import Environment, members_of
from .team import TeamSpec

Maker = Callable[[], Environment]

LIMITS = ("max_cycles", "max_steps", "max_episode_steps", "_max_episode_steps")
"""Where published environments keep their time limit."""
LAYERS = ("unwrapped", "aec_env", "par_env", "env")
"""Where wrappers keep what they wrap."""


def maker_of(make: Any) -> Maker:
    """A callable that makes environments: ``make`` itself, or one that copies the environment that it is.

    Raises:
        ValueError: neither; the callable raises it when the environment cannot be copied.
    """
    if isinstance(make, type) or not hasattr(make, "step"):
        if callable(make):
            return cast(Maker, make)
        raise ValueError(f"from_parallel needs a callable that returns a ParallelEnv, got {make!r}")
    checked(make)

    def duplicate() -> Environment:
        try:
            return copy.deepcopy(make)
        except Exception as error:
            raise ValueError(
                f"{make} cannot be copied ({error}); give a callable that makes it: lambda: {make}(...)"
            ) from error

    return duplicate


def checked(env: Any) -> Environment:
    """Returns a ``ParallelEnv`` as it is.

    Raises:
        ValueError: something else.
    """
    if hasattr(env, "agent_iter"):
        raise ValueError(f"{env} takes turns; make it parallel first: pettingzoo.utils.aec_to_parallel(env)")
    if not all(hasattr(env, part) for part in ("reset", "step", "possible_agents", "action_space")):
        raise ValueError(f"from_parallel needs a PettingZoo ParallelEnv, got {type(env).__name__}")
    return env


def own_horizon(env: Environment) -> int | None:
    """The time limit that the environment or what it wraps has as an attribute (``LIMITS``), if any."""
    for layer in _layers(env):
        for name in LIMITS:
            limit = getattr(layer, name, None)
            if isinstance(limit, int | np.integer) and not isinstance(limit, bool) and limit > 0:
                return int(limit)
    return None


def _layers(env: Any) -> Iterator[Any]:
    known: list[Any] = []
    waiting = [env]
    while waiting:
        layer = waiting.pop(0)
        if layer is None or any(layer is other for other in known):
            continue
        known.append(layer)
        yield layer
        waiting += [getattr(layer, name, None) for name in LAYERS]


def own_state(env: Environment) -> np.ndarray | None:
    """``env.state()`` as a flat array, or None if the environment has none.

    Some keep something else under that name (rock-paper-scissors a dictionary), behind wrappers that call it.
    """
    if not all(callable(getattr(layer, "state", None)) for layer in _layers(env)):
        return None
    try:
        return np.asarray(env.state()).reshape(-1)
    except NotImplementedError:  # PettingZoo's base classes raise it where a task defines none
        return None


def described(
    make: Maker, team_reward: str, horizon: int | None, task_id: str | None, use_state: bool
) -> TeamSpec:
    """The team that an environment asks for, with the arguments of ``from_parallel``.

    Raises:
        ValueError: no ``ParallelEnv``, spaces that a team cannot have, or no time limit.
    """
    env = checked(make())
    try:
        members = members_of(env)
        name = task_id or str(getattr(env, "metadata", {}).get("name", type(env.unwrapped).__name__))
        limit = horizon if horizon is not None else own_horizon(env)
        if limit is None:
            raise ValueError(f"{name} has no time limit of its own; say from_parallel(..., horizon=...)")
        env.reset(seed=0)
        state = own_state(env) if use_state else None
    finally:
        env.close()
    sizes = tuple(member.observation_size for member in members)
    return TeamSpec(
        name,
        len(members),
        sizes,
        sum(sizes) if state is None else state.size,
        "discrete" if members[0].is_discrete else "continuous",
        max(member.action_size for member in members),
        limit,
        (),
        "sum over members" if team_reward == "sum" else "mean over members",
        {"team_reward": team_reward, "horizon": limit, "own_state": state is not None},
    )
