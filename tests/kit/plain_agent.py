"""An agent from outside the package in ordinary PyTorch, with all kinds of things in its attributes."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from coordbench.agents import Config
from coordbench.agents.single_seed import SingleSeedAgent, SingleSeedLearner
from torch import Tensor, nn


class Step(NamedTuple):
    observation: Tensor
    action: Tensor
    reward: Tensor


@dataclass(frozen=True)
class PlainConfig(Config):
    learning_rate: float = 3e-3


class Plain(SingleSeedLearner):
    """Regresses on good actions from a memory of named tuples; draws from four kinds of generators."""

    def __init__(self, team, config, device):
        super().__init__(team, config, device)
        self.net = nn.Sequential(nn.Linear(team.observation_size, 8), nn.BatchNorm1d(8), nn.Tanh())
        self.head = nn.Linear(8, team.action_size)
        parameters = [*self.net.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(parameters, config.learning_rate)
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.99)
        self.memory = deque(maxlen=5)
        self.random, self.numbers = random.Random(1), np.random.default_rng(2)
        self.generator = torch.Generator().manual_seed(3)
        self.mean_reward = np.float64(0.0)

    def act(self, observation, mask, starting, mode, memory):
        memory["age"] = torch.where(starting, 0, memory.get("age", torch.zeros_like(starting)) + 1)
        mean = (
            self.head(self.net.eval()(observation.flatten(0, 1))).unflatten(0, observation.shape[:2]).tanh()
        )
        if mode == "greedy":
            return mean
        noise = torch.randn(mean.shape) + torch.randn(mean.shape, generator=self.generator)
        return (mean + noise * self.random.random() / (1 + memory["age"][:, None, None])).clamp(-1, 1)

    def observe(self, transition):
        step = Step(transition.observation, transition.action, transition.reward)
        self.memory.append(step)
        self.mean_reward += 0.1 * (step.reward.mean().item() - self.mean_reward)

    def update(self):
        step = self.memory[self.numbers.integers(len(self.memory))]
        output = self.head(self.net.train()(step.observation.flatten(0, 1))).unflatten(
            0, step.action.shape[:2]
        )
        weight = (step.reward - float(self.mean_reward)).mean(1)
        loss = ((output.tanh() - step.action).square().mean((1, 2)) * weight).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.n_updates += 1
        return {"loss": loss}


class PlainAgent(SingleSeedAgent):
    learner_class = Plain
    config_class = PlainConfig
