"""What is not the paper's: everyone's values, targets of action values, tuned temperatures, falling noise."""

import math

import pytest
import torch
from coordbench.agents import check_agent
from coordbench.agents.actor_critics.fresh import moving_values
from coordbench.agents.settings import SettingError
from test_equations import batch, check, constant_agent
from tiny import agent, fill, set_outputs, team

MODERN = {"critic_target": "action_value", "policy_q": "min", "beta": 0.5, "target_entropy": -1.0}


@pytest.mark.parametrize("shared", [False, True])
def test_joint_policy_gradient_is_that_of_the_sum_of_all_members_values(shared):
    learner = agent("maddpg", team(3, act=2), policy_gradient="joint", share_parameters=shared)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 5, 9, generator=generator)
    action = torch.randn(1, 3, 5, 2, generator=generator).requires_grad_()
    joint = torch.cat([x, action.detach().transpose(1, 2).flatten(-2)], -1)
    found = moving_values(learner.critic, joint, action, learner.own_columns, everyone=True)
    torch.testing.assert_close(found, learner.critic.frozen(joint)[..., 0])
    found.sum().backward()
    for member, entry in [(0, 0), (1, 1), (2, 0)]:
        step = torch.zeros(1, 5, 15)
        step[..., 9 + 2 * member + entry] = 1e-2
        up, down = (learner.critic.frozen(joint + sign * step)[..., 0].sum(1) for sign in (1, -1))
        torch.testing.assert_close(action.grad[:, member, :, entry], (up - down) / 2e-2, rtol=2e-2, atol=2e-3)


def test_own_policy_gradient_stops_at_ones_own_values():
    learner = agent("maddpg", team(2))
    action = torch.zeros(1, 2, 4, 1).requires_grad_()
    joint = torch.zeros(1, 4, 8)
    values = moving_values(learner.critic, joint, action, learner.own_columns, everyone=False)
    values[:, 0].sum().backward()
    assert action.grad[:, 0].any()
    assert not action.grad[:, 1].any()


def test_joint_maddpg_takes_everyones_present_action():
    learner = agent("maddpg", policy_gradient="joint", hidden=[2], output_penalty=0.0)
    set_outputs(learner.actor, [1.0, -1.0])
    set_outputs(learner.critic, [0.0, 0.0])
    first, bias, last, _ = learner.critic.parameters  # Q_i = relu(a_0 + 10 a_1 + 20)
    first[0, 0, :, 0, 6:] = torch.tensor([1.0, 10.0])
    bias[..., 0], last[..., 0] = 20.0, 1.0
    q = math.tanh(1.0) - 10 * math.tanh(1.0) + 20
    check(learner.actor_loss(batch(action=0.25), learner.actor(batch().observation)), -q, -q)


def test_target_of_action_values_by_hand(monkeypatch):
    learner = constant_agent_without_values(monkeypatch)
    # after: min(2, 1) - .1 log pi and min(4, 5) - .1 log pi, log pi = -.9189385; discount .5, end last
    after = [1 + 0.09189385, 4 + 0.09189385]
    expected = []
    for reward, q1, q2, value in [(1.0, 4.0, 3.0, after[0]), (2.0, 6.0, 7.0, after[1])]:
        targets = [reward + 0.5 * value] * 2 + [reward]
        expected.append(sum(0.5 * ((q1 - y) ** 2 + (q2 - y) ** 2) for y in targets) / 3)
    check(learner.critic_loss(batch()), *expected)
    assert set(learner.networks()) == {"actor", "critic", "target_critic"}
    losses = learner.losses(batch(), learner.draw_actions(batch()))
    assert set(losses) == {"critic_loss", "actor_loss"}


def constant_agent_without_values(monkeypatch):
    learner = agent("ma_sac", discount=0.5, critic_target="action_value", beta=0.1)
    set_outputs(learner.actor, [[0.0, 0.0], [0.0, 0.0]])
    set_outputs(learner.critic, [[4.0, 6.0], [3.0, 7.0]])
    set_outputs(learner.target_critic, [[2.0, 4.0], [1.0, 5.0]])
    monkeypatch.setattr(learner, "policy_noise", lambda mean: torch.zeros_like(mean))
    return learner


