"""VDAC: its losses by hand, the entropy, the policy that acts is the one that learns."""

import math

import pytest
import torch
from coordbench.agents.recurrent.schedules import policy_probabilities
from sequences import agent, batch, live, longer, spec

TEAM = spec(n=2, actions=3)


def set_outputs(learner, logits, value):
    learner.trunk.flat.detach().zero_()
    learner.head.flat.detach().zero_()
    learner.head.parameters[-1][:] = torch.tensor([*logits, value])


def test_losses_by_hand():
    learner = agent("vdac", TEAM, mixer="sum", discount=0.5, trace=0.8, epsilon_start=0.3)
    set_outputs(learner, [0.0, math.log(3.0), 5.0], 1.5)  # V_tot = 3
    episode = batch(TEAM, [2], terminated=[0])
    mask = torch.tensor([True, True, False]).expand_as(episode.mask)
    action = torch.zeros_like(episode.action)
    action[0, 0, 0, 1] = 1
    reward = torch.tensor([1.0, 2.0, *[0.0] * 6]).view(1, 8, 1)
    losses = learner.losses(episode._replace(mask=mask, action=action, reward=reward))
    low, high = 0.7 * 0.25 + 0.15, 0.7 * 0.75 + 0.15
    last = 2.0
    first = 1.0 + 0.5 * (0.2 * 3 + 0.8 * last)
    advantages = [first - 3, last - 3]
    log_p = [[math.log(low), math.log(high)], [math.log(low), math.log(low)]]
    policy = -sum(a * (p + q) for a, (p, q) in zip(advantages, log_p, strict=True)) / 4
    assert float(losses["policy_loss"].detach()) == pytest.approx(policy, rel=1e-5)
    value = sum(a * a for a in advantages) / 2
    assert float(losses["value_loss"].detach()) == pytest.approx(value, rel=1e-5)
    h = -low * math.log(low) - high * math.log(high)
    assert float(losses["entropy"].detach()) == pytest.approx(h, rel=1e-5)


def test_time_limits_bootstrap():
    learner = agent("vdac", TEAM, mixer="sum", discount=0.5)
    set_outputs(learner, [0.0, 0.0, 0.0], 1.5)
    ended, cut = (batch(TEAM, [2], terminated=[0]), batch(TEAM, [2]))
    total = torch.full((1, 8, 1), 3.0)
    difference = learner.returns(cut, total) - learner.returns(ended, total)
    torch.testing.assert_close(difference[0, :2, 0], torch.tensor([0.5 * 0.8 * 1.5, 1.5]))


def test_the_entropy_is_torchs_and_the_published_one_is_not():
    p = torch.tensor([0.97, 0.01, 0.01, 0.01])
    true = agent("vdac").entropy(p)
    torch.testing.assert_close(true, torch.distributions.Categorical(probs=p).entropy())
    assert float(true) == pytest.approx(0.168, abs=1e-3)
    published = agent("vdac", entropy="published").entropy(p)
    assert float(published) == pytest.approx(1.278, abs=1e-3)


@pytest.mark.parametrize("mask_first", [True, False])
def test_acting_and_learning_use_the_same_probabilities(mask_first, monkeypatch):
    learner = agent("vdac", TEAM, mask_first=mask_first)
    learner.n_steps = 30_000
    seen = []

    def watched(logits, mask, epsilon=0.0, first=True):
        seen.append((epsilon, first))
        return policy_probabilities(logits, mask, epsilon, first)

    for module in ("vdac", "acting"):
        monkeypatch.setattr(f"coordbench.agents.recurrent.{module}.policy_probabilities", watched)
    live(learner, rounds=1)
    learner.losses(batch(TEAM, [2]))
    assert len(seen) == 2
    assert seen[0][1] == seen[1][1] == mask_first
    assert seen[0][0] == pytest.approx(0.5 - 0.49 * 0.3)
    assert seen[1][0] == pytest.approx(seen[0][0], abs=1e-4)  # two steps later


def test_the_policy_gradient_does_not_move_values_nor_the_values_loss_logits():
    for loss, moves_logits in (("policy_loss", True), ("value_loss", False)):
        learner = agent("vdac", TEAM)
        learner.losses(batch(TEAM, [3, 2]))[loss].sum().backward()
        gradient = learner.head.gradients[0][0, 0, 0]
        assert bool(gradient[:-1].any()) == moves_logits
        assert bool(gradient[-1].any()) != moves_logits
        assert bool(learner.mixer.parts["weight_1"].flat.grad.any()) != moves_logits
        assert learner.trunk.flat.grad.any()


def test_more_padding_changes_no_bit():
    episodes = batch(TEAM, [3, 5], seeds=2)
    outcomes = []
    for given in (episodes, longer(episodes)):
        learner = agent("vdac", TEAM, seeds=(1, 2))
        metrics = learner.learn(given)
        outcomes.append([*metrics.values(), *(n.flat.detach() for n in learner.networks().values())])
    for mine, theirs in zip(*outcomes, strict=True):
        assert torch.equal(mine, theirs)


def test_it_has_no_targets_and_one_step_a_rollout():
    learner = agent("vdac", spec(horizon=5), rollout=50)  # at most the horizon
    metrics = live(learner, rounds=11)
    assert [k for k, m in enumerate(metrics, 1) if m] == [5, 10]
    assert learner.n_updates == 2
    assert not any("target" in name for name in learner.networks())
