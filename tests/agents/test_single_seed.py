"""The single-seed form: ordinary PyTorch code keeps the contract, whatever it keeps in its attributes."""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from coordbench import envs
from coordbench.agents import Config, Transition, check_agent
from coordbench.agents.checking.checks import inspect_agent
from coordbench.agents.checking.contract import global_generators
from coordbench.agents.checking.synthetic import story, team
from coordbench.agents.own_numbers import OwnNumbers
from coordbench.agents.single_seed import SingleSeedAgent, SingleSeedLearner
from torch import nn
from torch.distributions import Categorical, Normal


@dataclass(frozen=True)
class PlainConfig(Config):
    learning_rate: float = 3e-3


class Reinforce(SingleSeedLearner):
    """A gradient step every second step, towards what was better than the average; dropout disturbs."""

    def __init__(self, team, config, device):
        super().__init__(team, config, device)
        self.trunk = nn.Sequential(nn.Linear(team.observation_size, 16), nn.Tanh(), nn.Dropout(0.05))
        self.heads = [nn.Linear(16, team.action_size) for _ in range(team.n_agents)]
        self.bias = nn.Parameter(torch.randn(team.n_agents, team.action_size) * 0.1)
        parameters = [*self.trunk.parameters(), self.bias, *(p for h in self.heads for p in h.parameters())]
        self.optimizer = torch.optim.Adam(parameters, 5 * config.learning_rate)
        self.baseline = 0.0
        self.steps = deque(maxlen=2)

    def policies(self, observation, mask):
        hidden = self.trunk(observation)
        output = torch.stack([head(hidden[:, i]) for i, head in enumerate(self.heads)], 1) + self.bias
        if mask is not None:
            return Categorical(logits=output.masked_fill(~mask, -1e9))
        return Normal(output.tanh(), 0.3)

    def act(self, observation, mask, starting, mode, memory):
        self.trunk.train(mode == "explore")
        memory["steps"] = torch.where(starting, 0, memory.get("steps", torch.zeros_like(starting)) + 1)
        policy = self.policies(observation, mask)
        if mode == "greedy":
            return policy.mode
        return policy.sample() if mask is not None else policy.sample().clamp(-1, 1)

    def observe(self, transition):
        self.steps.append(transition)

    def update(self):
        if len(self.steps) < 2:
            return {}
        now = self.steps.pop()
        self.steps.clear()
        self.trunk.train()
        policy = self.policies(now.observation, now.mask)
        log = policy.log_prob(now.action) if now.mask is not None else policy.log_prob(now.action).sum(-1)
        loss = -((now.reward - self.baseline) * log).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.baseline += 0.1 * (float(now.reward.mean()) - self.baseline)
        self.n_updates += 1
        return {"loss": loss, "baseline": self.baseline}

    def diagnose(self, observation):
        return {"bias": self.bias.abs().mean()}


class ReinforceAgent(SingleSeedAgent):
    learner_class = Reinforce
    config_class = PlainConfig
    action_kinds = ("continuous", "discrete")


def test_ordinary_pytorch_keeps_the_contract():
    findings = list(inspect_agent(ReinforceAgent))
    assert [found for found in findings if found.status == "failed"] == []
    skipped = {found.check for found in findings if found.status == "skipped"}
    assert skipped == {"ends"}, "it does not bootstrap"


class DrawsFromNumPy(Reinforce):
    def observe(self, transition):
        super().observe(transition._replace(reward=transition.reward + float(np.random.rand())))  # noqa: NPY002


class DrawsFromNumPyAgent(ReinforceAgent):
    learner_class = DrawsFromNumPy


def test_random_numbers_of_numpy_are_not_lent_and_are_found():
    failed = {
        found.check: found.text for found in inspect_agent(DrawsFromNumPyAgent) if found.status == "failed"
    }
    assert "NumPy's global random generator" in failed["generators"]


class NamesMetricsAtItsEpisodesEnds(Reinforce):
    def update(self):
        return super().update() if self.steps[-1].terminated.any() else {}


class UnevenAgent(ReinforceAgent):
    learner_class = NamesMetricsAtItsEpisodesEnds


def test_metrics_that_only_some_seeds_name_are_refused_with_the_remedy():
    with pytest.raises(
        AssertionError, match="all seeds must name the same at the same step, so name them at every"
    ):
        check_agent(UnevenAgent)


def test_what_a_learner_draws_depends_on_its_seed_and_purpose_alone():
    before = global_generators()

    def drawn(seed, purpose):
        with OwnNumbers(seed, torch.device("cpu"), purpose).in_use():
            return torch.randn(3).tolist(), nn.Linear(2, 2).weight.tolist()

    assert drawn(0, "training") == drawn(0, "training")
    assert len({str(drawn(*which)) for which in ((0, "training"), (1, "training"), (0, "other"))}) == 3
    assert global_generators() == before


