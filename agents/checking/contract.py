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

from ... import envs
from ...envs import TeamSpec
from ..base import Agent, Config, Policy
from ..precision import use_fast_products
from ..scripted import Reference
from .synthetic import COPIES, SEEDS, STEPS, ActionKind, Ends, Story, story, team, with_all_allowed

Trace = list[tuple[str, Tensor]]
"""What an agent did, in order: a name and a tensor (S, ...)."""

_SMALL = {"hidden": 12, "warm_up": 12, "batch_size": 8, "buffer_size": 40, "updates_per_step": 0.5}
_SMALL |= {"critic_steps": 2}
"""Settings under test, for configs that have them: updates begin soon and the memory wraps around."""

_SCRIPTED_TASKS = {
    "continuous": ("cooperative_navigation_3-v1", "treasure_collection_4-v1"),
    "discrete": ("climbing-v1", "coordination_4-v1"),
}


class ContractError(AssertionError):
    """An agent breaks the contract.

    Args:
        rule: which rule, and where it is broken.
        remedy: what usually mends it; if empty, the check's own.
    """

    def __init__(self, rule: str, remedy: str = "") -> None:
        super().__init__(rule)
        self.remedy = remedy


class Skip(Exception):  # noqa: N818  (no error)
    """A check does not apply; the message says why."""


def require(holds: Any, rule: str, remedy: str = "") -> None:
    """Raises ContractError with `rule` and `remedy` unless it holds."""
    if not holds:
        raise ContractError(rule, remedy)


@contextmanager
def as_in_training() -> Iterator[None]:
    """One thread and the suite's matrix products for as long as the context lasts."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    use_fast_products()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


@dataclass(frozen=True)
class Trial:
    """An agent class under test with one kind of actions.

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
    def of(cls, agent: type[Agent], settings: Mapping[str, Any], kind: ActionKind = "continuous") -> Trial:
        """A trial on synthetic teams; scripts of registered tasks need registered tasks."""
        if issubclass(agent, Reference):
            alike, mixed = _SCRIPTED_TASKS[kind]
            return cls(agent, settings, envs.spec(alike), envs.spec(mixed))
        sizes = (2, 1) if kind == "continuous" else (4, 3)
        return cls(agent, settings, team((5, 5, 5), sizes[0], kind), team((3, 6, 4), sizes[1], kind))

    @property
    def is_discrete(self) -> bool:
        """Whether members choose among a number of actions."""
        return self.alike.action_kind == "discrete"

    def config(self, small: Mapping[str, Any] | None = None) -> Config:
        """The settings of a small agent; `small` replaces those that make it so.

        Raises:
            SettingError: of the caller's settings, an unknown name or a value it cannot take.
        """
        config_class = self.cls.config_class
        wanted = {**_SMALL, **(small or {})}
        fitting = {}
        for field in fields(config_class):
            default = getattr(config_class(), field.name)
            if field.name in wanted:
                value = wanted[field.name]
                if isinstance(default, tuple):
                    fitting[field.name] = (value,) * len(default)
                elif isinstance(default, int | float) and not isinstance(default, bool):
                    value = max(value, default) if field.name == "learning_rate" else value
                    fitting[field.name] = type(default)(value)
        return config_class.build(None, {**fitting, **self.settings})

    def agent(
        self, team: TeamSpec, seeds: tuple[int, ...] = SEEDS, small: Mapping[str, Any] | None = None
    ) -> Agent:
        """A new, small agent; see `config`."""
        return self.cls(team, self.config(small), seeds)

    def story(
        self,
        team: TeamSpec,
        seeds: tuple[int, ...] = SEEDS,
        ends: Ends = "both",
        steps: int = STEPS,
        copies: int = COPIES,
    ) -> Story:
        """A story of a team; scripts, which know their task's own masks, are forbidden nothing."""
        tale = story(team, seeds, ends, steps, copies)
        return with_all_allowed(tale) if issubclass(self.cls, Reference) else tale


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
        require(
            isinstance(metrics, Mapping),
            f"update() must return a mapping, not {type(metrics).__name__}",
            "return {} where no update was due",
        )
        trace += [(f"metric {name!r} of step {t}", numbers(agent, name, m)) for name, m in metrics.items()]
    for mode in agent.modes:
        if mode != "explore":
            trace.append(
                (f"{mode} actions afterwards", act(agent, agent.policy(mode, seed=0), tale, -1, mode))
            )
    return trace


def act(agent: Agent, policy: Policy, tale: Story, step: int, mode: str) -> Tensor:
    """Well-formed actions (S, E, N, act) or (S, E, N) at a step of a story; allowed or not."""
    observation, mask, starting = tale.observation[step], tale.mask_at(step), tale.starting[step]
    given = [None if tensor is None else tensor.clone() for tensor in (observation, mask, starting)]
    actions = policy.act(observation, mask, starting)
    for name, tensor, before in zip(
        ("observation", "mask", "starting"), (observation, mask, starting), given, strict=True
    ):
        intact = tensor is None or before is None or torch.equal(tensor, before)
        require(intact, f"acting in mode {mode!r} must not write into `{name}`", "change a clone of it")
    what = f"actions in mode {mode!r} must"
    require(isinstance(actions, Tensor), f"{what} be a tensor, not {type(actions).__name__}")
    is_discrete, size = mask is not None, agent.team.action_size
    shape = observation.shape[:-1] if is_discrete else (*observation.shape[:-1], size)
    axes = "(S, E, N)" if is_discrete else "(S, E, N, act)"
    found = tuple(actions.shape)
    require(found == shape, f"{what} have shape {axes} = {tuple(shape)}, not {found}")
    dtype = torch.int64 if is_discrete else torch.float32
    require(actions.dtype == dtype, f"{what} be {str(dtype)[6:]}, not {str(actions.dtype)[6:]}")
    if is_discrete:
        low, high = int(actions.min()), int(actions.max())
        require(low >= 0 and high < size, f"{what} lie in 0 to {size - 1}, not {low} to {high}")
    else:
        require(actions.isfinite().all(), f"{what} be finite")
        furthest = float(actions.flatten()[actions.abs().argmax()])
        require(abs(furthest) <= 1, f"{what} lie in [-1, 1], not {furthest:.4g}", "tanh or clamp them")
    require(not actions.requires_grad, f"{what} not carry a gradient", "act under torch.no_grad()")
    return actions.clone()


def numbers(agent: Agent, name: str, values: Any) -> Tensor:
    """A checked metric (S,)."""
    shape, found = (len(agent.seeds),), tuple(getattr(values, "shape", ()))
    right = isinstance(values, Tensor) and found == shape
    require(
        right,
        f"metric {name!r} must be a tensor of shape (S,) = {shape}, not {type(values).__name__} {found}",
        "average over everything but the first axis",
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


def global_generators() -> dict[str, Any]:
    """States of the generators that everybody shares, by name, comparable with ==."""
    state: Any = np.random.get_state()  # noqa: NPY002
    return {
        "torch's": torch.get_rng_state().numpy().tobytes(),
        "NumPy's": (state[0], state[1].tobytes(), *state[2:]),
        "Python's": random.getstate(),
    }


@contextmanager
def other_generators(seed: int = 90_217) -> Iterator[None]:
    """Global generators in states that nobody seeds them to, and back to their own after the context."""
    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
