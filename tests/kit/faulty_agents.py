"""Agents of continuous actions with one fault each, and one that does nothing."""

from dataclasses import dataclass

import numpy as np
import torch
from coordbench.agents import Agent, Config, Policy
from coordbench.agents.actor_critics.maddpg import MADDPG


class Changed(Policy):
    """Another policy's actions, changed."""

    def __init__(self, policy, change, swap=lambda observation: observation):
        self.policy, self.change, self.swap = policy, change, swap

    def act(self, observation, mask, starting):
        return self.change(self.policy.act(self.swap(observation), mask, starting))

    def state_dict(self):
        return self.policy.state_dict()

    def load_state_dict(self, state):
        self.policy.load_state_dict(state)


class _Learner(MADDPG):
    """Without fault."""

    action_kinds = ("continuous",)


class Peeks(_Learner):
    def policy(self, mode="explore", seed=None):
        policy = super().policy(mode, seed)
        return policy if mode == "explore" else Changed(policy, lambda a: a, lambda o: o.roll(1, 2))


class UsesGlobalNoise(_Learner):
    def policy(self, mode="explore", seed=None):
        noisy = Changed(super().policy(mode, seed), lambda a: (a + 0.1 * torch.randn_like(a)).clamp(-1, 1))
        return noisy if mode == "explore" else super().policy(mode, seed)


class UsesNumPysGlobalNoise(_Learner):
    def observe(self, transition):
        noise = float(np.random.rand())  # noqa: NPY002
        super().observe(transition._replace(reward=transition.reward + noise))


class BuildsFromTheGlobalGenerator(_Learner):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.layer = torch.nn.Linear(2, 2)


class SeedsTheGlobalGenerator(_Learner):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        torch.manual_seed(0)


class ForgetsOptimizers(_Learner):
    def state_dict(self):
        return {k: v for k, v in super().state_dict().items() if k != "optimizers"}

    def load_state_dict(self, state):
        own = {name: o.state_dict() for name, o in self.optimizers().items()}
        super().load_state_dict({**state, "optimizers": own})


class ForgetsGenerators(_Learner):
    def state_dict(self):
        return {**super().state_dict(), "streams": {}}


class ForgetsTargets(_Learner):
    def load_state_dict(self, state):
        nets = state["networks"]
        nets = nets | {"target_actor": nets["actor"], "target_critic": nets["critic"]}
        super().load_state_dict({**state, "networks": nets})


class BootstrapsThroughEnds(_Learner):
    def observe(self, transition):
        super().observe(transition._replace(terminated=torch.zeros_like(transition.terminated)))


class StopsAtTimeLimits(_Learner):
    def observe(self, transition):
        super().observe(transition._replace(terminated=transition.terminated | transition.truncated))


class ReadsPadding(_Learner):
    def without_padding(self, observation):
        return observation


class LeaksRewards(_Learner):
    def observe(self, transition):
        super().observe(transition._replace(reward=transition.reward - transition.reward.mean(0)))


class LeaksThroughOneGenerator(_Learner):
    def policy(self, mode="explore", seed=None):
        if mode == "explore":
            self.shared = torch.Generator().manual_seed(sum(self.seeds))
            return Changed(super().policy(mode, seed), self.noisy)
        return super().policy(mode, seed)

    def noisy(self, actions):
        return (actions + 0.1 * torch.randn(actions.shape, generator=self.shared)).clamp(-1, 1)


class SeededPoliciesDisturb(_Learner):
    def policy(self, mode="explore", seed=None):
        self.streams.normal("replay", 1)
        return super().policy(mode, seed)


class Varies(_Learner):
    made = 0

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Varies.made += 1
        self.actor.parameters[0].mul_(1 + 0.01 * Varies.made)


class Climbs(_Learner):
    def observe(self, transition):
        super().observe(transition._replace(reward=-transition.reward))


class Overshoots(_Learner):
    def policy(self, mode="explore", seed=None):
        return Changed(super().policy(mode, seed), lambda a: a * 1.5 + 0.6)


class DropsAnAxis(_Learner):
    def policy(self, mode="explore", seed=None):
        return Changed(super().policy(mode, seed), lambda a: a[..., 0])


class AveragesMetrics(_Learner):
    def update(self):
        return {name: value.mean() for name, value in super().update().items()}


class Diverges(_Learner):
    def update(self):
        return {name: value / 0 for name, value in super().update().items()}


class TakesAnyMode(_Learner):
    def policy(self, mode="explore", seed=None):
        return super().policy(mode if mode in self.modes else "greedy", seed)


@dataclass(frozen=True)
class _NoSettings(Config):
    pass


class Still(Agent):
    """An agent of somebody else: no settings, does not learn."""

    config_class = _NoSettings

    def policy(self, mode="explore", seed=None):
        return Changed(_Zeros(self, self._check_mode(mode)), lambda a: a)


class _Zeros(Policy):
    def __init__(self, agent, mode):
        self.size = agent.team.action_size

    def act(self, observation, mask, starting):
        return torch.zeros(*observation.shape[:-1], self.size)
