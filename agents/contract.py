"""What the checks of `checks.py` are made of: rules, small agents, what they do, comparison bit for bit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import envs
from ..envs import TeamSpec
from .base import Agent, Policy
from .scripted import Reference
from .synthetic import SEEDS, Story, team

Trace = list[tuple[str, Tensor]]
"""What an agent did, in order: a name and a tensor (S, ...)."""

_SMALL = {"hidden": 12, "warm_up": 12, "batch_size": 8, "buffer_size": 40, "updates_per_step": 0.5}
"""Settings under test, for configs that have them: updates begin soon and the memory wraps around."""


class ContractError(AssertionError):
    """An agent breaks the contract; the message says where."""


def require(holds: Any, rule: str) -> None:
    """Raises ContractError with `rule` unless it holds."""
    if not holds:
        raise ContractError(rule)


@contextmanager
def as_in_training() -> Iterator[None]:
    """One thread and the suite's matrix products for as long as the context lasts."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


@dataclass(frozen=True)
class Trial:
    """An agent class under test.

    Attributes:
        cls: the class.
        settings: what the caller sets; goes before the small settings of the checks.
        alike: a team of members with equal observation sizes.
        mixed: one with shorter observations padded, where there is one.
    """

    cls: type[Agent]
    settings: Mapping[str, Any]
    alike: TeamSpec
    mixed: TeamSpec

    @classmethod
    def of(cls, agent: type[Agent], settings: Mapping[str, Any]) -> Trial:
        """A trial on synthetic teams; scripts of registered tasks need registered tasks."""
        if issubclass(agent, Reference):
            alike, mixed = "cooperative_navigation_3-v1", "treasure_collection_4-v1"
            return cls(agent, settings, envs.spec(alike), envs.spec(mixed))
        return cls(agent, settings, team((5, 5, 5)), team((3, 6, 4), action_size=1))

    def agent(
        self, team: TeamSpec, seeds: tuple[int, ...] = SEEDS, small: Mapping[str, Any] | None = None
    ) -> Agent:
        """A new, small agent; `small` replaces the settings that make it so."""
        config_class = self.cls.config_class
        wanted = {**_SMALL, **(small or {})}
        fitting = {}
        for field in fields(config_class):
            if field.name in wanted:
                value, default = wanted[field.name], getattr(config_class(), field.name)
                if isinstance(default, tuple):
                    fitting[field.name] = (value,) * len(default)
                elif isinstance(default, int | float) and not isinstance(default, bool):
                    fitting[field.name] = type(default)(value)
        return self.cls(team, config_class.build(None, {**fitting, **self.settings}), seeds)


def play(
    agent: Agent, tale: Story, policy: Policy | None = None, start: int = 0, stop: int | None = None
) -> Trace:
    """Live through a story as in training, and act in every other mode at its end.

    Everything the agent hands out on the way is checked for shape, range and finiteness.
    """
    policy = policy or agent.policy("explore")
    trace: Trace = []
    for t in range(start, len(tale.observation) if stop is None else stop):
        actions = act(agent, policy, tale, t, "explore")
        trace.append((f"actions of step {t}", actions))
        agent.observe(tale.transition(t, actions))
        metrics = agent.update()
        require(isinstance(metrics, Mapping), f"update() must return a mapping, not {type(metrics).__name__}")
        trace += [(f"metric {name!r} of step {t}", numbers(agent, name, m)) for name, m in metrics.items()]
    for mode in agent.modes:
        if mode != "explore":
            trace.append(
                (f"{mode} actions afterwards", act(agent, agent.policy(mode, seed=0), tale, -1, mode))
            )
    return trace


def act(agent: Agent, policy: Policy, tale: Story, step: int, mode: str) -> Tensor:
    """Checked actions (S, E, N, act) at a step of a story."""
    observation, starting = tale.observation[step], tale.starting[step]
    before = observation.clone()
    actions = policy.act(observation, None, starting)
    require(torch.equal(before, observation), f"acting in mode {mode!r} must not write into the observation")
    require(
        isinstance(actions, Tensor),
        f"actions in mode {mode!r} must be a tensor, not {type(actions).__name__}",
    )
    shape = (*observation.shape[:-1], agent.team.action_size)
    found = tuple(actions.shape)
    require(found == shape, f"actions in mode {mode!r} must have shape (S, E, N, act) = {shape}, not {found}")
    require(actions.dtype == torch.float32, f"actions in mode {mode!r} must be float32, not {actions.dtype}")
    require(actions.isfinite().all(), f"actions in mode {mode!r} must be finite")
    require(
        (actions.abs() <= 1).all(),
        f"actions in mode {mode!r} must lie in [-1, 1], not {float(actions.abs().max())}",
    )
    require(not actions.requires_grad, f"actions in mode {mode!r} must not carry a gradient")
    return actions.clone()


def numbers(agent: Agent, name: str, values: Any) -> Tensor:
    """A checked metric (S,)."""
    shape, found = (len(agent.seeds),), tuple(getattr(values, "shape", ()))
    right = isinstance(values, Tensor) and found == shape
    require(
        right,
        f"metric {name!r} must be a tensor of shape (S,) = {shape}, not {type(values).__name__} {found}",
    )
    require(values.isfinite().all(), f"metric {name!r} must be finite, not {values.tolist()}")
    return values.detach().clone()


def difference(a: Trace, b: Trace, row: int | None = None) -> str | None:
    """The first thing that is not bit-equal, None if all is; `row`: `b` holds that seed of `a` alone."""
    for (name, left), (other, right) in zip(a, b, strict=False):
        if name != other:
            return f"{name} (against {other})"
        if not torch.equal(left if row is None else left[row : row + 1], right):
            return name
    longer = a if len(a) > len(b) else b
    return None if len(a) == len(b) else longer[min(len(a), len(b))][0]


def global_generators() -> tuple[Any, ...]:
    """States of the generators that everybody shares: torch's, NumPy's and Python's, comparable with ==."""
    state: Any = np.random.get_state()  # noqa: NPY002
    numpy_state = (state[0], state[1].tobytes(), *state[2:])
    return torch.get_rng_state().numpy().tobytes(), numpy_state, random.getstate()
