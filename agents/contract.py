"""What the checks of `checks.py` are made of: small teams, synthetic experience, comparison bit for bit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from .. import envs
from ..envs import TeamSpec
from .base import Agent, Policy, Transition
from .scripted import Reference

SEEDS = (5, 0, 11)
COPIES = 2
STEPS = 26
HORIZON = 7
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
            return cls(agent, settings, envs.spec(envs.names()[0]), envs.spec(envs.names()[-1]))
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


def team(observation_sizes: tuple[int, ...], action_size: int = 2) -> TeamSpec:
    """A small team with continuous actions."""
    n, unit = len(observation_sizes), "mean over members"
    return TeamSpec(
        "contract-v1", n, observation_sizes, 4, "continuous", action_size, HORIZON, ("noise",), unit, {}
    )


@dataclass(frozen=True)
class Story:
    """Synthetic experience, (T, S, E, ...); each seed's part depends on that seed alone.

    Attributes:
        observation, successor: (T, S, E, N, obs), the successor being the next observation within an episode.
        state, next_state: (T, S, E, state).
        noise: (T, S, E, N), added to the rewards.
        starting, terminated, truncated: (T, S, E).
    """

    observation: Tensor
    successor: Tensor
    state: Tensor
    next_state: Tensor
    noise: Tensor
    starting: Tensor
    terminated: Tensor
    truncated: Tensor

    def transition(self, step: int, actions: Tensor) -> Transition:
        """What the agent observes after `actions` (S, E, N, act)."""
        return Transition(
            observation=self.observation[step],
            action=actions,
            reward=self.noise[step] - (actions - 0.5).square().mean(-1),
            terminated=self.terminated[step],
            truncated=self.truncated[step],
            next_observation=self.successor[step],
            state=self.state[step],
            next_state=self.next_state[step],
        )


Ends = Literal["both", "time limit", "all terminated", "all truncated"]


def story(
    team: TeamSpec,
    seeds: tuple[int, ...] = SEEDS,
    ends: Ends = "both",
    steps: int = STEPS,
    copies: int = COPIES,
) -> Story:
    """Random experience of a team.

    Args:
        team: whose.
        seeds: one a run.
        ends: episodes end at the horizon and, for "both", now and then before; or every step ends one.
        steps: T.
        copies: E.
    """
    parts = [_of_one_seed(team, seed, ends, steps, copies) for seed in seeds]
    return Story(*(torch.from_numpy(np.stack(arrays, 1)) for arrays in zip(*parts, strict=True)))


def _of_one_seed(team: TeamSpec, seed: int, ends: Ends, steps: int, copies: int) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng((seed, 77))
    true = np.arange(team.observation_size) < np.array(team.observation_sizes)[:, None]
    shape = (steps + 1, copies, team.n_agents, team.observation_size)
    observation = draw.standard_normal(shape, np.float32) * true
    state = draw.standard_normal((steps + 1, copies, team.state_size), np.float32)
    last = draw.standard_normal((steps, *shape[1:]), np.float32) * true
    last_state = draw.standard_normal((steps, *state.shape[1:]), np.float32)
    noise = draw.standard_normal((steps, copies, team.n_agents), np.float32)
    early = draw.random((steps, copies)) < 0.1
    flags = np.zeros((3, steps, copies), bool)
    starting, terminated, truncated = flags
    elapsed = np.zeros(copies, int)
    for t in range(steps):
        starting[t] = elapsed == 0
        elapsed += 1
        terminated[t] = ends == "all terminated" or (early[t] if ends == "both" else False)
        truncated[t] = (ends == "all truncated") | ((elapsed == team.horizon) & ~terminated[t])
        elapsed[terminated[t] | truncated[t]] = 0
    over = (terminated | truncated)[..., None]
    successor = np.where(over[..., None], last, observation[1:])
    next_state = np.where(over, last_state, state[1:])
    return observation[:-1], successor, state[:-1], next_state, noise, starting, terminated, truncated


def with_other_successors(tale: Story) -> Story:
    """The same story, but something else follows every step."""
    return replace(tale, successor=tale.successor.flip(-1) + 1, next_state=tale.next_state.flip(-1) + 1)


def with_filled_padding(tale: Story, team: TeamSpec) -> Story:
    """The same story with numbers where shorter observations are padded."""
    sizes = torch.tensor(team.observation_sizes)
    padding = torch.arange(team.observation_size) >= sizes[:, None]
    fill = torch.linspace(-7, 7, padding.numel()).view(padding.shape)
    return replace(
        tale,
        observation=torch.where(padding, fill, tale.observation),
        successor=torch.where(padding, fill, tale.successor),
    )


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
    """Name of the first thing that is not bit-equal, None if all is; `row` compares that seed of `a` with a `b` alone."""
    for (name, left), (other, right) in zip(a, b, strict=False):
        if name != other:
            return f"{name} (against {other})"
        if not torch.equal(left if row is None else left[row : row + 1], right):
            return name
    longer = a if len(a) > len(b) else b
    return None if len(a) == len(b) else longer[min(len(a), len(b))][0]


def global_generators() -> tuple[Any, ...]:
    """States of the generators that everybody shares: torch's, NumPy's and Python's, comparable with ==."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().numpy().tobytes(), name, keys.tobytes(), tuple(rest), random.getstate()
