"""MAVEN-AC: what it reduces to, its losses by hand, who moves whom, when z is drawn and what is stored."""

import math

import pytest
import torch
from coordbench.agents import SettingError, check_agent
from coordbench.agents.actor_critics.fresh import Fresh
from coordbench.agents.distributions.categorical import one_hot
from coordbench.agents.distributions.episode_latent import EPISODES, EpisodeLatent, LatentPolicy
from coordbench.agents.memory.replay import Batch
from coordbench.agents.streams import Streams
from tiny import agent, set_outputs, team, transition

SEEDS, COPIES = (0, 1), 4


def live(learner, steps, seed=5):
    """Act and learn; episodes of about six steps. Returns actions (T, S, E, N, act) and starts (T, S, E)."""
    generator = torch.Generator().manual_seed(seed)
    policy, actions, starts = learner.policy("explore"), [], []
    starting = torch.ones(len(learner.seeds), COPIES, dtype=torch.bool)
    for _ in range(steps):
        step = transition(learner.team, len(learner.seeds), COPIES, generator)
        truncated = torch.rand(starting.shape, generator=generator) < 1 / 6
        actions.append(policy.act(step.observation, None, starting))
        starts.append(starting)
        learner.observe(step._replace(action=actions[-1], truncated=truncated))
        learner.update()
        starting = truncated
    return torch.stack(actions), torch.stack(starts)


def flats(learner):
    return {name: network.flat.detach().clone() for name, network in learner.networks().items()}


def sampled(learner, size=16):
    """A batch with z beside x, as `learn` hands it on."""
    batch = learner.replay.sample(size, learner.streams)
    z = one_hot(batch.extra["latent"][..., 0].long(), learner.latent_size)
    return batch._replace(x=torch.cat([batch.x, z], -1), next_x=torch.cat([batch.next_x, z], -1))


@pytest.mark.parametrize("settings", [{"mi_coef": 0.0}, {}, {"latent_policy": "learned"}])
def test_one_latent_value_is_ma_ac_bit_for_bit(settings):
    larger = agent("maven_ac", team(3, act=2), SEEDS, latent_values=1, warm_up=20, **settings)
    smaller = agent("ma_ac", team(3, act=2), SEEDS, warm_up=20)
    acted, expected = live(larger, 60)[0], live(smaller, 60)[0]
    assert torch.equal(acted, expected)
    assert flats(larger).keys() == flats(smaller).keys()
    for name, flat in flats(smaller).items():
        assert torch.equal(flat, flats(larger)[name]), name
    assert larger.diagnose(torch.zeros(2, 4, 3, 3)) == {}


def test_a_latent_variable_and_its_discriminator_make_a_difference():
    def trained(**settings):
        learner = agent("maven_ac", team(3), **settings)
        live(learner, 60)
        return flats(learner)

    plain, without, again = trained(), trained(mi_coef=0.0), trained()
    for name, flat in plain.items():
        assert torch.equal(flat, again[name]), name
        assert not torch.equal(flat, without[name]), name


def test_discriminator_loss_by_hand():
    learner = agent("maven_ac", latent_values=2)
    set_outputs(learner.discriminator, [[0.0, math.log(3)]])  # q_v = 1/4, 3/4
    z = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    found = learner.discriminator_loss(batch_of(z))
    expected = torch.tensor([[(math.log(4) + 2 * math.log(4 / 3)) / 3]])
    torch.testing.assert_close(found.detach(), expected, rtol=0, atol=1e-6)


def batch_of(z):
    """Zeros and z (1, 3, K) for two members of three observations and one action."""
    x = torch.cat([torch.zeros(1, 3, 6), z], -1)
    observation = torch.zeros(1, 2, 3, 3)
    return Batch(
        observation, torch.zeros(1, 3, 2), torch.zeros(1, 2, 3), torch.ones(1, 1, 3), observation, x, x
    )


