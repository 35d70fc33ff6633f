"""QMIX: mixing, targets, who moves whom, schedules, and a game that needs agreement."""

import math

import pytest
import torch
from coordbench import agents, envs
from coordbench.agents.networks.mixing import MonotonicMixer
from coordbench.agents.settings import SettingError
from coordbench.agents.streams import Streams
from learning import played
from sequences import agent, batch, live, longer, spec

TEAM = spec(n=2, actions=3)


def test_the_team_value_never_falls_when_a_members_rises():
    mixer = MonotonicMixer(3, 5, 8, 6, Streams((0, 1))["init"])
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 8, 50, 3, generator=generator).requires_grad_()
    total = mixer(values, 3 * torch.randn(2, 8, 50, 5, generator=generator))
    (slope,) = torch.autograd.grad(total.sum(), values)
    assert (slope >= 0).all()
    assert (slope > 0).float().mean() > 0.9


def test_the_mixture_by_hand():
    mixer = MonotonicMixer(2, 1, 1, 0, Streams((0,))["init"])
    for part, weight, bias in [
        ("weight_1", [-2.0, 3.0], 0),
        ("weight_2", [-0.5], 0),
        ("bias_1", [1.0], -9.0),
    ]:
        mixer.parts[part].parameters[0][:] = torch.tensor(weight).view(-1, 1)
        mixer.parts[part].parameters[1][:] = bias
    mixer.parts["bias_2"].flat.detach().zero_()
    mixer.parts["bias_2"].parameters[-1][:] = 0.25  # the last bias: V(s)
    state = torch.ones(1, 1, 2, 1)
    found = mixer(torch.tensor([[[[1.0, 2.0], [0.5, 0.5]]]]), state)
    # |W1| q + b1: 2 + 6 - 8 = 0 and 1 + 1.5 - 8 = -5.5
    low = 0.5 * (math.exp(-5.5) - 1) + 0.25
    torch.testing.assert_close(found[0, 0], torch.tensor([0.25, low]))


def set_values(learner, online, target):
    """Constant values of all actions, the same for all members."""
    for trunk, head, values in (
        (learner.trunk, learner.head, online),
        (learner.target_trunk, learner.target_head, target),
    ):
        trunk.flat.detach().zero_()
        head.flat.detach().zero_()
        head.parameters[-1][:] = torch.tensor(values)


@pytest.mark.parametrize(
    ("double_q", "expected"),
    # Allowed are actions 0 and 2. Online prefers 0 of those, whose target value is 2; the targets' best is 5.
    [(True, 2 * 2.0), (False, 2 * 5.0)],
)
def test_targets_value_the_best_allowed_action(double_q, expected):
    learner = agent("qmix", TEAM, mixer="sum", discount=0.5, double_q=double_q)
    set_values(learner, [1.0, 9.0, 0.0], [2.0, 100.0, 5.0])
    episodes = batch(TEAM, [2, 3], terminated=[1])
    mask = torch.tensor([True, False, True]).expand_as(episodes.mask)
    episodes = episodes._replace(mask=mask, action=torch.zeros_like(episodes.action))
    values = learner.action_values(episodes)
    found = learner.targets(episodes, values)
    reward = episodes.reward[0]
    torch.testing.assert_close(found[0, :2, 0], reward[:2, 0] + 0.5 * expected)  # a time limit bootstraps
    torch.testing.assert_close(found[0, :2, 1], reward[:2, 1] + 0.5 * expected)
    torch.testing.assert_close(found[0, 2, 1], reward[2, 1])  # a true end does not
    loss, value = learner.td_loss(episodes, values)
    errors = [2.0 - float(found[0, t, b]) for b, n in ((0, 2), (1, 3)) for t in range(n)]
    assert float(loss.detach()) == pytest.approx(sum(e * e for e in errors) / 5, rel=1e-5)
    assert float(value) == pytest.approx(2.0)


def test_more_padding_changes_no_bit_of_a_gradient_step():
    episodes = batch(TEAM, [3, 5, 1], seeds=2)
    outcomes = []
    for given in (episodes, longer(episodes), longer(episodes, 24)):
        learner = agent("qmix", TEAM, seeds=(1, 2), trace=0.6)
        metrics = learner.learn(given)
        outcomes.append([*metrics.values(), *(n.flat.detach() for n in learner.networks().values())])
    for other in outcomes[1:]:
        for mine, theirs in zip(outcomes[0], other, strict=True):
            assert torch.equal(mine, theirs)


