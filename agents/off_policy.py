"""What learners from replayed transitions share: memory, warm-up, the schedule of gradient steps, saving."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ..envs.base import TeamSpec
from .base import Agent, Config, Transition
from .categorical import one_hot
from .flat import Adam, Network
from .replay import Batch, Replay
from .settings import SettingError
from .streams import Streams


@dataclass(frozen=True)
class OffPolicyConfig(Config):
    """Shared settings; the values are those of the first author's public code for a later paper.

    Source unless another is given: github.com/wjkim1202/intension_sharing, main.py and core.py. The VM3-AC
    paper's own values stand in its appendix E, which no public text holds.
    """

    hidden: tuple[int, ...] = (128, 128)
    """Hidden layers of every network."""
    learning_rate: float = 3e-4
    batch_size: int = 128
    """Transitions a gradient step."""
    buffer_size: int = 500_000
    """Transitions kept a seed (the function's default there; its command line says 200 000)."""
    discount: float = 0.99
    target_rate: float = 0.005
    """Weight of the new parameters in the moving averages."""
    updates_per_step: float = 0.25
    """Gradient steps per environment step of one copy."""
    warm_up: int = 10_000
    """Environment steps with uniformly random actions before learning starts."""
    critic_input: Literal["observations", "state"] = "observations"
    """What critics read besides actions; VM3-AC's x "denotes either", MADDPG joins the observations."""

    share_parameters: bool = False
    """Whether members with equally many observations share networks, told apart by a bias of their own."""
    critic: Literal["joint", "attention"] = "joint"
    """Critics read x and all actions, or attend over the others (Iqbal and Sha 2019)."""
    attention_heads: int = 4
    """Heads of attention critics (github.com/shariqiqbal2810/MAAC)."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Ours: about four times cheaper for the same return at 100 000 steps of cooperative navigation.
        "small": {
            "hidden": (64, 64),
            "learning_rate": 1e-3,
            "target_rate": 0.01,
            "discount": 0.95,
            "warm_up": 2_000,
        },
    }

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name, low, high in (
            ("learning_rate", 0, None),
            ("batch_size", 1, None),
            ("buffer_size", self.batch_size, None),
            ("discount", 0, 1),
            ("target_rate", 0, 1),
            ("updates_per_step", 0, None),
            ("warm_up", 0, None),
        ):
            value = getattr(self, name)
            if not value >= low or (high is not None and value > high):
                span = f"at least {low}" if high is None else f"between {low} and {high}"
                raise SettingError(f"setting {name!r} must be {span}, not {value!r}")
        if not self.hidden or min(self.hidden) < 1:
            raise SettingError(
                f"setting 'hidden' needs at least one layer of positive width, not {self.hidden!r}"
            )
        attends = self.critic == "attention"
        if self.attention_heads < 1 or (attends and self.hidden[-1] % self.attention_heads):
            raise SettingError(
                f"setting 'attention_heads' must divide the last of 'hidden' {self.hidden}, "
                f"not {self.attention_heads}"
            )
        if attends and self.critic_input != "observations":
            raise SettingError("setting 'critic' = 'attention' needs 'critic_input' = 'observations'")


class OffPolicyAgent(Agent):
    """Base of learners from replayed transitions; a subclass names its networks, learns and acts."""

    config_class = OffPolicyConfig
    config: OffPolicyConfig
    needs_next_observation: ClassVar[bool] = True
    """Whether `learn` reads the members' next observations."""
    needs_following: ClassVar[bool] = False
    """Whether `learn` reads what the members did in the step after (`Batch.next_joint_action`)."""

    def __init__(
        self,
        team: TeamSpec,
        config: OffPolicyConfig,
        seeds: tuple[int, ...],
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(team, config, seeds, device)
        self.streams = Streams(self.seeds, device)
        self.replay = Replay(
            team,
            len(self.seeds),
            config.buffer_size,
            self.device,
            config.critic_input,
            self.needs_next_observation,
            extra=self.further_rows(),
            following=self.needs_following,
        )
        self.n_steps = 0
        self._n_updates = 0
        sizes = torch.tensor(team.observation_sizes, device=self.device)
        true = torch.arange(team.observation_size, device=self.device) < sizes[:, None]
        self._true_entries = None if true.all() else true.float()

    @abstractmethod
    def learn(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step; metrics of shape (S,)."""

    @abstractmethod
    def networks(self) -> dict[str, Network]:
        """All networks by name, targets included."""

    @abstractmethod
    def optimizers(self) -> dict[str, Adam]:
        """All optimisers by name."""

    def further_rows(self) -> dict[str, int]:
        """What a stored transition holds beside the common rows, and how many numbers of each: masks."""
        if not self.is_discrete:
            return {}
        width = self.team.n_agents * self.team.action_size
        return {"mask": width, "next_mask": width} if self.needs_next_observation else {"mask": width}

    def mask_of(self, batch: Batch, row: str = "mask") -> Tensor | None:
        """Which actions members may choose, (S, N, B, n) bool; None where actions are continuous."""
        if not self.is_discrete:
            return None
        return batch.extra[row].unflatten(-1, (self.team.n_agents, -1)).transpose(1, 2) > 0

    @property
    def acting_networks(self) -> tuple[str, ...]:
        """Names of those of `networks` that policies read."""
        return ("actor",)

    @property
    def is_discrete(self) -> bool:
        """Whether the members choose among a number of actions."""
        return self.team.action_kind == "discrete"

    @property
    def x_size(self) -> int:
        """Numbers in `Batch.x`."""
        joined = self.team.n_agents * self.team.observation_size
        return self.team.state_size if self.config.critic_input == "state" else joined

    @property
    def n_updates(self) -> int:
        """Gradient steps done so far."""
        return self._n_updates

    @property
    def warming_up(self) -> bool:
        """Whether exploration still draws uniformly random actions."""
        return self.n_steps < self.config.warm_up

    def without_padding(self, observation: Tensor) -> Tensor:
        """Observations (..., N, obs) with the padding of shorter members set to zero."""
        return observation if self._true_entries is None else observation * self._true_entries

    def observe(self, transition: Transition) -> None:
        """Store one step of all copies."""
        self.remember(transition, {})

    def remember(self, transition: Transition, further: Mapping[str, Tensor]) -> None:
        """Store one step of all copies, and `further` rows (S, E, ...) of a subclass."""
        clean = transition._replace(
            observation=self.without_padding(transition.observation),
            next_observation=self.without_padding(transition.next_observation),
        )
        if self.is_discrete:
            clean = clean._replace(action=one_hot(transition.action, self.team.action_size))
            for row in self.further_rows().keys() & {"mask", "next_mask"}:
                mask = getattr(transition, row)
                given = torch.ones_like(clean.action) if mask is None else mask
                further = {**further, row: given}
        self.replay.add(clean, further)
        self.n_steps += transition.action.shape[1]

    def update(self) -> dict[str, Tensor]:
        """Do the gradient steps due: `updates_per_step` for every step since the warm-up."""
        due = int(max(self.n_steps - self.config.warm_up, 0) * self.config.updates_per_step) - self._n_updates
        if due <= 0 or len(self.replay) < self.config.batch_size:
            return {}
        metrics = [self.learn(self.replay.sample(self.config.batch_size, self.streams)) for _ in range(due)]
        self._n_updates += due
        return {name: torch.stack([m[name] for m in metrics], -1).mean(-1) for name in metrics[0]}

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, memory, counters and generators."""
        return {
            "networks": {name: n.flat.detach().clone() for name, n in self.networks().items()},
            "optimizers": {name: o.state_dict() for name, o in self.optimizers().items()},
            "replay": self.replay.state_dict(),
            "streams": self.streams.state_dict(),
            "counters": (self.n_steps, self._n_updates),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        for name, network in self.networks().items():
            network.load(state["networks"][name])
        for name, optimizer in self.optimizers().items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.replay.load_state_dict(state["replay"])
        self.streams.load_state_dict(state["streams"])
        self.n_steps, self._n_updates = state["counters"]

    def policy_state(self, row: int) -> dict[str, Any]:
        """One seed's `acting_networks`, and how far its warm-up has come."""
        networks = {
            name: [parameter[:, row].detach().cpu().clone() for parameter in self.networks()[name].parameters]
            for name in self.acting_networks
        }
        return {"networks": networks, "steps": self.n_steps}

    def load_policy_state(self, row: int, state: Mapping[str, Any]) -> None:
        """Take up what `policy_state` gave; the steps count for all seeds."""
        for name in self.acting_networks:
            mine, given = self.networks()[name].parameters, state["networks"][name]
            shapes = [tuple(parameter[:, row].shape) for parameter in mine]
            if [tuple(values.shape) for values in given] != shapes:
                raise ValueError(f"the stored {name} is of another shape than {type(self).__name__}'s here")
            for parameter, values in zip(mine, given, strict=True):
                parameter[:, row] = values.to(parameter)
        self.n_steps = state["steps"]