def test_both_forms_of_the_target_agree_where_the_value_is_exact(monkeypatch):
    # V of every member is (17) of its constant critics
    with_value = constant_agent("ma_sac", monkeypatch, beta=0.1)
    set_outputs(with_value.target_value, [1 + 0.09189385, 4 + 0.09189385])
    found = constant_agent_without_values(monkeypatch).critic_loss(batch())
    torch.testing.assert_close(found, with_value.critic_loss(batch()))


def test_a_tuned_temperature_rises_below_the_target_entropy_and_falls_above():
    learner = agent("ma_sac", team(2, act=3), seeds=(0, 1), target_entropy=-1.0, beta=0.5, learning_rate=0.01)
    log_prob = torch.stack([torch.full((2, 4), 5.0), torch.full((2, 4), 1.0)])  # entropy -5 and -1; target -3
    learner.tune(log_prob)
    # Adam's first step is the learning rate
    torch.testing.assert_close(learner.beta.flatten().log() - math.log(0.5), torch.tensor([0.01, -0.01]))


@pytest.mark.parametrize("name", ["ma_sac", "vm3ac"])
def test_the_whole_contract_holds_for_the_modern_form(name):
    check_agent(name, MODERN | {"learning_starts": 4, "initial_noise": 0.5, "noise_steps": 20})


def test_a_stack_of_two_equals_each_seed_alone_with_joint_gradients():
    settings = MODERN | {"policy_gradient": "joint"}
    both = agent("ma_sac", seeds=(3, 4), **settings)
    alone = [agent("ma_sac", seeds=(seed,), **settings) for seed in (3, 4)]
    told = []
    for learner in (both, *alone):
        fill(learner)
        if learner is both:
            data = learner.replay.rows["observation"].clone()
        else:
            row = alone.index(learner)
            for name, rows in learner.replay.rows.items():
                rows.copy_(both.replay.rows[name][row : row + 1])
        told.append(learner.update())
    assert torch.isfinite(data[:, :80]).all()
    for row, learner in enumerate(alone):
        for mine, theirs in zip(learner.actor.parameters, both.actor.parameters, strict=True):
            assert torch.equal(mine[:, 0], theirs[:, row])
        assert torch.equal(learner.log_beta[0], both.log_beta[row])
        assert {name: float(value[0]) for name, value in told[1 + row].items()} == {
            name: float(value[row]) for name, value in told[0].items()
        }


def test_noise_falls_in_a_straight_line():
    learner = agent("maddpg", exploration_noise=0.1, initial_noise=0.9, noise_steps=80)
    assert learner.noise == 0.9
    fill(learner, steps=5, copies=4)
    assert learner.noise == pytest.approx(0.7)
    fill(learner, steps=50, copies=4)
    assert learner.noise == pytest.approx(0.1)


def test_learning_may_start_within_the_warm_up():
    learner = agent("maddpg", warm_up=1_000, learning_starts=16, updates_per_step=0.5)
    fill(learner, steps=10, copies=4)
    learner.update()
    assert learner.warming_up
    assert learner.n_updates == 12


def test_the_temperature_stays_tuned_after_loading():
    settings = MODERN | {"learning_rate": 0.1}
    one, other = agent("ma_sac", **settings), agent("ma_sac", **settings)
    fill(one)
    one.update()
    assert not torch.equal(one.log_beta, other.log_beta)
    other.load_state_dict(one.state_dict())
    for learner in (one, other):
        fill(learner, steps=4)
        learner.update()
    assert torch.equal(one.log_beta, other.log_beta)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ma_sac", {"target_entropy": -1.0, "beta": 0.0}),
        ("ma_sac", {"policy_gradient": "joint", "critic": "attention"}),
        ("maddpg", {"initial_noise": -1.0}),
        ("maddpg", {"noise_steps": 0}),
        ("maddpg", {"learning_starts": -1}),
    ],
)
def test_settings_that_make_no_sense_are_refused(name, settings):
    with pytest.raises(SettingError, match=r"'\w+'"):
        agent(name, **settings)
