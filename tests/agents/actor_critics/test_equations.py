"""The numbered losses of VM3-AC and MADDPG, with numbers worked by hand on constant networks.

One action dimension, two members. With policies N(0, 1) and noise zero: u = 0, a = 0,
log pi = -log(2 pi) / 2 = -0.9189385 (the slope of tanh at 0 is 1).
"""

import math
from dataclasses import replace

import pytest
import torch
from coordbench.agents.memory.replay import Batch
from tiny import agent, set_outputs, team, transition

LOG_PI = -0.9189385
X, B = torch.zeros(1, 3, 6), 3


def batch(reward=(1.0, 2.0), bootstrap=(1.0, 1.0, 0.0), action=0.0):
    return Batch(
        observation=torch.zeros(1, 2, B, 3),
        joint_action=torch.full((1, B, 2), action),
        reward=torch.tensor(reward).view(1, 2, 1).expand(1, 2, B),
        bootstrap=torch.tensor(bootstrap).view(1, 1, B),
        next_observation=torch.zeros(1, 2, B, 3),
        x=X,
        next_x=X,
    )


def constant_agent(name, monkeypatch, **settings):
    learner = agent(name, discount=0.5, **settings)
    set_outputs(learner.actor, [[0.0, 0.0], [0.0, 0.0]])  # mean 0, log std 0
    set_outputs(learner.value, [1.0, -1.0])
    set_outputs(learner.critic, [[4.0, 6.0], [3.0, 7.0]])  # Q_1 of both members, then Q_2
    set_outputs(learner.target_value, [2.0, 4.0])
    monkeypatch.setattr(learner, "policy_noise", lambda mean: torch.zeros_like(mean))
    return learner


def check(found, *expected):
    torch.testing.assert_close(found.detach(), torch.tensor([expected]), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["ma_ac", "ma_sac", "vm3ac"])
def test_critic_loss_18_19(name, monkeypatch):
    # targets: member 0: 1 + .5 * 2 = 2, 2, and 1 at the true end; member 1: 2 + .5 * 4 = 4, 4, 2
    # member 0: Q_1 = 4: (4 + 4 + 9) / 6, Q_2 = 3: (1 + 1 + 4) / 6, together 23 / 6
    # member 1: Q_1 = 6: (4 + 4 + 16) / 6, Q_2 = 7: (9 + 9 + 25) / 6, together 67 / 6
    check(constant_agent(name, monkeypatch).critic_loss(batch()), 23 / 6, 67 / 6)


def losses(name, monkeypatch, **settings):
    learner = constant_agent(name, monkeypatch, **settings)
    if name == "vm3ac":
        # q predicts tanh(.) = .5 of member 1 from 0, -.5 of member 0 from 1; both act 0: squared errors .25
        set_outputs(learner.predictor.network, [math.atanh(0.5), math.atanh(-0.5)])
    data = batch()
    return learner.losses(data, learner.draw_actions(data))


def test_value_loss_16_17(monkeypatch):
    # MA-AC: targets min(4, 3) = 3 and min(6, 7) = 6: (1 - 3)^2 / 2 and (-1 - 6)^2 / 2
    check(losses("ma_ac", monkeypatch)["value_loss"], 2.0, 24.5)
    # MA-SAC, beta .1: both targets rise by .0918939
    check(losses("ma_sac", monkeypatch, beta=0.1)["value_loss"], 2.0918939**2 / 2, 7.0918939**2 / 2)
    # VM3-AC, sigma^2 = .5: log q = -.25 / (2 * .5) = -.25 both ways; beta / N * (-.25 - .25) = -.025
    found = losses("vm3ac", monkeypatch, beta=0.1, q_variance=0.5)["value_loss"]
    check(found, 2.0668939**2 / 2, 7.0668939**2 / 2)


def test_policy_loss_20_21(monkeypatch):
    check(losses("ma_ac", monkeypatch)["actor_loss"], -4.0, -6.0)
    check(losses("ma_sac", monkeypatch, beta=0.1)["actor_loss"], -4.0918939, -6.0918939)


