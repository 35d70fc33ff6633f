"""MAVEN: one latent value is QMIX, heads under z, being recognised, z in acting and in memory."""

import math

import pytest
import torch
from sequences import agent, batch, live, spec

TEAM = spec(n=2, actions=3)


def latents(*values):
    return {"latent": torch.tensor([[values]], dtype=torch.float32)}


def test_with_one_latent_value_it_is_qmix_bit_for_bit():
    trained = []
    for name, settings in (("maven", {"latent_values": 1}), ("qmix", {})):
        learner = agent(name, TEAM, seeds=(0, 1), warm_up=0, updates_per_step=0.5, batch_size=4, **settings)
        metrics = live(learner, rounds=12)
        trained.append((learner, metrics))
    (maven, first), (qmix, second) = trained
    assert maven.networks().keys() == qmix.networks().keys()
    for name, network in qmix.networks().items():
        assert torch.equal(maven.networks()[name].flat, network.flat), name
    for mine, theirs in zip(first, second, strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[k], theirs[k]) for k in mine)


def test_a_members_values_are_a_matrix_made_from_z_and_itself_times_its_state():
    learner = agent("maven", TEAM, latent_values=4)
    z = torch.tensor([[[3, 0, 2]]])
    hidden = torch.randn(1, 8, 3, 2, 8, generator=torch.Generator().manual_seed(0))
    found = learner.values_under(learner.head.frozen(hidden), z)
    made = learner.head.parameters[0][0, 0, 0].view(4 + 2 + 1, 3, 8)  # of z, of the member, of all
    for b in range(3):
        for i in range(2):
            matrix = made[z[0, 0, b]] + made[4 + i] + made[6]
            torch.testing.assert_close(found[0, :, b, i], hidden[0, :, b, i] @ matrix.T)


def test_the_mixer_and_targets_read_the_stored_z():
    learner = agent("maven", TEAM, latent_values=4)
    episodes = batch(TEAM, [3, 3], extra=latents(3, 1))
    state = learner.mixer_state(episodes)
    assert torch.equal(state[..., :4], episodes.state)
    assert state[0, :, 0, 4:].eq(torch.tensor([0.0, 0, 0, 1])).all()
    others = episodes._replace(extra=latents(0, 1))
    same = learner.target_values(others).eq(learner.target_values(episodes)).all((0, 1, 3, 4))
    assert same.tolist() == [False, True]


def test_the_cross_entropy_by_hand_and_whom_it_moves():
    learner = agent("maven", TEAM, latent_values=2)
    learner.discriminator.flat.detach().zero_()
    learner.discriminator.parameters[-1][:] = torch.tensor([math.log(3.0), 0.0])  # q = (3/4, 1/4)
    episodes = batch(TEAM, [2, 4], extra=latents(0, 1))
    metrics = learner.learn(episodes)
    expected = -(2 * math.log(0.75) + 4 * math.log(0.25)) / 6
    assert float(metrics["discriminator_loss"]) == pytest.approx(expected, rel=1e-5)
    assert float(metrics["discriminator_accuracy"]) == pytest.approx(2 / 6)

    learner = agent("maven", TEAM, latent_values=2)
    log_q = learner.log_q(episodes, learner.action_values(episodes))
    log_q[..., 0].sum().backward()
    for network in (learner.discriminator, learner.head, learner.trunk):
        assert network.flat.grad.any()
    assert not learner.mixer.parts["weight_1"].flat.grad.any()


def test_forbidden_actions_tell_the_discriminator_nothing():
    learner = agent("maven", TEAM, latent_values=2)
    episodes = batch(TEAM, [2], extra=latents(0))
    values = torch.randn(1, 8, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    louder = values.masked_fill(~episodes.mask, 50.0)
    assert torch.equal(learner.log_q(episodes, values), learner.log_q(episodes, louder))


def test_being_recognised_can_be_paid_for(monkeypatch):
    learner = agent("maven", TEAM, latent_values=2, intrinsic_coef=2.0)
    learner.discriminator.flat.detach().zero_()
    learner.discriminator.parameters[-1][:] = torch.tensor([math.log(3.0), 0.0])
    paid, td_loss = [], learner.td_loss
    monkeypatch.setattr(learner, "td_loss", lambda b, v: paid.append(b.reward) or td_loss(b, v))
    episodes = batch(TEAM, [3], extra=latents(0))
    learner.learn(episodes)
    bonus = paid[0] - episodes.reward
    torch.testing.assert_close(bonus, torch.full_like(bonus, 2 * math.log(0.75 / 0.5)))


@pytest.mark.parametrize("latent_policy", ["uniform", "learned"])
def test_z_is_drawn_once_an_episode_and_stored_with_it(latent_policy):
    team = spec(horizon=4)
    learner = agent("maven", team, seeds=(0, 1), latent_values=5, latent_policy=latent_policy, warm_up=4)
    seen = []
    policy = learner.policy("explore")
    assert policy is learner.policy("explore")
    act = policy.act

    def watched(observation, mask, starting):
        action = act(observation, mask, starting)
        seen.append((starting, policy.episode.value))
        return action

    policy.act = watched
    live(learner, rounds=16)
    drawn, present = [], None
    for starting, value in seen:
        if present is not None:
            assert torch.equal(value[~starting], present[~starting])
        present = value
        drawn += value[starting].tolist()
    assert set(drawn) <= set(range(5))
    assert len(set(drawn)) > 2
    kept = learner.replay.latest(4).extra["latent"]
    assert set(kept.flatten().tolist()) <= set(drawn)


def test_it_learns_only_from_its_own_explorer():
    learner = agent("maven", TEAM, latent_values=3)
    other = agent("maven", TEAM, latent_values=3)
    live(other, rounds=2)
    step = None

    def caught(transition):
        nonlocal step
        step = transition

    other.observe = caught
    live(other, rounds=1)
    with pytest.raises(ValueError, match=r"act with policy\('explore'\)"):
        learner.observe(step)


def test_greedy_acting_draws_z_uniformly():
    learner = agent("maven", TEAM, latent_values=4, latent_policy="learned")
    policy = learner.policy("greedy", seed=1)
    copies = 2000
    policy.act(torch.zeros(1, copies, 2, 3), None, torch.ones(1, copies, dtype=torch.bool))
    counts = torch.bincount(policy.episode.value[0], minlength=4) / copies
    assert counts.tolist() == pytest.approx([0.25] * 4, abs=0.05)
