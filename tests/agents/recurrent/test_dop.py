"""DOP: the weighted sum, both targets and the policies' loss by hand, which episodes teach what."""

import math

import pytest
import torch
from coordbench import agents, envs
from coordbench.agents.networks.dop_mixing import LinearMixer
from coordbench.agents.recurrent.dop import share
from coordbench.agents.recurrent.schedules import policy_probabilities
from coordbench.agents.settings import SettingError
from coordbench.agents.streams import Streams
from gradients import constant, moved
from learning import played
from sequences import agent, batch, live, longer, spec

TEAM = spec(n=2, actions=3)
FEW = {"critic_steps": 2, "on_batch_size": 2, "batch_size": 4, "critic_hidden": 8}


def dop(team=TEAM, seeds=(0,), **settings):
    return agent("dop", team, seeds, **FEW | settings)


def simple(learner, q, target_q, logits=(0.0, 0.0, 0.0)):
    """Constant policies and critics: a value, then advantages."""
    constant(learner.head, logits)
    constant(learner.critic, q)
    constant(learner.target_critic, target_q)


@pytest.mark.parametrize("bias", [False, True])
def test_weights_sum_to_one_and_are_the_slopes_of_the_team_value(bias):
    mixer = LinearMixer(3, 5, 8, bias, Streams((0, 1))["init"])
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 8, 50, 3, generator=generator).requires_grad_()
    state = 3 * torch.randn(2, 8, 50, 5, generator=generator)
    weights = mixer.weights(state)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 8, 50))
    assert (weights > 0).all()
    total = mixer.mixed(values, state, is_trained=True)
    (slope,) = torch.autograd.grad(total.sum(), values)
    torch.testing.assert_close(slope, weights)
    rest = total.detach() - (weights * values.detach()).sum(-1)
    assert (rest.abs().max() > 0.01) == bias
    alike = mixer.mixed(torch.full_like(values, 2.5), state).detach() - rest
    torch.testing.assert_close(alike, torch.full((2, 8, 50), 2.5))  # of equal values it is that value


def test_the_weights_by_hand():
    mixer = LinearMixer(2, 1, 2, False, Streams((0,))["init"])
    constant(mixer.parts["weight_1"], [-1.0, 2.0, 3.0, 0.0])  # member by member
    constant(mixer.parts["weight_2"], [1.0, -0.5])
    weights = mixer.weights(torch.ones(1, 1, 1, 1))[0, 0, 0]
    torch.testing.assert_close(weights, torch.tensor([2.0, 3.0]) / 5)
    mixer.parts["weight_2"].flat.detach().zero_()
    assert torch.isfinite(mixer.weights(torch.ones(1, 1, 1, 1))).all()


def both_ends():
    """Two episodes of two steps, the first with a true end, rewards 1, action 2 forbidden."""
    episodes = batch(TEAM, [2, 2], terminated=[0])
    mask = torch.tensor([True, True, False]).expand_as(episodes.mask)
    action = torch.zeros_like(episodes.action)
    action[0, 1, :, 0] = 1
    return episodes._replace(mask=mask, reward=episodes.filled * 1.0, action=action)


def test_on_policy_targets_by_hand():
    learner = dop(discount=0.5, trace=0.8, epsilon_start=0.0)
    simple(learner, [0.0] * 4, [1.0, 2.0, 6.0, 90.0], (0.0, math.log(3.0), 9.0))
    episodes = both_ends()
    expected = 1 + 0.25 * 2 + 0.75 * 6  # the same of both members, so of the team
    found = learner.on_policy_targets(episodes, learner.policies(episodes))[0, :2]
    last = [1.0, 1.0 + 0.5 * expected]
    first = [1.0 + 0.5 * (0.2 * expected + 0.8 * y) for y in last]
    torch.testing.assert_close(found, torch.tensor([first, last]))


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_tree_backup_by_hand(steps):
    learner = dop(discount=0.5, tree_trace=0.9, tree_steps=steps, epsilon_start=0.0)
    simple(learner, [0.0] * 4, [1.0, 2.0, 6.0, 90.0], (0.0, math.log(3.0), 9.0))
    for name in ("weight_1", "weight_2"):  # k = 1 / 2 each
        constant(learner.target_mixer.parts[name], [1.0] * (8 if name == "weight_1" else 4))
    episodes = both_ends()
    found = learner.off_policy_targets(episodes, learner.policies(episodes))[0, :2]
    expected, low, mixed = 6.0, 3.0, (3.0 + 7.0) / 2  # Q_tot of (0, 0) at t = 0 and of (1, 0) at t = 1
    for b, after in ((0, 0.0), (1, expected)):
        delta = [1.0 + 0.5 * expected - low, 1.0 + 0.5 * after - mixed]
        through = 0.5 * 0.9 * 0.75 * 0.25
        first = low + (steps >= 1) * delta[0] + (steps >= 2) * through * delta[1]
        last = mixed + (steps >= 1) * delta[1]
        torch.testing.assert_close(found[:, b], torch.tensor([first, last]))