def test_terms_in_q_of_the_policy_loss_20_21(monkeypatch):
    # mean square errors of q: .25 both ways
    check(losses("vm3ac", monkeypatch)["prediction_loss"], 0.25, 0.25)
    # Into pi_i flows the gradient of (b), -beta / N * log q(a_j | a_i) = .05 * |a_j - mu(a_i)|^2 / (2 * .5).
    learner = agent("vm3ac", beta=0.1, q_variance=0.5, hidden=[1])
    set_outputs(learner.predictor.network, [0.0, 0.0])
    first, bias, out, _ = learner.predictor.network.parameters  # mu = tanh(a_i + 2 - 2)
    first[..., 0], bias[:], out[:] = 1.0, 2.0, 1.0
    learner.predictor.network.parameters[-1][:] = -2.0
    action = torch.tensor([0.5, -0.25]).view(1, 2, 1, 1).requires_grad_()
    data = batch()._replace(observation=torch.zeros(1, 2, 1, 3))
    learner.predictor.squared_error(data.observation, action).sum().backward()
    # d/da_i: .05 * -2 (a_j - tanh a_i) (1 - tanh^2 a_i), tanh .5 = .4621172, tanh -.25 = -.2449187
    expected = [
        -0.1 * (-0.25 - 0.4621172) * (1 - 0.4621172**2),
        -0.1 * (0.5 + 0.2449187) * (1 - 0.2449187**2),
    ]
    torch.testing.assert_close(action.grad.flatten(), torch.tensor(expected), rtol=0, atol=1e-6)
    # and into q the gradient of the mean square error itself: -2 (a_j - tanh a_i) (1 - tanh^2 a_i)
    found = learner.predictor.network.gradients[-1].flatten()
    torch.testing.assert_close(found, torch.tensor(expected) * 20, rtol=0, atol=1e-5)


def test_mean_penalty_of_ma_ac(monkeypatch):
    learner = constant_agent("ma_ac", monkeypatch, mean_penalty=0.1)
    set_outputs(learner.actor, [[2.0, 0.0], [0.0, 0.0]])
    data = batch()
    found = learner.losses(data, learner.draw_actions(data))["actor_loss"]
    check(found, -4.0 + 0.1 * 4.0, -6.0)


def test_marginal_entropy_of_policies_that_ignore_z_is_the_conditional_one(monkeypatch):
    learner = constant_agent("vm3ac", monkeypatch, entropy="marginal")
    check(learner.draw_actions(batch()).log_prob, *[[LOG_PI] * B] * 2)


def test_marginal_log_density_of_a_mixture(monkeypatch):
    learner = constant_agent("vm3ac", monkeypatch, entropy="marginal", latent_size=1, hidden=[1])
    weights, _, out, _ = learner.actor.parameters
    weights[..., -1], out[..., 0, :] = 1.0, 1.0  # mean = relu(z)
    others = torch.tensor([-1.0] * 8 + [1.0] * 8).repeat_interleave(B)

    def draws(name, *shape):
        return (others if name == "marginal" else -torch.ones(B)).view(1, *shape)

    monkeypatch.setattr(learner.streams, "normal", draws)
    # acting z = -1: a = 0; mixture: 9 components with mean 0, 8 with mean 1, at u = 0
    mixture = (9 * math.exp(LOG_PI) + 8 * math.exp(LOG_PI - 0.5)) / 17
    check(learner.draw_actions(batch()).log_prob, *[[math.log(mixture)] * B] * 2)


def test_maddpg_losses_5_6():
    learner = agent("maddpg", discount=0.5)
    set_outputs(learner.actor, [1.0, 0.0])
    set_outputs(learner.target_actor, [0.0, 0.0])
    set_outputs(learner.critic, [4.0, 6.0])
    set_outputs(learner.target_critic, [2.0, 4.0])
    # the targets of test_critic_loss_18_19, mean squares: (4 + 4 + 9) / 3 and (4 + 4 + 16) / 3
    check(learner.critic_loss(batch()), 17 / 3, 24 / 3)
    # -Q + 1e-3 * (raw output)^2
    check(learner.actor_loss(batch(), learner.actor(batch().observation)), -4.0 + 1e-3, -6.0)


def test_maddpg_policy_gradient_takes_the_others_actions_from_replay():
    learner = agent("maddpg", hidden=[2])
    set_outputs(learner.actor, [1.0, 1.0])
    set_outputs(learner.critic, [0.0, 0.0])
    first, _, last, _ = (
        learner.critic.parameters
    )  # Q = relu(own + 10 other + 20): own from actor, other from replay
    first[0, 0, :, 0, 6:] = torch.tensor([[1.0, 10.0], [10.0, 1.0]])
    learner.critic.parameters[1][..., 0] = 20.0
    last[..., 0] = 1.0
    found = learner.actor_loss(batch(action=0.25), learner.actor(batch().observation))
    q = math.tanh(1.0) + 10 * 0.25 + 20
    check(found, 1e-3 - q, 1e-3 - q)


