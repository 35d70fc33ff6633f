"""check_agent passes what is shipped and names the fault in what is broken."""

from dataclasses import dataclass, replace

import pytest
import torch

from coordbench import agents
from coordbench.agents import Agent, Config, Policy, check_agent
from coordbench.agents.checks import ContractError, successors_matter
from coordbench.agents.contract import SEEDS, Trial, difference, play, story
from coordbench.agents.maddpg import MADDPG
from coordbench.agents.vm3ac import VM3AC


@pytest.mark.parametrize("name", agents.names())
def test_every_agent_keeps_the_contract(name):
    lines = check_agent(name)
    scripted = name in ("random", "reference")
    assert len(lines) == 10
    assert any("learns a one-step game" in line for line in lines) is not scripted
    assert any("stop at true ends" in line for line in lines) is not scripted


@pytest.mark.parametrize("name", ["maddpg", "vm3ac"])
def test_the_checker_takes_settings(name):
    with pytest.raises(ValueError, match="learning_rat.*learning_rate"):
        check_agent(name, {"learning_rat": 1})


def test_a_class_is_checked_as_a_name_is():
    assert check_agent(agents.load("random")) == check_agent("random")


@pytest.mark.parametrize("name", ["ma_ac", "ma_sac", "maddpg", "vm3ac"])
def test_nothing_after_a_true_end_enters_an_update(name):
    trial = Trial.of(agents.load(name), {})
    assert not successors_matter(trial, "all terminated")


@pytest.mark.parametrize("name", ["ma_ac", "ma_sac", "maddpg", "vm3ac"])
def test_a_time_limit_alone_changes_no_update_of_one_step_learners(name):
    trial = Trial.of(agents.load(name), {})
    tale = story(trial.alike, ends="all truncated")
    unmarked = replace(tale, truncated=torch.zeros_like(tale.truncated))
    assert difference(play(trial.agent(trial.alike), tale), play(trial.agent(trial.alike), unmarked)) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": [64, 64], "batch_size": 128, "buffer_size": 1_000, "warm_up": 20},
        {"hidden": [7, 9], "batch_size": 13, "updates_per_step": 2.0},
    ],
    ids=["as used", "odd sizes"],
)
def test_a_stack_of_three_equals_each_seed_alone_at_other_sizes(settings):
    trial = Trial.of(VM3AC, settings | {"entropy": "marginal"})
    tale = story(trial.alike, steps=70)
    together = play(trial.agent(trial.alike), tale)
    assert any("critic_loss" in name for name, _ in together)
    for row, seed in enumerate(SEEDS):
        alone = play(trial.agent(trial.alike, (seed,)), story(trial.alike, (seed,), steps=70))
        assert difference(together, alone, row) is None


class _Changed(Policy):
    """Another policy's actions, changed."""

    def __init__(self, policy, change, swap=lambda observation: observation):
        self.policy, self.change, self.swap = policy, change, swap

    def act(self, observation, mask, starting):
        return self.change(self.policy.act(self.swap(observation), mask, starting))

    def state_dict(self):
        return self.policy.state_dict()

    def load_state_dict(self, state):
        self.policy.load_state_dict(state)


class Peeks(MADDPG):
    def policy(self, mode="explore", seed=None):
        policy = super().policy(mode, seed)
        return policy if mode == "explore" else _Changed(policy, lambda a: a, lambda o: o.roll(1, 2))


class UsesGlobalNoise(MADDPG):
    def policy(self, mode="explore", seed=None):
        noisy = _Changed(super().policy(mode, seed), lambda a: (a + 0.1 * torch.randn_like(a)).clamp(-1, 1))
        return noisy if mode == "explore" else super().policy(mode, seed)


class BuildsFromTheGlobalGenerator(MADDPG):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.layer = torch.nn.Linear(2, 2)


class SeedsTheGlobalGenerator(MADDPG):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        torch.manual_seed(0)


class ForgetsOptimizers(MADDPG):
    def state_dict(self):
        return {k: v for k, v in super().state_dict().items() if k != "optimizers"}

    def load_state_dict(self, state):
        own = {name: o.state_dict() for name, o in self.optimizers().items()}
        super().load_state_dict({**state, "optimizers": own})


class ForgetsGenerators(MADDPG):
    def state_dict(self):
        return {**super().state_dict(), "streams": {}}


class ForgetsTargets(MADDPG):
    def load_state_dict(self, state):
        nets = state["networks"]
        nets = nets | {"target_actor": nets["actor"], "target_critic": nets["critic"]}
        super().load_state_dict({**state, "networks": nets})


class BootstrapsThroughEnds(MADDPG):
    def observe(self, transition):
        super().observe(transition._replace(terminated=torch.zeros_like(transition.terminated)))


