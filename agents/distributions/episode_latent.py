"""A latent variable of K values, drawn once an episode and common to the team, and a policy that chooses it.

Source of the policy: Mahajan, Rashid, Samvelyan, Whiteson, "MAVEN: Multi-Agent Variational Exploration",
NeurIPS 2019; code github.com/AnujMahajanOxf/MAVEN, modules/bandits/reinforce_hierarchial.py and
config/default.yaml, from which its constants are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..networks.optimizing import Adam
from ..networks.stacked import StackedMLP
from ..streams import Streams
from .categorical import chosen, one_hot

HIDDEN = 128
LEARNING_RATE = 5e-4
ENTROPY = 1e-3
EPISODES = 512
ITERATIONS = 8
BATCH = 64


class EpisodeLatent:
    """Z of every copy, held from the start of its episode to its end.

    A number is drawn for every copy at every step and used only where an episode starts, so that when other
    copies' episodes end does not matter.

    Args:
        streams: where the numbers come from, of the stream "episode latent".
        n_values: K.
        prior: probabilities (S, E, K) from all observations of a step joined, (S, E, x); None: uniform.
    """

    def __init__(
        self, streams: Streams, n_values: int, prior: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.streams, self.n_values, self.prior = streams, n_values, prior
        self.value: Tensor | None = None  # (S, E) int64

    def begin(self, starting: Tensor, x: Tensor | None = None) -> None:
        """Renew z where `starting` (S, E); a prior needs all observations of the step joined, (S, E, x)."""
        uniform = self.streams.uniform("episode latent", starting.shape[1], low=0)
        if self.value is None or self.value.shape != starting.shape:
            starting = torch.ones_like(starting)
            self.value = torch.zeros_like(starting, dtype=torch.int64)
        if self.prior is None or x is None:
            drawn = (uniform * self.n_values).long().clamp(max=self.n_values - 1)
        elif starting.any():
            drawn = chosen(self.prior(x), uniform)
        else:
            return
        self.value = torch.where(starting, drawn, self.value)

    def as_input(self) -> Tensor:
        """One-hot z (S, 1, E, K), to be read by all members."""
        assert self.value is not None, "begin() has not been called"
        return one_hot(self.value, self.n_values)[:, None]

    def state_dict(self) -> dict[str, Any]:
        """The present z."""
        return {"value": None if self.value is None else self.value.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        value = state["value"]
        self.value = None if value is None else value.clone()


class LatentPolicy:
    """Pi_z(z | x_0), a softmax trained by REINFORCE on the episodes' undiscounted team returns.

    As in the source: no baseline, no importance weights, an entropy bonus, and after episodes have ended
    several steps on samples of the last ones, whichever z's policy they were drawn with. Ours: x_0 joins the
    first observations (policies are given no state), and training is due once a horizon, so that seeds whose
    episodes end at other times do not disturb each other; a seed without any episode learns nothing.

    Args:
        streams: generators of S seeds.
        x_size: numbers in x_0.
        n_values: K.
        period: steps of all copies between trainings; the horizon.
    """

    def __init__(self, streams: Streams, x_size: int, n_values: int, period: int) -> None:
        self.streams, self.period = streams, period
        self.network = StackedMLP(1, (x_size, HIDDEN, n_values), streams["init latent policy"])
        self.optimizer = Adam([self.network], LEARNING_RATE)
        n_seeds, device = len(streams.seeds), streams.device
        self.first = torch.zeros(n_seeds, EPISODES, x_size, device=device)
        self.value = torch.zeros(n_seeds, EPISODES, dtype=torch.int64, device=device)
        self.total = torch.zeros(n_seeds, EPISODES, device=device)
        self.n_episodes = torch.zeros(n_seeds, dtype=torch.int64, device=device)
        self.present: tuple[Tensor, Tensor, Tensor] | None = None
        self.waiting = 0

    def probabilities(self, x: Tensor) -> Tensor:
        """pi_z (S, E, K) at first joint observations (S, E, x)."""
        return torch.softmax(self.network.frozen(x)[:, 0], -1)

    def observe(self, x: Tensor, value: Tensor, reward: Tensor, over: Tensor) -> None:
        """Take in one step of E copies.

        Args:
            x: (S, E, x), all observations joined.
            value: (S, E), z.
            reward: (S, E), the team's.
            over: (S, E), whether the episode ended.
        """
        if self.present is None or self.present[1].shape != over.shape:
            self.present = x, torch.zeros_like(reward), torch.ones_like(over)
        first, total, starting = self.present
        first = torch.where(starting[..., None], x, first)
        total = torch.where(starting, 0, total) + reward
        self.present = first, total, over
        seed, copy = over.nonzero(as_tuple=True)
        place = ((self.n_episodes[:, None] + over.cumsum(1) - 1) % EPISODES)[seed, copy]
        self.first[seed, place] = first[seed, copy]
        self.value[seed, place] = value[seed, copy]
        self.total[seed, place] = total[seed, copy]
        self.n_episodes += over.sum(1)
        self.waiting += 1

    @property
    def is_due(self) -> bool:
        """Whether a horizon has passed since the last training."""
        return self.waiting >= self.period

    def train(self) -> Tensor:
        """The steps that are due; the mean entropy (S,) of pi_z at the last batch."""
        self.waiting = 0
        kept = self.n_episodes.clamp(max=EPISODES)[:, None]
        rows = torch.arange(len(kept), device=kept.device)[:, None]
        entropy = kept[:, 0].float()
        for _ in range(ITERATIONS):
            uniform = self.streams.uniform("latent policy", BATCH, low=0)
            place = (uniform * kept).long().minimum(kept - 1).clamp(min=0)
            log_p = torch.log_softmax(self.network(self.first[rows, place])[:, 0], -1)
            loss = self.loss(log_p, self.value[rows, place], self.total[rows, place])
            (loss * (kept[:, 0] > 0)).sum().backward()
            self.optimizer.step()
            entropy = -(log_p.exp() * log_p).detach().sum(-1).mean(-1)
        return entropy

    def loss(self, log_p: Tensor, value: Tensor, total: Tensor) -> Tensor:
        """-sum R log pi_z(z | x_0) + 0.001 sum log pi_z(z | x_0), (S,).

        Args:
            log_p: (S, B, K).
            value: (S, B), the z of the episodes.
            total: (S, B), their returns R.
        """
        played = log_p.gather(-1, value[..., None])[..., 0]
        return ((ENTROPY - total) * played).sum(-1)

    def state_dict(self) -> dict[str, Any]:
        """Episodes kept and in progress; network and optimiser are the agent's to save."""
        return {
            "first": self.first.clone(),
            "value": self.value.clone(),
            "total": self.total.clone(),
            "n_episodes": self.n_episodes.clone(),
            "present": self.present,
            "waiting": self.waiting,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a state made by `state_dict`."""
        for name in ("first", "value", "total", "n_episodes"):
            getattr(self, name).copy_(state[name])
        self.present, self.waiting = state["present"], state["waiting"]
