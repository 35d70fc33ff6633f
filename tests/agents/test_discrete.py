"""Categorical policies: masks, expectations, the terms in q, and a game that needs agreement."""

import math

import pytest
import torch
from coordbench import agents, envs
from coordbench.agents import Transition
from coordbench.agents.distributions.categorical import (
    chosen,
    distribution_of,
    masked,
    straight_through,
    with_every_own_action,
)
from coordbench.agents.distributions.marginal import mixture_log_probability
from coordbench.benchmarks.training.evaluate import evaluate
from coordbench.envs import TeamSpec
from tiny import SMALL, set_outputs

LEARNERS = ["maddpg", "ma_ac", "ma_sac", "vm3ac"]
N, ACTIONS = 3, 4


def spec(n=N, actions=ACTIONS):
    return TeamSpec("tiny-v1", n, (3,) * n, 4, "discrete", actions, 25, (), "mean over members", {})


def learner_of(name, team=None, seeds=(0,), steps=20, **settings):
    """An agent that has observed random steps of 4 copies."""
    agent = agents.make(name, team or spec(), seeds, settings=SMALL | settings)
    generator = torch.Generator().manual_seed(3)
    for _ in range(steps):
        agent.observe(step_of(agent.team, len(seeds), generator))
    return agent


def step_of(team, n_seeds, generator, copies=4):
    lead = (n_seeds, copies)
    members = (*lead, team.n_agents)
    masks = torch.rand(2, *members, team.action_size, generator=generator) < 0.6
    masks[..., 1] = True
    scores = torch.rand(*members, team.action_size, generator=generator)
    return Transition(
        observation=torch.randn(*members, 3, generator=generator),
        action=masked(scores, masks[0]).argmax(-1),
        reward=torch.randn(*members, generator=generator),
        terminated=torch.zeros(lead, dtype=torch.bool),
        truncated=torch.zeros(lead, dtype=torch.bool),
        next_observation=torch.randn(*members, 3, generator=generator),
        state=torch.randn(*lead, team.state_size, generator=generator),
        next_state=torch.randn(*lead, team.state_size, generator=generator),
        mask=masks[0],
        next_mask=masks[1],
    )


def batch_of(agent):
    return agent.replay.sample(16, agent.streams)


def test_masks_come_before_the_softmax_and_the_entropy():
    logits = torch.tensor([[1.0, 50.0, 2.0]], requires_grad=True)
    allowed = torch.tensor([[True, False, True]])
    probability, log_probability = distribution_of(masked(logits, allowed))
    expected = torch.distributions.Categorical(logits=torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(probability[0, [0, 2]].detach(), expected.probs)
    assert probability[0, 1] == 0
    entropy = -(probability * log_probability).sum()
    assert float(entropy.detach()) == pytest.approx(float(expected.entropy()), abs=1e-6)
    (gradient,) = torch.autograd.grad(entropy, logits)
    assert gradient[0, 1] == 0
    assert gradient.isfinite().all()


def test_choices_follow_the_probabilities_and_never_the_impossible():
    probability = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0])
    uniform = torch.linspace(0, 1, 4001)
    found = chosen(probability.expand(4001, 5), uniform)
    assert set(found.tolist()) == {1, 3}
    assert (found == 1).float().mean() == pytest.approx(0.25, abs=1e-3)
    third = torch.full((7, 3), 1 / 3)
    assert (chosen(third, torch.ones(7)) == 2).all()


def test_straight_through_samples_are_one_hot_with_the_softmax_gradient():
    logits = torch.tensor([0.3, -0.2, 1.0], requires_grad=True)
    noise = torch.tensor([2.0, 0.0, 0.0])
    sample = straight_through(logits, noise)
    assert sample.tolist() == [1.0, 0.0, 0.0]
    weight = torch.tensor([1.0, 2.0, 3.0])
    (gradient,) = torch.autograd.grad((sample * weight).sum(), logits)
    (soft,) = torch.autograd.grad((torch.softmax(logits + noise, -1) * weight).sum(), logits)
    torch.testing.assert_close(gradient, soft)