def test_linear_gaussian_game(monkeypatch):
    """a_k = w_k z + e_k at w = 1, the best linear q, sigma^2 = 1: the bound (6), the gradient of (b) in (21).

    Scaled by .01, as q's tanh wants, with sigma^2 scaled by its square, which changes nothing.
    """
    scale = 0.01
    learner = agent("vm3ac", team(), q_variance=scale**2)

    # E[a_j | a_i] = w_i w_j / (w_i^2 + 1) a_i
    monkeypatch.setattr(learner.predictor, "network", lambda inputs, own, columns: torch.atanh(own / 2))
    nodes, weights = (torch.tensor(v) for v in hermite(20))
    z, e0, e1 = (v.flatten() for v in torch.meshgrid(nodes, nodes, nodes, indexing="ij"))
    weight = (weights[:, None, None] * weights[:, None] * weights).flatten()
    w = torch.ones(2, requires_grad=True, dtype=torch.float64)
    action = scale * torch.stack([w[0] * z + e0, w[1] * z + e1])[None, :, :, None]
    data = batch()._replace(observation=torch.zeros(1, 2, len(z), 3, dtype=torch.float64))
    error = (learner.predictor.squared_error(data.observation, action) * weight).sum(-1)[0]
    expected = -error / (2 * scale**2)
    marginal_entropy, constant = 0.5 * math.log(2 * math.pi * math.e * 2), 0.5 * math.log(2 * math.pi)
    bound = marginal_entropy + expected.detach() - constant
    torch.testing.assert_close(bound, torch.full((2,), 0.09657, dtype=torch.float64), rtol=0, atol=1e-5)
    conditional_entropy = 0.5 * math.log(2 * math.pi * math.e)
    assert conditional_entropy + float(expected[0].detach()) - constant == pytest.approx(-0.25, abs=1e-9)
    (gradient,) = torch.autograd.grad(error[0], w, retain_graph=True)  # 0 predicts 1; descent
    expected = torch.tensor([-learner.predictor.weight * 0.25, 0.0], dtype=torch.float64)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9)
    # with (a) as well: -.5 into the weight of the member that is predicted
    monkeypatch.setattr(learner.predictor, "config", replace(learner.config, q_gradient="both"))
    error = (learner.predictor.squared_error(data.observation, action) * weight).sum(-1)[0]
    (gradient,) = torch.autograd.grad(error[0], w)
    expected = -learner.predictor.weight * torch.tensor([0.25, -0.5], dtype=torch.float64)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9)


def hermite(count):
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()


def test_a_true_end_is_not_bootstrapped_and_a_time_limit_is():
    for terminated, expected in ((True, 0.0), (False, 1.0)):
        learner = agent("ma_sac")
        generator = torch.Generator().manual_seed(0)

        step = transition(learner.team, 1, 4, generator, terminated=terminated)
        learner.observe(step._replace(truncated=torch.ones_like(step.truncated)))
        assert (learner.replay.sample(8, learner.streams).bootstrap == expected).all()


@pytest.mark.parametrize("name", ["ma_ac", "maddpg"])
@pytest.mark.parametrize(("terminated", "value"), [(False, 2.0), (True, 1.0)])
def test_value_of_an_endless_game_cut_by_a_time_limit(name, terminated, value):
    """Reward 1 for ever at discount .5 is worth 2, time limit or not; if each step is the end, 1."""
    learner = agent(name, discount=0.5, learning_rate=1e-2, target_rate=0.1, updates_per_step=1.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        step = transition(learner.team, 1, 4, generator, terminated=terminated)
        learner.observe(step._replace(reward=torch.ones_like(step.reward), truncated=~step.terminated))
        learner.update()
    batch = learner.replay.sample(16, learner.streams)
    q = learner.critic.frozen(torch.cat([batch.x, batch.joint_action], -1))
    assert float(q.mean()) == pytest.approx(value, abs=0.1)


def test_min_of_both_action_values_in_the_policy_loss(monkeypatch):
    check(losses("ma_ac", monkeypatch, policy_q="min")["actor_loss"], -3.0, -6.0)


def test_the_gaussian_constant_is_a_bonus_a_step(monkeypatch):
    learner = agent("vm3ac", team(3, act=4), beta=0.1)
    data = torch.zeros(1, 6, 2)
    dropped = learner.predictor.bonus(data)
    monkeypatch.setattr(learner.predictor, "config", replace(learner.config, log_density="full"))
    # -2 beta / N (N - 1) act / 2 log(2 pi), three walkers with four joints each: -.49
    found = learner.predictor.bonus(data) - dropped
    torch.testing.assert_close(found, torch.full((1, 3, 2), -0.4901006), rtol=0, atol=1e-5)


def test_entropy_coefficient_multiplies_the_entropy(monkeypatch):
    twice = losses("ma_sac", monkeypatch, beta=0.1, entropy_coef=2.0)
    check(twice["value_loss"], 2.1837877**2 / 2, 7.1837877**2 / 2)
    check(twice["actor_loss"], -4.1837877, -6.1837877)
