"""Who may move whom, what reduces to what, and how the latent variable is drawn."""

import numpy as np
import pytest
import torch
from coordbench.agents.distributions.latent import shared_latent
from tiny import agent, fill, team, transition

MA_AC_REMEDIES = {"log_std_min": -5.0, "exploration_noise": 0.1, "mean_penalty": 0.01}


def flats(learner):
    return {name: network.flat.detach().clone() for name, network in learner.networks().items()}


def trained(name, **settings):
    learner = agent(name, team(3, act=2), seeds=(0, 1), **settings)
    for chunk in range(4):
        fill(learner, 10, seed=chunk)
        learner.update()
    policy = learner.policy("explore")
    action = policy.act(torch.ones(2, 4, 3, 3), None, torch.ones(2, 4, dtype=torch.bool))
    return flats(learner), action


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (("ma_sac", {"beta": 0.0, **MA_AC_REMEDIES}), ("ma_ac", {})),
        (("vm3ac", {"latent_size": 0, "q_coef": 0.0}), ("ma_sac", {})),
        (("vm3ac", {"latent_size": 0, "beta": 0.0, **MA_AC_REMEDIES}), ("ma_ac", {})),
    ],
)
def test_algorithms_nest_bit_for_bit(wide, narrow):
    (larger, acted), (smaller, expected) = trained(wide[0], **wide[1]), trained(narrow[0], **narrow[1])
    for name, flat in smaller.items():
        assert torch.equal(flat, larger[name]), name
    assert torch.equal(acted, expected)


def test_a_latent_or_a_predictor_makes_a_difference():
    plain, _ = trained("ma_sac")
    for settings in ({"latent_size": 0}, {"q_coef": 0.0}):
        assert not torch.equal(trained("vm3ac", **settings)[0]["value"], plain["value"])


@pytest.mark.parametrize("entropy", ["conditional", "marginal"])
def test_each_loss_moves_only_what_it_may(entropy):
    spec = team(3, act=2)
    learner = agent("vm3ac", spec, entropy=entropy)
    fill(learner)
    batch = learner.replay.sample(16, learner.streams)
    owners = {"critic_loss": "critic", "value_loss": "value", "actor_loss": "actor"}
    for loss, owner in owners.items():
        for network in learner.networks().values():
            network.written = False
            if network.flat.grad is not None:
                network.flat.grad.zero_()
        member = 1
        learner.losses(batch, learner.draw_actions(batch))[loss][:, member].sum().backward()
        for name, network in learner.networks().items():
            if network.flat.grad is None:  # a target
                continue
            assert bool(network.flat.grad.any()) == (name == owner), (loss, name)
            for gradient in network.gradients if name == owner else ():
                others = [m for m in range(network.networks) if m != member]
                assert not gradient[:, :, others].any(), f"{loss} of one moves the {name} of another"
                assert gradient[:, :, member].any()


def test_predictor_reaches_a_policy_only_through_its_own_action():
    learner = agent("vm3ac", team(3, act=2))
    fill(learner)
    batch = learner.replay.sample(16, learner.streams)
    fresh = learner.draw_actions(batch)
    pair = 2  # member 1 predicts member 0
    (gradient,) = torch.autograd.grad(fresh.surprise[0, pair].sum(), fresh.action)
    assert gradient[0, 1].any()
    assert not gradient[0, [0, 2]].any()


def test_prediction_loss_moves_its_pair_and_its_source():
    learner = agent("vm3ac", team(3, act=2))
    fill(learner)
    batch = learner.replay.sample(16, learner.streams)
    learner.losses(batch, learner.draw_actions(batch))["prediction_loss"][
        :, 2
    ].sum().backward()  # 1 predicts 0
    assert not learner.value.flat.grad.any()
    assert not learner.critic.flat.grad.any()
    assert [bool(g.any()) for g in learner.predictor.network.gradients[0][0, 0]] == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    assert [bool(g.any()) for g in learner.actor.gradients[0][0, 0]] == [False, True, False]


def test_updates_draw_z_anew_and_give_all_members_the_same(monkeypatch):
    learner = agent("vm3ac", team(3), latent_size=2)
    fill(learner)
    batch = learner.replay.sample(16, learner.streams)
    seen = []
    actor = learner.actor
    monkeypatch.setattr(learner, "actor", lambda inputs: seen.append(inputs[..., -2:]) or actor(inputs))
    learner.draw_actions(batch)
    learner.draw_actions(batch)
    first, second = seen
    assert torch.equal(first[:, 0], first[:, 1])
    assert torch.equal(first[:, 0], first[:, 2])
    assert not torch.equal(first, second)
    assert "latent" not in learner.replay.rows