def test_loss_of_being_recognised_by_hand():
    learner = agent("maven_ac", latent_values=2, mi_coef=0.1)
    network = learner.discriminator
    set_outputs(network, [[0.0, 0.0]])
    first, bias, out, _ = network.parameters  # logits 0 and .5 (a_0 + 2 a_1 + 3)
    first[..., 0, -2:], bias[..., 0], out[..., 1, 0] = torch.tensor([1.0, 2.0]), 3.0, 0.5
    action = torch.tensor([0.5, -0.25]).view(1, 2, 1, 1).repeat(1, 1, 3, 1).requires_grad_()
    fresh = Fresh(action, action[..., 0], action, action.detach().transpose(1, 2).flatten(-2))
    z = torch.tensor([[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]])
    loss = learner.information_loss(batch_of(z), fresh)
    second = 1 / (1 + math.exp(-0.5 * 3.0))  # a_0 + 2 a_1 + 3 = 3
    expected = -0.1 * (2 * math.log(second) + math.log(1 - second)) / 3
    torch.testing.assert_close(loss.detach(), torch.tensor([[expected]]), rtol=0, atol=1e-6)
    loss.sum().backward()
    # d/da_0 of -.1 log q_v / 3: -.1 / 3 * .5 (1 - second) where z is the second, .1 / 3 * .5 second elsewhere
    slope = 0.1 / 3 * 0.5
    down, up = -slope * (1 - second), slope * second
    expected = torch.tensor([[[down, down, up], [2 * down, 2 * down, 2 * up]]])[..., None]
    torch.testing.assert_close(action.grad, expected, rtol=0, atol=1e-7)


def test_each_loss_moves_only_what_it_may():
    learner = agent("maven_ac", team(3, act=2), latent_values=4)
    live(learner, 20)
    batch = sampled(learner)
    owners = {
        "critic_loss": ("critic", 1),
        "value_loss": ("value", 1),
        "actor_loss": ("actor", 1),
        "discriminator_loss": ("discriminator", 0),
        "information_loss": ("actor", 0),
    }
    for loss, (owner, row) in owners.items():
        for network in learner.networks().values():
            network.written = False
            if network.flat.grad is not None:
                network.flat.grad.zero_()
        learner.losses(batch, learner.draw_actions(batch))[loss][:, row].sum().backward()
        for name, network in learner.networks().items():
            if name != "target_value":
                assert bool(network.flat.grad.any()) == (name == owner), (loss, name)
        moved = [bool(g.any()) for g in learner.networks()[owner].gradients[0][0, 0]]
        everybody = loss in ("discriminator_loss", "information_loss")
        assert moved == ([True] * len(moved) if everybody else [False, True, False]), loss


def test_information_reaches_each_member_through_its_own_action_once():
    learner = agent("maven_ac", team(2), latent_values=3, mi_coef=0.5)
    live(learner, 20)
    batch = sampled(learner, 1)
    fresh = learner.draw_actions(batch)
    (found,) = torch.autograd.grad(learner.information_loss(batch, fresh).sum(), fresh.action)
    joint = torch.cat([batch.x[..., :-3], fresh.joint], -1)[0].repeat(2, 1).double()
    numeric = []
    for member in range(2):
        shifted = joint.clone()
        shifted[0, -2 + member] -= 1e-3
        shifted[1, -2 + member] += 1e-3
        q = torch.log_softmax(learner.discriminator.frozen(shifted.float()[None]), -1)[0, 0].double()
        low, high = (q @ batch.x[0, 0, -3:].double()).tolist()
        numeric.append(-0.5 * (high - low) / 2e-3)
    torch.testing.assert_close(found.flatten(), torch.tensor(numeric), rtol=2e-2, atol=1e-4)


def test_z_holds_for_an_episode_and_is_renewed_at_its_start():
    z = EpisodeLatent(Streams(SEEDS), 4)
    generator, values, starts = torch.Generator().manual_seed(0), [], []
    for _ in range(500):
        starts.append(torch.rand(2, COPIES, generator=generator) < 0.2)
        z.begin(starts[-1])
        values.append(z.value)
        assert z.as_input().shape == (2, 1, COPIES, 4)
        assert torch.equal(z.as_input()[:, 0].argmax(-1), z.value)
    values, starts = torch.stack(values), torch.stack(starts)
    changed = values[1:] != values[:-1]
    assert not (changed & ~starts[1:]).any()
    renewed = values[1:][starts[1:]]
    assert abs(float(changed[starts[1:]].float().mean()) - 0.75) < 0.05, "K - 1 of K draws differ"
    assert (torch.bincount(renewed, minlength=4) / len(renewed) - 0.25).abs().max() < 0.05
    assert not torch.equal(values[:, 0], values[:, 1])
    assert not torch.equal(values[:, 0, 0], values[:, 0, 1])


