"""Agents written for one seed with ordinary PyTorch: modules, optimisers, distributions.

`SingleSeedLearner` is one run's algorithm: its tensors have no seed axis, and what it draws from PyTorch's
global generator (initial weights of modules, samples of distributions, dropout) comes from numbers of its own
that stand in for the global ones while it is at work. `SingleSeedAgent` makes one learner a seed and is an
`Agent` like any other. It is slower than an algorithm that treats seeds as an axis, by about their number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..envs.base import TeamSpec
from .attribute_state import load_state, state_of, trained_of
from .base import Agent, Config, Policy, Transition
from .own_numbers import OwnNumbers


class SingleSeedLearner(ABC):
    """The algorithm of one run. E copies of the task, N members; the tensors have no seed axis.

    Draw random numbers as usual in PyTorch (not from NumPy or Python), and never seed anything. Make
    everything in `__init__`, which begins with ``super().__init__(team, config, device)``: what stands in
    attributes is saved.

    Args:
        team: what there is to know of the task.
        config: the agent's settings.
        device: where the tensors are that it is given, and those that it makes, unless it says otherwise.
    """

    n_updates: int = 0
    """Gradient steps done so far; count them."""

    def __init__(self, team: TeamSpec, config: Any, device: torch.device) -> None:
        self.team = team
        self.config = config
        self.device = device

    @abstractmethod
    def act(
        self, observation: Tensor, mask: Tensor | None, starting: Tensor, mode: str, memory: dict[str, Any]
    ) -> Tensor:
        """Actions (E, N, act) in [-1, 1], or (E, N) int64; called without gradients.

        Args:
            observation: (E, N, obs), the padding of shorter members zero.
            mask: (E, N, n) bool, allowed discrete actions; None for continuous tasks.
            starting: (E,) bool, copies whose episode starts.
            mode: `"explore"` gathers data, `"greedy"` is evaluated.
            memory: this policy's own from step to step, empty at first: recurrent states, correlated noise.
        """

    def observe(self, transition: Transition) -> None:  # noqa: B027  (nothing to do by default)
        """Take in one step of all copies, (E, ...)."""

    def update(self) -> Mapping[str, float | Tensor]:
        """Do the gradient steps that are due; metrics, one number each, empty if none was due.

        All seeds of a stack must name metrics at the same steps. If updates wait for episodes to end, name
        them at every step instead.
        """
        return {}

    def diagnose(self, observation: Tensor) -> Mapping[str, float | Tensor]:
        """Measures of behaviour, one number each, on observations (B, N, obs)."""
        del observation
        return {}

    def state_dict(self) -> dict[str, Any]:
        """All that stands in attributes: modules, optimisers, memories, counters."""
        return state_of(self, ("team", "config", "device"))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        load_state(self, state)


class SingleSeedAgent(Agent):
    """One learner a seed behind the interface of an agent.

    A subclass names its `learner_class` and, as every agent, its `config_class` and `action_kinds`.
    """

    learner_class: ClassVar[type[SingleSeedLearner]]

    def __init__(
        self, team: TeamSpec, config: Config, seeds: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(team, config, seeds, device)
        if self.device.type not in ("cpu", "cuda"):
            raise ValueError(f"{type(self).__name__} runs on cpu and cuda, not on {self.device.type}")
        if not hasattr(self, "learner_class"):
            raise ValueError(f"{type(self).__name__} names no learner_class, a SingleSeedLearner")
        sizes = torch.tensor(team.observation_sizes, device=self.device)
        self._true = torch.arange(team.observation_size, device=self.device) < sizes[:, None]
        self.numbers = [OwnNumbers(seed, self.device, "training") for seed in self.seeds]
        self.learners: list[SingleSeedLearner] = []
        for numbers in self.numbers:
            with numbers.in_use():
                self.learners.append(self.learner_class(team, config, self.device))

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        """Every learner's `act` in this mode."""
        return _EachSeed(self, self._check_mode(mode), seed)

    def clean(self, observation: Tensor) -> Tensor:
        """A copy of observations (..., N, obs) with the padding of shorter members set to zero."""
        return torch.where(self._true, observation, 0.0)

    def observe(self, transition: Transition) -> None:
        """Give every learner its part."""
        for row, (learner, numbers) in enumerate(zip(self.learners, self.numbers, strict=True)):
            values: dict[str, Any] = {
                name: None if tensor is None else tensor[row].clone()
                for name, tensor in transition._asdict().items()
            }
            for name in ("observation", "next_observation"):
                values[name] = self.clean(values[name])
            with numbers.in_use():
                learner.observe(Transition(**values))

    def update(self) -> dict[str, Tensor]:
        """Let every learner do what is due."""
        metrics = []
        for learner, numbers in zip(self.learners, self.numbers, strict=True):
            with numbers.in_use():
                metrics.append(learner.update())
        return self._stacked(metrics, "update")

    @property
    def n_updates(self) -> int:
        """Gradient steps done so far, the most of all learners."""
        return max(learner.n_updates for learner in self.learners)

    def diagnose(self, observation: Tensor) -> dict[str, Tensor]:
        """Every learner's measures."""
        measures = []
        for row, (learner, seed) in enumerate(zip(self.learners, self.seeds, strict=True)):
            with OwnNumbers(seed, self.device, "diagnosis").in_use(), torch.no_grad():
                measures.append(learner.diagnose(self.clean(observation[row])))
        return self._stacked(measures, "diagnose")

    def state_dict(self) -> dict[str, Any]:
        """Of every learner its attributes and its random numbers."""
        return {
            "learners": [learner.state_dict() for learner in self.learners],
            "numbers": [numbers.states for numbers in self.numbers],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        for learner, numbers, kept, states in zip(
            self.learners, self.numbers, state["learners"], state["numbers"], strict=True
        ):
            learner.load_state_dict(kept)
            numbers.states = states

    def policy_state(self, row: int) -> dict[str, Any]:
        """The modules and trained tensors of one learner."""
        return {
            name: value.detach().clone() if isinstance(value, Tensor) else dict(value.state_dict())
            for name, value in trained_of(self.learners[row]).items()
        }

    def load_policy_state(self, row: int, state: Mapping[str, Any]) -> None:
        """Take up what `policy_state` gave."""
        for name, value in trained_of(self.learners[row]).items():
            try:
                if isinstance(value, Tensor):
                    value.data.copy_(state[name])
                else:
                    value.load_state_dict(state[name])
            except RuntimeError as error:
                reason = f"the stored {name} is of another shape than {type(self).__name__}'s here"
                raise ValueError(reason) from error

    def _stacked(self, each: list[Mapping[str, float | Tensor]], method: str) -> dict[str, Tensor]:
        """Metrics (S,) from one mapping a learner."""
        for seed, metrics in zip(self.seeds, each, strict=True):
            if metrics.keys() != each[0].keys():
                raise ValueError(
                    f"{method}() named {sorted(each[0])} for seed {self.seeds[0]} and {sorted(metrics)} for "
                    f"seed {seed}; all seeds must name the same at the same step, so name them at every step"
                )
        return {
            name: torch.stack([self._number(name, metrics[name]) for metrics in each]) for name in each[0]
        }

    def _number(self, name: str, value: float | Tensor) -> Tensor:
        number = torch.as_tensor(value, dtype=torch.float32, device=self.device).detach()
        if number.numel() != 1:
            raise ValueError(f"metric {name!r} must be one number, not a tensor {tuple(number.shape)}")
        return number.reshape(())


class _EachSeed(Policy):
    """Every learner acts for its seed; a policy without a seed uses the numbers of training."""

    def __init__(self, agent: SingleSeedAgent, mode: str, seed: int | None) -> None:
        self.agent, self.mode = agent, mode
        self.memories: list[dict[str, Any]] = [{} for _ in agent.seeds]
        self.own = [OwnNumbers(s, agent.device, f"{mode} {seed}") for s in agent.seeds]
        self.numbers = agent.numbers if seed is None else self.own

    @torch.no_grad()
    def act(self, observation: Tensor, mask: Tensor | None, starting: Tensor) -> Tensor:
        actions = []
        for row, learner in enumerate(self.agent.learners):
            allowed = None if mask is None else mask[row].clone()
            seen = self.agent.clean(observation[row])
            with self.numbers[row].in_use():
                action = learner.act(seen, allowed, starting[row].clone(), self.mode, self.memories[row])
            if not isinstance(action, Tensor):
                name = type(learner).__name__
                raise TypeError(f"{name}.act() must return a tensor, not {type(action).__name__}")
            actions.append(action)
        return torch.stack(actions)

    def state_dict(self) -> dict[str, Any]:
        return state_of(self, ("agent", "own", "numbers")) | {"own": [n.states for n in self.own]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        load_state(self, {"memories": state["memories"]})
        for numbers, states in zip(self.own, state["own"], strict=True):
            numbers.states = states