def test_lent_numbers_go_on_where_they_stopped_and_return_after_errors():
    numbers = OwnNumbers(0, torch.device("cpu"), "training")
    with OwnNumbers(0, torch.device("cpu"), "training").in_use():
        whole = torch.rand(4)
    before = global_generators()
    parts = []
    for _ in range(2):
        with suppress(KeyError), numbers.in_use():
            parts.append(torch.rand(2))
            raise KeyError
    assert torch.equal(torch.cat(parts), whole)
    assert global_generators() == before


def test_memory_belongs_to_a_policy_and_is_saved_with_it():
    spec = team((5, 5))
    agent, tale = ReinforceAgent(spec, PlainConfig(), (0, 1)), story(spec, (0, 1))
    first, second = agent.policy("explore"), agent.policy("explore")
    for t in range(3):
        first.act(tale.observation[t], None, tale.starting[t])
    assert first.memories[0]["steps"].tolist() != []
    assert second.memories == [{}, {}]
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.memories[1]["steps"], first.memories[1]["steps"])


def test_learners_see_no_padding_and_their_own_part_only():
    seen = []

    class Watches(Reinforce):
        def act(self, observation, mask, starting, mode, memory):
            seen.append((observation, mask, starting))
            return super().act(observation, mask, starting, mode, memory)

        def observe(self, transition):
            seen.append(transition)
            super().observe(transition)

    class WatchingAgent(ReinforceAgent):
        learner_class = Watches

    spec = team((2, 4), 3, "discrete")
    agent, tale = WatchingAgent(spec, PlainConfig(), (0, 1)), story(spec, (0, 1))
    filled = torch.ones_like(tale.observation[0])
    actions = agent.policy("explore").act(filled, tale.mask[0], tale.starting[0])
    agent.observe(replace(tale, observation=filled[None], successor=filled[None]).transition(0, actions))
    (observation, mask, starting), _, transition, _ = seen
    assert observation.tolist() == [[[1, 1, 0, 0], [1, 1, 1, 1]]] * 2
    assert torch.equal(mask, tale.mask[0, 0])
    assert starting.shape == (2,)
    assert isinstance(transition, Transition)
    assert torch.equal(transition.observation, observation)
    assert torch.equal(transition.next_observation, observation)
    assert torch.equal(transition.action, actions[0])
    assert transition.next_mask.shape == (2, 2, 3)


def test_the_modules_of_a_run_act_again_elsewhere(tmp_path):
    spec = envs.spec("coordination_2-v1")
    first, second = (ReinforceAgent(spec, PlainConfig(), seeds) for seeds in ((4, 7), (1,)))
    torch.save(first.policy_state(1), tmp_path / "policy.pt")
    stored = torch.load(tmp_path / "policy.pt", weights_only=True)
    second.load_policy_state(0, stored)
    for name in ("trunk.0", "heads.1"):
        owner, row = name.split(".")
        mine, other = (
            getattr(second.learners[0], owner)[int(row)],
            getattr(first.learners[1], owner)[int(row)],
        )
        assert torch.equal(mine.weight, other.weight)
    assert torch.equal(second.learners[0].bias, first.learners[1].bias)
    small = ReinforceAgent(envs.spec("climbing-v1"), PlainConfig(), (1,))
    with pytest.raises(
        ValueError, match=r"the stored heads\.0 is of another shape than ReinforceAgent's here"
    ):
        small.load_policy_state(0, stored)


def test_other_devices_than_cpu_and_cuda_are_refused():
    with pytest.raises(ValueError, match="runs on cpu and cuda, not on meta"):
        ReinforceAgent(team((5, 5)), PlainConfig(), (0,), "meta")


def test_slips_are_named():
    class Nothing(SingleSeedAgent):
        pass

    with pytest.raises(ValueError, match="Nothing names no learner_class"):
        Nothing(team((5, 5)), Config(), (0,))

    class Arrays(Reinforce):
        def act(self, observation, mask, starting, mode, memory):
            return np.zeros(observation.shape)

        def update(self):
            return {"loss": torch.zeros(3)}

    class Slips(ReinforceAgent):
        learner_class = Arrays

    agent, tale = Slips(team((5, 5)), PlainConfig(), (0,)), story(team((5, 5)), (0,))
    with pytest.raises(TypeError, match=r"Arrays.act\(\) must return a tensor, not ndarray"):
        agent.policy().act(tale.observation[0], None, tale.starting[0])
    with pytest.raises(ValueError, match="metric 'loss' must be one number"):
        agent.update()