def test_trying_every_own_action_leaves_the_others_alone():
    joint = torch.arange(2 * 5 * 7, dtype=torch.float32).view(2, 5, 7)
    tried = with_every_own_action(joint, torch.tensor([[1, 2, 3], [4, 5, 6]])).view(2, 2, 3, 5, 7)
    for i, own in enumerate([[1, 2, 3], [4, 5, 6]]):
        others = [c for c in range(7) if c not in own]
        for action in range(3):
            assert torch.equal(tried[:, i, action][..., others], joint[..., others])
            assert torch.equal(tried[:, i, action][..., own], torch.eye(3)[action].expand(2, 5, 3))


def test_action_values_are_expectations_over_the_own_action():
    agent = learner_of("ma_sac")
    batch = batch_of(agent)
    fresh = agent.draw_actions(batch)
    q1, q_min = agent.action_values(batch, fresh)
    joint = torch.cat([batch.x, fresh.joint], -1)
    for i in range(N):
        values, start = [], agent.x_size + i * ACTIONS
        for action in range(ACTIONS):
            tried = joint.clone()
            tried[..., start : start + ACTIONS] = torch.eye(ACTIONS)[action]
            values.append(agent.critic.frozen(tried)[:, :, i, :, 0])
        both = torch.stack(values, -1)  # (twins, S, B, n)
        weight = fresh.probability[:, i]
        torch.testing.assert_close(q1[:, i], (weight * both[0]).sum(-1), rtol=0, atol=1e-5)
        torch.testing.assert_close(q_min[:, i], (weight * both.amin(0)).sum(-1), rtol=0, atol=1e-5)


def test_a_policy_is_moved_by_its_own_loss_alone():
    agent = learner_of("vm3ac")
    batch = batch_of(agent)
    agent.losses(batch, agent.draw_actions(batch))["actor_loss"][:, 1].sum().backward()
    moved = [bool(gradient.any()) for gradient in agent.actor.gradients[0][0, 0]]
    assert moved == [False, True, False]
    assert not agent.critic.flat.grad.any()
    assert not agent.value.flat.grad.any()


def test_losses_of_two_members_with_two_actions(monkeypatch):
    agent = learner_of("vm3ac", spec(2, 2), beta=0.1, q_coef=1.0, discount=0.5)
    set_outputs(agent.actor, [[0.0, 0.0], [math.log(3.0), 0.0]])  # (1/2, 1/2) and (3/4, 1/4)
    set_outputs(agent.value, [1.0, -1.0])
    set_outputs(agent.critic, [[4.0, 6.0], [3.0, 7.0]])
    # q of 1 given 0: (2/3, 1/3); of 0 given 1: (1/2, 1/2)
    set_outputs(agent.predictor.network, [[math.log(2.0), 0.0], [0.0, 0.0]])
    batch = batch_of(agent)
    batch = batch._replace(extra={"mask": torch.ones_like(batch.extra["mask"])})
    monkeypatch.setattr(agent.streams, "uniform", lambda name, *shape, low: torch.zeros(1, *shape))
    fresh = agent.draw_actions(batch)
    assert (fresh.action[..., 0] == 1).all()
    entropy = [math.log(2), -0.75 * math.log(0.75) - 0.25 * math.log(0.25)]
    surprise = [-math.log(2 / 3), math.log(2)]  # of the first actions, which both took
    losses = {name: loss.detach() for name, loss in agent.losses(batch, fresh).items()}
    bonus = 0.1 / 2 * -sum(surprise)
    for i, (value, low, q1) in enumerate([(1.0, 3.0, 4.0), (-1.0, 6.0, 6.0)]):
        target = low + 0.1 * entropy[i] + bonus
        assert float(losses["value_loss"][0, i]) == pytest.approx((value - target) ** 2 / 2, abs=1e-4)
        assert float(losses["actor_loss"][0, i]) == pytest.approx(-q1 - 0.1 * entropy[i], abs=1e-5)
        assert float(losses["prediction_loss"][0, i]) == pytest.approx(surprise[i], abs=1e-5)