def test_the_policies_loss_by_hand():
    learner = dop(epsilon_start=0.3)
    simple(learner, [1.0, 2.0, 6.0, 90.0], [0.0] * 4, (0.0, math.log(3.0), 9.0))
    constant(learner.mixer.parts["weight_1"], [1.0] * 4 + [3.0] * 4)
    constant(learner.mixer.parts["weight_2"], [1.0] * 4)
    episodes = both_ends()
    low, high = 0.7 * 0.25 + 0.15, 0.7 * 0.75 + 0.15
    loss = learner.actor_loss(episodes, learner.policies(episodes))
    mean = 1 + low * 2 + high * 6
    a_low, a_high = 3 - mean, 7 - mean
    # k = 1 / 4 and 3 / 4. Step 0: (low, low), step 1: (high, low).
    total = a_low * math.log(low) + 0.25 * a_high * math.log(high) + 0.75 * a_low * math.log(low)
    assert float(loss.detach()) == pytest.approx(-total / 4, rel=1e-5)


def test_each_loss_moves_only_what_it_may():
    learner, episodes = dop(bias=True), batch(TEAM, [3, 5])
    probability = learner.policies(episodes)
    target = learner.off_policy_targets(episodes, probability.detach())
    assert not target.requires_grad
    for loss, owner in (
        (learner.actor_loss(episodes, probability), ("trunk", "head")),
        (learner.critic_loss(episodes, target), ("critic", "mixer")),
    ):
        names = moved(learner, loss)
        assert all(name.startswith(owner) for name in names), names
        assert len(names) == (2 if owner[0] == "trunk" else 4)


def test_policies_learn_from_the_latest_episodes_and_critics_from_replayed_ones_too(monkeypatch):
    learner = dop(warm_up=0, updates_per_step=0.5, buffer_size=40)
    seen = {"actor_loss": [], "critic_loss": [], "off_policy_targets": []}
    for name, calls in seen.items():
        method = getattr(learner, name)
        monkeypatch.setattr(learner, name, lambda b, *rest, m=method, c=calls: (c.append(b), m(b, *rest))[1])
    live(learner, rounds=25)
    latest, actors = learner.replay.latest(2, 2), seen["actor_loss"]
    assert torch.equal(actors[-1].observation, latest.observation)
    assert len(seen["critic_loss"]) == 4 * len(actors) == 4 * learner.n_updates
    assert seen["critic_loss"][-1].observation.shape[2] == 1  # a half of the replayed ones
    assert seen["off_policy_targets"][-1].observation.shape[2] == 2


def test_shares_of_a_batch_are_all_of_it():
    episodes = batch(TEAM, [1, 2, 3, 4, 5])
    parts = [share(episodes, k, 2) for k in (0, 1)]
    assert [p.filled.shape[2] for p in parts] == [3, 2]
    for k, part in enumerate(parts):
        for name in ("observation", "state", "mask", "action", "reward", "terminated", "filled"):
            assert torch.equal(getattr(part, name), getattr(episodes, name)[:, :, k::2])


def test_more_padding_changes_no_bit_of_a_gradient_step():
    first, second = batch(TEAM, [3, 5], seeds=2), batch(TEAM, [2, 1, 4, 3], seeds=2, terminated=[1])
    outcomes = []
    for latest, replayed in ((first, second), (longer(first), second), (first, longer(second))):
        learner = dop(seeds=(1, 2))
        metrics = learner.learn_from(latest, replayed)
        outcomes.append([*metrics.values(), *(n.flat.detach() for n in learner.networks().values())])
    for other in outcomes[1:]:
        for mine, theirs in zip(outcomes[0], other, strict=True):
            assert torch.equal(mine, theirs)


@pytest.mark.parametrize("mask_first", [True, False])
def test_acting_and_learning_use_the_same_probabilities(mask_first, monkeypatch):
    seen = []

    def watched(logits, mask, epsilon=0.0, first=True):
        seen.append((epsilon, first))
        return policy_probabilities(logits, mask, epsilon, first)

    for module in ("dop", "acting"):
        monkeypatch.setattr(f"coordbench.agents.recurrent.{module}.policy_probabilities", watched)
    learner = dop(mask_first=mask_first)
    live(learner, rounds=1)
    learner.policies(batch(TEAM, [2]))
    assert [first for _, first in seen] == [mask_first, mask_first]
    assert seen[0][0] == 0.5
    assert seen[1][0] == pytest.approx(0.5, abs=1e-4)


def test_settings_out_of_range_are_refused():
    with pytest.raises(SettingError, match="'critic_steps' must be between 1 and 16"):
        agents.make("dop", TEAM, (0,), settings={"critic_steps": 17})


def test_members_learn_to_agree():
    settings = {"hidden": 32, "warm_up": 200, "updates_per_step": 0.05, "discount": 0.5, "critic_hidden": 32}
    settings |= {
        "learning_rate": 3e-3,
        "critic_learning_rate": 3e-3,
        "optimizer": "adam",
        "target_interval": 5,
    }
    settings |= {"epsilon_steps": 2000, "epsilon_start": 0.3, "batch_size": 16}
    env = envs.make("coordination_2-v1", num_envs=8, n_actions=4, horizon=10)
    learner = agents.make("dop", env.team, (0, 1), settings=settings)
    assert played(env, learner, rounds=450).mean() == env.team.horizon