def test_members_that_run_the_shared_generator_alone_agree_bit_for_bit():
    draws = [
        [shared_latent(7, 0, episode, step, 4) for episode in range(3) for step in range(5)] for _ in range(3)
    ]
    assert np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[0], draws[2])
    assert len(np.unique(np.concatenate(draws[0]))) == 60, "every step has numbers of its own"
    sample = np.stack([shared_latent(1, 0, 0, step, 2) for step in range(4000)])
    assert np.abs(sample.mean(0)).max() < 0.06
    assert np.abs(sample.std(0) - 1).max() < 0.05


def test_execution_modes():
    learner = agent("vm3ac", team(2), seeds=(0, 1), latent_size=3)
    observation, start = torch.ones(2, 4, 2, 3), torch.ones(2, 4, dtype=torch.bool)
    before = learner.streams.state_dict()

    def play(mode, seed=0, steps=3):
        policy = learner.policy(mode, seed)
        return torch.stack([policy.act(observation, None, start if t == 0 else ~start) for t in range(steps)])

    greedy = play("greedy")
    assert torch.equal(greedy[0], greedy[1]), "z = 0 reads no random number"
    for mode in ("shared_seed", "sampled", "unshared"):
        acted = play(mode)
        assert torch.equal(acted, play(mode)), mode
        assert not torch.equal(acted[0], acted[1]), mode
        assert not torch.equal(acted, play(mode, seed=1)), mode
    assert learner.streams.state_dict().keys() == before.keys(), (
        "acting with a seed leaves training's streams alone"
    )
    with pytest.raises(ValueError, match="unknown mode 'mean'"):
        learner.policy("mean")


def test_the_shared_generator_starts_anew_with_each_episode():
    learner = agent("vm3ac", team(2), latent_size=3)
    observation, start = torch.ones(1, 1, 2, 3), torch.ones(1, 1, dtype=torch.bool)
    policy = learner.policy("shared_seed", 0)
    acted = [policy.act(observation, None, s) for s in (start, ~start, start, ~start)]
    expected = [
        shared_latent(policy.latent.keys[0], 0, episode, step, 3) for episode in (0, 1) for step in (0, 1)
    ]
    for action, z in zip(acted, expected, strict=True):
        inputs = torch.cat([torch.ones(1, 2, 1, 3), torch.from_numpy(z).expand(1, 2, 1, 3)], -1)
        mean = torch.tanh(learner.actor.frozen(inputs)[..., :1]).transpose(1, 2)
        torch.testing.assert_close(action, mean.detach(), rtol=0, atol=1e-6)


def test_diagnosis_sees_whether_z_is_used():
    learner = agent("vm3ac", team(2), latent_size=2)
    observation = torch.randn(1, 10, 2, 3, generator=torch.Generator().manual_seed(0))
    assert learner.diagnose(observation)["latent_sd"] > 0
    learner.actor.parameters[0][..., 3:] = 0  # the columns of z
    assert learner.diagnose(observation)["latent_sd"] < 1e-7
    assert learner.diagnose(observation).keys() == {"latent_sd"}


@pytest.mark.parametrize("name", ["maddpg", "ma_sac", "vm3ac"])
def test_critics_read_the_state_if_told_to(name):
    spec = team(2, state=5)
    moved = []
    for scale in (1.0, 2.0):
        learner = agent(name, spec, critic_input="state")
        generator = torch.Generator().manual_seed(0)

        for _ in range(20):
            step = transition(spec, 1, 4, generator)
            learner.observe(step._replace(state=scale * step.state))
        learner.update()
        assert learner.critic.sizes[0] == 5 + 2
        moved.append(flats(learner)["critic"])
    assert not torch.equal(*moved)


def test_schedule_of_gradient_steps():
    learner = agent("ma_ac", warm_up=40, updates_per_step=0.25)
    done = []
    for chunk in range(20):
        fill(learner, 1, copies=4, seed=chunk)
        learner.update()
        done.append(learner.n_updates)
    assert done == [0] * 10 + list(range(1, 11))


def test_replay_keeps_the_newest_transitions():
    learner = agent("maddpg", buffer_size=16, batch_size=16)
    generator = torch.Generator().manual_seed(0)

    for k in range(7):
        step = transition(learner.team, 1, 4, generator)
        learner.observe(step._replace(reward=torch.full_like(step.reward, k)))
    kept = learner.replay.sample(500, learner.streams).reward.unique()
    assert kept.tolist() == [3.0, 4.0, 5.0, 6.0]
    assert len(learner.replay) == 16