class StopsAtTimeLimits(MADDPG):
    def observe(self, transition):
        super().observe(transition._replace(terminated=transition.terminated | transition.truncated))


class ReadsPadding(MADDPG):
    def without_padding(self, observation):
        return observation


class LeaksRewards(MADDPG):
    def observe(self, transition):
        super().observe(transition._replace(reward=transition.reward - transition.reward.mean(0)))


class LeaksThroughOneGenerator(MADDPG):
    def policy(self, mode="explore", seed=None):
        if mode == "explore":
            self.shared = torch.Generator().manual_seed(sum(self.seeds))
            return _Changed(super().policy(mode, seed), self.noisy)
        return super().policy(mode, seed)

    def noisy(self, actions):
        return (actions + 0.1 * torch.randn(actions.shape, generator=self.shared)).clamp(-1, 1)


class SeededPoliciesDisturb(MADDPG):
    def policy(self, mode="explore", seed=None):
        self.streams.normal("replay", 1)
        return super().policy(mode, seed)


class Varies(MADDPG):
    made = 0

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Varies.made += 1
        self.actor.parameters[0].mul_(1 + 0.01 * Varies.made)


class Climbs(MADDPG):
    def observe(self, transition):
        super().observe(transition._replace(reward=-transition.reward))


class Overshoots(MADDPG):
    def policy(self, mode="explore", seed=None):
        return _Changed(super().policy(mode, seed), lambda a: a * 1.5 + 0.6)


class DropsAnAxis(MADDPG):
    def policy(self, mode="explore", seed=None):
        return _Changed(super().policy(mode, seed), lambda a: a[..., 0])


class AveragesMetrics(MADDPG):
    def update(self):
        return {name: value.mean() for name, value in super().update().items()}


class Diverges(MADDPG):
    def update(self):
        return {name: value / 0 for name, value in super().update().items()}


class TakesAnyMode(MADDPG):
    def policy(self, mode="explore", seed=None):
        return super().policy(mode if mode in self.modes else "greedy", seed)


FAULTS = {
    Peeks: "decentralised.*member 0's observation moves the action of member 1",
    UsesGlobalNoise: "acting or updating uses a global random generator",
    BuildsFromTheGlobalGenerator: "building the agent uses or seeds a global random generator",
    SeedsTheGlobalGenerator: "building the agent uses or seeds a global random generator",
    ForgetsOptimizers: "state_dict of step 14 must go on.*missing from state_dict",
    ForgetsGenerators: "state_dict of step 3 must go on.*missing from state_dict",
    ForgetsTargets: "state_dict of step 14 must go on.*missing from state_dict",
    BootstrapsThroughEnds: "terminated must be respected",
    StopsAtTimeLimits: "truncated must be bootstrapped through",
    ReadsPadding: "padding of shorter observations must be ignored",
    LeaksRewards: "seed 5 in a stack of 3 must equal seed 5 alone.*leak",
    LeaksThroughOneGenerator: "seed 5 in a stack of 3 must equal seed 5 alone.*leak",
    SeededPoliciesDisturb: "must not disturb",
    Varies: "same seeds and inputs must agree",
    Climbs: "must learn a one-step game",
    Overshoots: r"must lie in \[-1, 1\]",
    DropsAnAxis: r"must have shape \(S, E, N, act\)",
    AveragesMetrics: r"metric 'critic_loss' must be a tensor of shape \(S,\)",
    Diverges: "metric 'critic_loss' must be finite",
    TakesAnyMode: "ValueError for an unknown mode",
}


@pytest.mark.parametrize("broken", FAULTS, ids=lambda broken: broken.__name__)
def test_a_planted_fault_is_named(broken):
    with pytest.raises(ContractError, match=FAULTS[broken]) as caught:
        check_agent(broken)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class _NoSettings(Config):
    pass


class Still(Agent):
    """An agent of somebody else: no settings, does not learn."""

    config_class = _NoSettings

    def policy(self, mode="explore", seed=None):
        return _Changed(_Zeros(self, self._check_mode(mode)), lambda a: a)


class _Zeros(Policy):
    def __init__(self, agent, mode):
        self.size = agent.team.action_size

    def act(self, observation, mask, starting):
        return torch.zeros(*observation.shape[:-1], self.size)


def test_an_agent_that_does_not_learn_is_told_so():
    lines = check_agent(Still)
    assert [line for line in lines if "skipped" in line] == [
        "ends of episodes: skipped, it does not learn",
        "learning: skipped, it returned no metrics and did no update in 26 steps",
    ]


def test_what_is_not_an_agent_is_refused():
    with pytest.raises(ValueError, match="not a subclass"):
        check_agent("builtins:dict")
