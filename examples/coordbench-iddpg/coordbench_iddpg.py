"""Independent DDPG: every member learns by itself, as if the others were part of its world.

Lillicrap et al., "Continuous control with deep reinforcement learning" (ICLR 2016), once for each member of a
team. All members share one actor and one critic, which are told by a one-hot vector whom they work for.
"""

import copy
from dataclasses import dataclass

import torch
from coordbench.agents import Config, SettingError, SingleSeedAgent, SingleSeedLearner
from torch import nn


@dataclass(frozen=True)
class IDDPGConfig(Config):
    """Sizes and rates of coordbench's preset "small"; exploration is this package's own."""

    hidden: int = 64
    learning_rate: float = 1e-3
    batch_size: int = 128
    buffer_size: int = 100_000
    discount: float = 0.95
    target_rate: float = 0.01
    exploration_noise: float = 0.2
    updates_per_step: float = 0.25
    warm_up: int = 1_000

    def __post_init__(self) -> None:
        if self.buffer_size < self.batch_size:
            raise SettingError(f"setting 'buffer_size' must be at least batch_size, {self.batch_size}")


class IDDPGLearner(SingleSeedLearner):
    """One run: E copies of the task, N members, no seed axis."""

    def __init__(self, team, config, device):
        super().__init__(team, config, device)
        n, obs, act = team.n_agents, team.observation_size, team.action_size
        self.actor = network(obs + n, config.hidden, act, nn.Tanh())
        self.critic = network(obs + n + act, config.hidden, 1)
        self.target_actor, self.target_critic = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), config.learning_rate)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), config.learning_rate)
        sizes = {"observation": (n, obs), "action": (n, act), "reward": (n,), "terminated": ()}
        sizes["next_observation"] = (n, obs)
        self.memory = {name: torch.zeros(config.buffer_size, *size) for name, size in sizes.items()}
        self.members = torch.eye(n)
        self.n_steps = 0

    def inputs(self, observation):
        """Observations (..., N, obs) and whose they are."""
        members = self.members.expand(*observation.shape[:-1], -1)
        return torch.cat([observation, members], -1)

    def act(self, observation, mask, starting, mode, memory):
        if mode == "explore" and self.n_steps < self.config.warm_up:
            return torch.rand(*observation.shape[:-1], self.team.action_size) * 2 - 1
        action = self.actor(self.inputs(observation))
        if mode == "explore":
            action = action + self.config.exploration_noise * torch.randn_like(action)
        return action.clamp(-1, 1)

    def observe(self, transition):
        copies = len(transition.reward)
        rows = (self.n_steps + torch.arange(copies)) % self.config.buffer_size
        for name, kept in self.memory.items():
            kept[rows] = getattr(transition, name).to(kept.dtype)
        self.n_steps += copies

    def update(self):
        after = max(self.n_steps - self.config.warm_up, 0)
        filled = min(self.n_steps, self.config.buffer_size)
        metrics = {}
        while self.n_updates < int(after * self.config.updates_per_step) and filled >= self.config.batch_size:
            chosen = torch.randint(filled, (self.config.batch_size,))
            metrics = self.learn({name: kept[chosen] for name, kept in self.memory.items()})
            self.n_updates += 1
        return metrics

    def learn(self, batch):
        """One gradient step of the critic, one of the actor, and the moving averages."""
        now, then = self.inputs(batch["observation"]), self.inputs(batch["next_observation"])
        with torch.no_grad():
            following = self.target_critic(torch.cat([then, self.target_actor(then)], -1))[..., 0]
            goes_on = 1 - batch["terminated"][:, None]  # a time limit is no end: truncated is not looked at
            target = batch["reward"] + self.config.discount * goes_on * following
        value = self.critic(torch.cat([now, batch["action"]], -1))[..., 0]
        critic_loss = (value - target).square().mean()
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()

        actor_loss = -self.critic(torch.cat([now, self.actor(now)], -1)).mean()
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()

        pairs = ((self.target_actor, self.actor), (self.target_critic, self.critic))
        with torch.no_grad():
            for target_network, trained in pairs:
                for slow, fast in zip(target_network.parameters(), trained.parameters(), strict=True):
                    slow.lerp_(fast, self.config.target_rate)
        return {"critic_loss": critic_loss, "actor_loss": actor_loss}


class IDDPG(SingleSeedAgent):
    """One learner a seed; all that the suite has to know."""

    learner_class = IDDPGLearner
    config_class = IDDPGConfig
    action_kinds = ("continuous",)


def network(inputs, hidden, outputs, *last):
    """Two hidden layers."""
    layers = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs), *last)
