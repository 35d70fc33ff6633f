"""A small learner of discrete actions, and the same with one fault each."""

from dataclasses import dataclass

import torch
from coordbench.agents import Agent, Config, Policy
from coordbench.agents.streams import Streams
from faulty_agents import Changed


@dataclass(frozen=True)
class _SoftmaxConfig(Config):
    warm_up: int = 12
    rate: float = 0.3


class Softmax(Agent):
    """Without fault: linear logits and values of discrete actions, a TD step at every step."""

    config_class = _SoftmaxConfig
    action_kinds = ("discrete",)

    def __init__(self, team, config, seeds, device="cpu"):
        super().__init__(team, config, seeds, device)
        sizes = torch.tensor(team.observation_sizes)
        self.true = torch.arange(team.observation_size) < sizes[:, None]
        self.streams = Streams(self.seeds, device)
        shape = (len(seeds), 1, team.n_agents, 1 + team.observation_size)
        self.actor, self.critic = torch.zeros(*shape, team.action_size), torch.zeros(shape)
        self.updates = 0
        self.now = None

    def inputs(self, observation):
        own = torch.where(self.true, observation, 0)
        return torch.cat([torch.ones_like(own[..., :1]), own], -1)

    def logits(self, observation, mask):
        raw = (self.inputs(observation)[..., None] * self.actor).sum(-2)
        return raw if mask is None else raw.masked_fill(~mask, -1e9)

    def policy(self, mode="explore", seed=None):
        streams = self.streams if seed is None else Streams(self.seeds, self.device, f"seed {seed}")
        return _SoftmaxPolicy(self, self._check_mode(mode), streams)

    def observe(self, transition):
        self.now = transition

    def update(self):
        now, x = self.now, self.inputs(self.now.observation)
        goes_on = 1 - self.ends(now)[..., None].float()
        after = (self.inputs(now.next_observation) * self.critic).sum(-1)
        error = now.reward + 0.9 * goes_on * after - (x * self.critic).sum(-1)
        p = self.logits(now.observation, now.mask).softmax(-1)
        score = torch.nn.functional.one_hot(now.action, self.team.action_size) - p
        step = self.config.rate * error[..., None] * x
        self.critic = self.critic + 0.1 * step.mean(1, keepdim=True)
        self.actor = self.actor + (step[..., None] * score[..., None, :]).mean(1, keepdim=True)
        self.updates += 1
        return {"error": error.square().mean((1, 2))}

    def ends(self, transition):
        return transition.terminated

    @property
    def n_updates(self):
        return self.updates

    def state_dict(self):
        kept = {name: getattr(self, name) for name in ("actor", "critic", "updates")}
        return {**kept, "streams": self.streams.state_dict()}

    def load_state_dict(self, state):
        for name in state.keys() - {"streams"}:
            setattr(self, name, state[name])
        self.streams.load_state_dict(state["streams"])


class _SoftmaxPolicy(Policy):
    def __init__(self, agent, mode, streams):
        self.agent, self.mode, self.streams = agent, mode, streams

    def act(self, observation, mask, starting):
        logits = self.agent.logits(observation, mask)
        if self.mode == "greedy":
            return logits.argmax(-1)
        if self.agent.updates < self.agent.config.warm_up:
            logits = torch.where(logits < -1e8, logits, 0)
        draws = self.streams.uniform("explore", *logits.shape[1:], low=1e-7)
        return (logits - (-draws.log()).log()).argmax(-1)


class _ChangedView(Policy):
    """A policy that sees something else than it is shown."""

    def __init__(self, policy, view):
        self.policy, self.view = policy, view

    def act(self, observation, mask, starting):
        return self.policy.act(*self.view(observation, mask), starting)


class IgnoresMasks(Softmax):
    def policy(self, mode="explore", seed=None):
        return _ChangedView(super().policy(mode, seed), lambda o, m: (o, None))


class IgnoresMasksInWarmUp(Softmax):
    def policy(self, mode="explore", seed=None):
        def view(observation, mask):
            blind = mode == "explore" and self.updates < self.config.warm_up
            return observation, None if blind else mask

        return _ChangedView(super().policy(mode, seed), view)


class IgnoresMasksWhenGreedy(Softmax):
    def policy(self, mode="explore", seed=None):
        policy = super().policy(mode, seed)
        return policy if mode == "explore" else _ChangedView(policy, lambda o, m: (o, None))


class PeeksAtObservations(Softmax):
    def policy(self, mode="explore", seed=None):
        policy = super().policy(mode, seed)
        return policy if mode == "explore" else _ChangedView(policy, lambda o, m: (o.roll(1, 2), m))


class PeeksAtMasks(Softmax):
    """Prefers what all members may do."""

    def logits(self, observation, mask):
        logits = super().logits(observation, mask)
        return logits if mask is None else logits + 3 * mask.all(2, keepdim=True)


class ForgetsItsCritic(Softmax):
    def state_dict(self):
        return {name: value for name, value in super().state_dict().items() if name != "critic"}


class SamplesFromTheGlobalGenerator(Softmax):
    def update(self):
        return {name: value + torch.rand(()) for name, value in super().update().items()}


class BootstrapsThroughTrueEnds(Softmax):
    def ends(self, transition):
        return torch.zeros_like(transition.terminated)


class EndsAtTimeLimits(Softmax):
    def ends(self, transition):
        return transition.terminated | transition.truncated


class TrainsOnPadding(Softmax):
    def inputs(self, observation):
        return torch.cat([torch.ones_like(observation[..., :1]), observation], -1)


class ClimbsDown(Softmax):
    def observe(self, transition):
        super().observe(transition._replace(reward=-transition.reward))


class PlaysFloats(Softmax):
    def policy(self, mode="explore", seed=None):
        return Changed(super().policy(mode, seed), lambda a: a.float())


class CountsFromOne(Softmax):
    def policy(self, mode="explore", seed=None):
        return Changed(super().policy(mode, seed), lambda a: a + 1)


class Stumbles(Softmax):
    def diagnose(self, observation):
        return {"spread": observation[..., 99]}


class CannotBeBuilt(Softmax):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        raise RuntimeError("no\nroom")


class PlaysWhat(Softmax):
    action_kinds = ("discreet",)


class _Bare(Config):
    rate: float = 1.0


class HasNoDataclass(Softmax):
    config_class = _Bare