def test_other_episodes_ends_do_not_shift_a_copys_z():
    first, second = EpisodeLatent(Streams((3,)), 16), EpisodeLatent(Streams((3,)), 16)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        starting = torch.rand(1, 3, generator=generator) < 0.3
        other = starting.clone()
        other[:, 1:] = torch.rand(1, 2, generator=generator) < 0.3
        first.begin(starting)
        second.begin(other)
        assert torch.equal(first.value[:, 0], second.value[:, 0])


@pytest.mark.parametrize("latent_policy", ["uniform", "learned"])
def test_the_z_that_acted_is_the_z_that_is_stored_and_learned_from(monkeypatch, latent_policy):
    learner = agent("maven_ac", team(2), SEEDS, latent_values=5, warm_up=40, latent_policy=latent_policy)
    acted, frozen = [], learner.actor.frozen
    monkeypatch.setattr(learner.actor, "frozen", lambda x: acted.append(x[..., -5:]) or frozen(x))
    _, starts = live(learner, 30)
    stored = learner.replay.rows["latent"][:, :120, 0].unflatten(1, (30, COPIES)).transpose(0, 1)
    for step, used in zip(stored[10:], acted, strict=True):  # the first ten steps are the warm-up's
        assert torch.equal(used.argmax(-1), step[:, None].expand(-1, 2, -1).long())
    assert not ((stored[1:] != stored[:-1]) & ~starts[1:]).any()
    assert len(stored.unique()) == 5
    seen, critic_loss = [], learner.critic_loss
    monkeypatch.setattr(learner, "critic_loss", lambda batch: seen.append(batch) or critic_loss(batch))
    learner.learn(learner.replay.sample(16, learner.streams))
    z = one_hot(seen[0].extra["latent"][..., 0].long(), 5)
    assert torch.equal(seen[0].x[..., -5:], z)
    assert torch.equal(seen[0].next_x[..., -5:], z)


def test_experience_of_others_is_refused():
    learner = agent("maven_ac")
    step = transition(learner.team, 1, COPIES, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"MAVENAC learns from .* act with policy\('explore'\)"):
        learner.observe(step)
    learner.policy("explore", seed=3).act(step.observation, None, torch.ones(1, COPIES, dtype=torch.bool))
    with pytest.raises(ValueError, match="made without a seed"):
        learner.observe(step)


@pytest.mark.parametrize("latent_policy", ["uniform", "learned"])
def test_evaluation_draws_one_uniform_z_an_episode(latent_policy):
    learner = agent("maven_ac", team(2), SEEDS, latent_values=4, latent_policy=latent_policy)
    observation, start = torch.ones(2, 100, 2, 3), torch.ones(2, 100, dtype=torch.bool)
    if learner.chooser is not None:  # a policy that always chooses the third
        set_outputs(learner.chooser.network, [[0.0, 0.0, 99.0, 0.0]])
        explorer = learner.policy("explore", seed=0)
        explorer.act(observation, None, start)
        assert (explorer.episode.value == 2).all()

    def play(seed):
        policy = learner.policy("greedy", seed)
        return torch.stack([policy.act(observation, None, s) for s in (start, ~start, ~start, start)])

    acted = play(0)
    assert torch.equal(acted, play(0))
    assert not torch.equal(acted, play(1))
    assert torch.equal(acted[0], acted[1])
    assert torch.equal(acted[0], acted[2])
    assert not torch.equal(acted[0], acted[3])
    kinds, counts = acted[0, 0, :, 0, 0].unique(return_counts=True)
    assert len(kinds) == 4
    assert counts.min() > 10


def test_diagnosis_sees_whether_z_is_used_and_recognised():
    learner = agent("maven_ac", team(2), latent_values=4)
    observation = torch.randn(1, 10, 2, 3, generator=torch.Generator().manual_seed(0))
    assert learner.diagnose(observation)["latent_sd"] > 0
    set_outputs(learner.discriminator, [[0.0, 1.0, 0.0, 0.0]])
    assert learner.diagnose(observation)["discriminator_accuracy"] == pytest.approx(0.25)
    learner.actor.parameters[0][..., 3:] = 0  # the columns of z
    assert learner.diagnose(observation)["latent_sd"] < 1e-7
    state = agent("maven_ac", team(2), critic_input="state")
    assert state.diagnose(observation).keys() == {"latent_sd"}


def test_a_learned_prior_keeps_the_contract():
    lines = check_agent("maven_ac", {"latent_policy": "learned", "latent_values": 3})
    assert any("goes on bit for bit" in line for line in lines)
    assert any("each seed in a stack of 3" in line for line in lines)