def test_the_loss_moves_trunk_head_and_mixer_and_no_target():
    learner = agent("qmix", TEAM)
    before = {name: n.flat.detach().clone() for name, n in learner.networks().items()}
    learner.learn(batch(TEAM, [3, 5]))
    moved = {name for name, n in learner.networks().items() if not torch.equal(n.flat, before[name])}
    assert moved == set(learner.learned)
    assert {"trunk", "head", "mixer_weight_1", "mixer_bias_2"} <= moved


def test_targets_are_copied_every_so_many_gradient_steps():
    learner = agent("qmix", TEAM, warm_up=0, updates_per_step=0.5, target_interval=4, batch_size=4)
    metrics = live(learner, rounds=13)  # of two copies: 13 gradient steps, none before the horizon
    assert [bool(m) for m in metrics] == [False] * 4 + [True] * 9
    assert learner.n_updates == 13
    assert not torch.equal(learner.target_head.flat, learner.head.flat.detach())
    while learner.n_updates % 4:
        live(learner, rounds=1)
    for name in ("trunk", "head"):
        target = learner.networks()[f"target_{name}"].flat
        assert torch.equal(target, learner.networks()[name].flat.detach())


def test_unshared_members_move_only_their_own_networks():
    learner = agent("qmix", TEAM, mixer="sum", share_parameters=False)
    values = learner.action_values(batch(TEAM, [4]))
    values[:, :4, :, 1].sum().backward()
    for network in (learner.trunk, learner.head):
        for gradient in network.gradients:
            assert not gradient[:, :, 0].any()
            assert gradient[:, :, 1].any()


def test_epsilon_falls_with_environment_steps_and_greedy_acting_has_none():
    learner = agent("qmix", TEAM, epsilon_start=1.0, epsilon_end=0.0, epsilon_steps=100)
    assert learner.epsilon == 1.0
    learner.n_steps = 50
    assert learner.epsilon == 0.5
    policy = learner.policy("explore", seed=0)
    mask = torch.ones(1, 4000, 2, 3, dtype=torch.bool)
    start = torch.ones(1, 4000, dtype=torch.bool)
    observation = torch.ones(1, 4000, 2, 3)
    greedy = learner.policy("greedy").act(observation, mask, start)
    strays = (policy.act(observation, mask, start) != greedy).float().mean()
    assert float(strays) == pytest.approx(0.5 * 2 / 3, abs=0.03)


def test_what_was_learned_acts_again_elsewhere():
    learner = agent("qmix", TEAM, seeds=(0, 1), warm_up=0, batch_size=4)
    live(learner, rounds=9)
    other = agent("qmix", TEAM, seeds=(1,))
    other.load_policy_state(0, learner.policy_state(1))
    generator = torch.Generator().manual_seed(0)
    policies = learner.policy("greedy"), other.policy("greedy")
    for _ in range(4):
        observation = torch.randn(2, 3, 2, 3, generator=generator)
        start = torch.zeros(2, 3, dtype=torch.bool)
        both = policies[0].act(observation, None, start)
        assert torch.equal(policies[1].act(observation[1:], None, start[1:]), both[1:])
    with pytest.raises(ValueError, match="another shape"):
        agent("qmix", spec(n=3)).load_policy_state(0, learner.policy_state(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"hidden": 0}, "'hidden' must be at least 1"), ({"trace": 1.5}, "'trace' must be between 0 and 1")],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        agents.make("qmix", TEAM, (0,), settings=settings)


@pytest.mark.parametrize("name", ["qmix", "maven", "vdac"])
def test_members_learn_to_agree(name):
    settings = {"hidden": 32, "learning_rate": 2e-3, "optimizer": "adam", "epsilon_end": 0.1}
    if name == "vdac":
        settings |= {"rollout": 8, "epsilon_steps": 1000}
    else:
        settings |= {"warm_up": 200, "updates_per_step": 0.1, "batch_size": 16, "epsilon_steps": 1000}
        settings |= {"target_interval": 25, "discount": 0.5}
    settings |= {"latent_values": 2} if name == "maven" else {}
    env = envs.make("coordination_2-v1", num_envs=8, n_actions=4, horizon=10)
    returns = played(env, agents.make(name, env.team, (0, 1), settings=settings), rounds=450)
    least = 0.6 if name == "maven" else 1.0  # of MAVEN's values of z some may still be without a habit
    assert returns.mean() >= least * env.team.horizon, returns