@pytest.mark.parametrize(
    ("which", "reached"), [("input", [False, True, False]), ("both", [True, True, False])]
)
def test_terms_of_21_reach_the_policies_they_should(which, reached):
    agent = learner_of("vm3ac", q_gradient=which)
    batch = batch_of(agent)
    fresh = agent.draw_actions(batch)
    pair = 2  # member 1 predicts member 0
    (gradient,) = torch.autograd.grad(fresh.surprise[0, pair].sum(), fresh.probability)
    assert [bool(g.any()) for g in gradient[0]] == reached


def test_the_mixture_over_z_is_averaged_before_the_logarithm():
    logits = torch.randn(1, 2, 5, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.tensor([True, True, False]).expand(1, 2, 7, 3)
    each = torch.softmax(logits.masked_fill(~mask[:, :, None], -torch.inf), -1)
    mixture = each.mean(2)
    expected = (each[:, :, 0] * torch.where(mask, mixture, 1.0).log()).sum(-1)
    found = mixture_log_probability(each[:, :, 0], logits, mask)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_maddpg_targets_take_the_likeliest_allowed_action(monkeypatch):
    agent = learner_of("maddpg", spec(2, 2), discount=0.5)
    set_outputs(agent.target_actor, [[1.0, 0.0], [1.0, 0.0]])
    seen = []
    monkeypatch.setattr(
        agent.target_critic, "frozen", lambda joint: seen.append(joint) or torch.zeros(1, 2, 16, 1)
    )
    batch = batch_of(agent)
    second_only = torch.tensor([False, True, True, True]).expand(1, 16, 4)
    agent.critic_loss(batch._replace(extra={**batch.extra, "next_mask": second_only.float()}))
    assert torch.equal(seen[0][..., -4:], torch.tensor([0.0, 1.0, 1.0, 0.0]).expand(1, 16, 4))


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("warm_up", [0, 10_000])
def test_no_mode_plays_what_is_forbidden(name, warm_up):
    agent = learner_of(name, warm_up=warm_up)
    generator = torch.Generator().manual_seed(1)
    for mode in agent.modes:
        policy = agent.policy(mode, seed=0)
        for _ in range(20):
            step = step_of(agent.team, 1, generator, copies=16)
            action = policy.act(step.observation, step.mask, torch.ones(1, 16, dtype=torch.bool))
            assert action.shape == (1, 16, N)
            assert action.dtype == torch.int64
            assert step.mask.gather(-1, action[..., None]).all(), (name, mode)


@pytest.mark.parametrize("name", LEARNERS)
def test_members_learn_to_agree(name):
    env = envs.make("coordination_2-v1", num_envs=8, n_actions=4)
    settings = {"warm_up": 300, "discount": 0.0, "hidden": [32, 32], "batch_size": 64}
    settings |= {"beta": 0.01} if name in ("ma_sac", "vm3ac") else {}
    agent = agents.make(name, env.team, (0, 1), preset="small", settings=settings)
    policy = agent.policy()
    observation, info = env.reset(seed=0)
    starting = torch.ones(2, 4, dtype=torch.bool)
    mask = torch.ones(2, 4, 2, 4, dtype=torch.bool)
    for _ in range(700):
        now = torch.from_numpy(observation).view(2, 4, 2, -1)
        actions = policy.act(now, mask, starting)
        observation, _, terminated, truncated, info = env.step(actions.flatten(0, 1).numpy())
        starting = torch.from_numpy(terminated | truncated).view(2, 4)
        after = torch.from_numpy(observation).view(2, 4, 2, -1)
        state = now[:, :, 0]
        reward = torch.from_numpy(info["agent_reward"]).view(2, 4, 2).float()
        nothing = torch.zeros_like(starting)
        agent.observe(Transition(now, actions, reward, nothing, starting, after, state, state, mask, mask))
        agent.update()
        if starting.any():
            observation, info = env.reset(options={"reset_mask": starting.flatten().numpy()})
    assert (evaluate(env, agent).returns == env.team.horizon).all()