def test_prior_loss_by_hand():
    prior = LatentPolicy(Streams((0,)), 2, 2, 25)
    log_p = torch.log(torch.tensor([[[0.25, 0.75], [0.5, 0.5]]]))
    found = prior.loss(log_p, torch.tensor([[1, 0]]), torch.tensor([[2.0, -1.0]]))
    expected = -(2 * math.log(0.75) - math.log(0.5)) + 0.001 * (math.log(0.75) + math.log(0.5))
    torch.testing.assert_close(found, torch.tensor([expected]), rtol=0, atol=1e-6)


def test_prior_keeps_the_last_episodes_with_first_observation_z_and_return():
    prior, generator = LatentPolicy(Streams(SEEDS), 1, 3, 25), torch.Generator().manual_seed(0)
    kept: list[list[tuple[float, int, float]]] = [[], []]
    running = {}
    starting = torch.ones(2, COPIES, dtype=torch.bool)
    z = torch.zeros(2, COPIES, dtype=torch.int64)
    for step in range(400):
        x, reward = torch.full((2, COPIES, 1), float(step)), torch.rand(2, COPIES, generator=generator)
        z = torch.where(starting, torch.randint(0, 3, (2, COPIES), generator=generator), z)
        over = torch.rand(2, COPIES, generator=generator) < 0.4
        prior.observe(x, z, reward, over)
        for s in range(2):
            for e in range(COPIES):
                if starting[s, e]:
                    running[s, e] = (float(step), 0.0)
                first, total = running[s, e]
                running[s, e] = (first, total + float(reward[s, e]))
                if over[s, e]:
                    kept[s].append((first, int(z[s, e]), running[s, e][1]))
        starting = over
    for s in range(2):
        assert len(kept[s]) == prior.n_episodes[s] > EPISODES
        found = zip(
            prior.first[s, :, 0].tolist(), prior.value[s].tolist(), prior.total[s].tolist(), strict=True
        )
        expected = sorted(kept[s][-EPISODES:])
        for mine, theirs in zip(sorted(found), expected, strict=True):
            assert mine == pytest.approx(theirs, abs=1e-4)


def test_prior_learns_which_z_pays_where():
    prior, generator = LatentPolicy(Streams(SEEDS), 1, 3, 1), torch.Generator().manual_seed(0)
    over = torch.ones(2, 16, dtype=torch.bool)
    for _ in range(60):
        x = torch.randint(0, 2, (2, 16, 1), generator=generator) * 2.0 - 1
        z = torch.randint(0, 3, (2, 16), generator=generator)
        prior.observe(x, z, (z == (x[..., 0] > 0)).float(), over)  # z = 1 pays at x = 1, z = 0 at x = -1
        assert prior.is_due
        entropy = prior.train()
        assert not prior.is_due
    p = prior.probabilities(torch.tensor([[[1.0], [-1.0]]] * 2))
    assert (p[:, 0, 1] > 0.8).all()
    assert (p[:, 1, 0] > 0.8).all()
    assert (entropy < math.log(3)).all()


def test_a_prior_without_episodes_stays_as_it_is():
    prior = LatentPolicy(Streams(SEEDS), 1, 3, 1)
    before = prior.network.parameters[0].clone()
    over = torch.tensor([[True], [False]])
    prior.observe(torch.ones(2, 1, 1), torch.zeros(2, 1, dtype=torch.int64), torch.ones(2, 1), over)
    prior.train()
    moved = (prior.network.parameters[0] != before).flatten(2).any(-1)[0]
    assert moved.tolist() == [True, False]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latent_values": 0}, "'latent_values' must be at least 1, not 0"),
        ({"mi_coef": -0.1}, "'mi_coef' must be at least 0, not -0.1"),
        ({"latent_policy": "bandit"}, "'latent_policy' must be one of 'uniform', 'learned'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        agent("maven_ac", **settings)


def test_a_kept_policy_draws_z_from_its_learned_prior():
    settings = {"latent_policy": "learned", "latent_values": 4, "warm_up": 0}
    learner, other = (agent("maven_ac", team(2), (seed,), **settings) for seed in (0, 7))
    learner.chooser.network.parameters[-1][..., 2] = 50.0
    other.load_policy_state(0, learner.policy_state(0))
    policy = other.policy("explore", seed=0)
    policy.act(torch.randn(1, 64, 2, 3), None, torch.ones(1, 64, dtype=torch.bool))
    assert (policy.episode.value == 2).all()
