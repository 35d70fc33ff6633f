"""VM3-AC on FOP: what it reduces to, g_i by enumeration, the latent variable, who moves whom."""

import math

import pytest
import torch
from coordbench import agents, envs
from coordbench.agents.distributions.latent import shared_latent
from gradients import constant, moved
from learning import played
from sequences import agent, batch, live, longer, spec

TEAM = spec(n=3, actions=3)


def uniform(learner):
    """Let q give every action that the mask allows the same probability."""
    for part in learner.predictor.parts.values():
        part.flat.detach().zero_()


def stepped(learner, episodes):
    metrics = learner.learn(episodes)
    return metrics, {name: n.flat.detach().clone() for name, n in learner.networks().items()}


def test_without_latent_and_q_it_is_fop_bit_for_bit():
    episodes = batch(TEAM, [3, 5], seeds=2)
    _, expected = stepped(agent("fop", TEAM, seeds=(1, 2)), episodes)
    _, found = stepped(agent("vm3_fop", TEAM, seeds=(1, 2), latent_size=0, q_coef=0.0), episodes)
    assert found.keys() == expected.keys()
    for name, flat in expected.items():
        assert torch.equal(flat, found[name]), name


def test_without_latent_and_with_uniform_q_it_is_fop_with_an_offset():
    learner, fop = agent("vm3_fop", TEAM, latent_size=0, gain_in_soft_value=False), agent("fop", TEAM)
    uniform(learner)
    episodes = batch(TEAM, [3, 5])
    logits = fop.logits(episodes)
    probability, _ = fop.policies(logits.detach(), episodes.mask)
    own, gain = learner.gains(episodes, probability)
    allowed = episodes.mask.sum(-1).float().log()  # (S, K, B, N)
    others = allowed.sum(-1, keepdim=True) - allowed
    weight = 0.5 / 3
    torch.testing.assert_close(own, (-weight * others[..., None]).expand_as(own))
    expected = torch.where(episodes.mask, -weight * (others + 2 * allowed)[..., None], gain)
    torch.testing.assert_close(gain, expected)
    # The policies' gradients are FOP's: an offset that no action moves.
    gradients = []
    for a, extra in ((fop, None), (learner, own)):
        a.actor_loss(episodes, a.logits(episodes), extra)[0].sum().backward()
        gradients.append(torch.cat([a.trunk.flat.grad, a.head.flat.grad]))
    torch.testing.assert_close(*gradients)
    # The targets are FOP's and the next step's offsets, within TD(lambda).
    mine, theirs = learner.targets(episodes, logits, gain), fop.targets(episodes, logits)
    offset = (-weight * (others + 2 * allowed)).sum(-1)
    last = (mine - theirs)[0, 4, 1]
    assert float(last) == pytest.approx(0.99 * float(offset[0, 5, 1]), rel=1e-4)
    before = 0.99 * (float(offset[0, 4, 1]) + 0.8 * float(last))
    assert float((mine - theirs)[0, 3, 1]) == pytest.approx(before, rel=1e-4)


def test_soft_values_count_g():
    counting, fop = agent("vm3_fop", TEAM), agent("vm3_fop", TEAM, gain_in_soft_value=False)
    episodes = batch(TEAM, [3])
    values, gain = torch.randn(2, *episodes.mask.shape, generator=torch.Generator().manual_seed(0))
    expected = 0.5 * torch.logsumexp(((values + gain) / 0.5).masked_fill(~episodes.mask, -torch.inf), -1)
    torch.testing.assert_close(counting.soft_values(values, episodes, gain), expected)
    assert torch.equal(fop.soft_values(values, episodes, gain), fop.soft_values(values, episodes))


def test_g_by_enumeration():
    learner = agent("vm3_fop", TEAM)
    episodes = batch(TEAM, [3, 5])
    q, n = learner.predictor, 3
    p = torch.softmax(torch.randn(episodes.mask.shape, generator=torch.Generator().manual_seed(2)), -1)
    p = p * episodes.mask
    p = p / p.sum(-1, keepdim=True)

    def log_q(i, a_i, j, a_j):
        action = episodes.action.clone()
        action[..., i], action[..., j] = a_i, a_j
        pair = [(s, t) for s in range(n) for t in range(n) if s != t].index((i, j))
        return -q.surprise(episodes.observation, action, episodes.mask)[..., pair].detach()

    to_others, of_own = q.gains(episodes.observation, p, episodes.mask)
    for i, a in ((0, 1), (2, 0)):
        first = sum(p[..., j, b] * log_q(i, a, j, b) for j in range(n) if j != i for b in range(3))
        second = sum(p[..., j, b] * log_q(j, b, i, a) for j in range(n) if j != i for b in range(3))
        torch.testing.assert_close(to_others[..., i, a], first)
        torch.testing.assert_close(of_own[..., i, a], second)
    own, gain = learner.gains(episodes, p)
    torch.testing.assert_close(own, 0.5 / 3 * to_others)
    torch.testing.assert_close(gain, 0.5 / 3 * (to_others + of_own))
    assert torch.equal(*agent("vm3_fop", TEAM, policy_gain="both").gains(episodes, p))


def test_q_is_a_distribution_over_allowed_actions_and_reads_action_and_observations_of_the_pair():
    q, episodes = agent("vm3_fop", TEAM).predictor, batch(TEAM, [3, 5])
    probability = q.table(q.first_layer(episodes.observation), episodes.mask).exp()
    allowed = episodes.mask[..., q.target, None, :].expand_as(probability)
    torch.testing.assert_close((probability * allowed).sum(-1), torch.ones(probability.shape[:-1]))
    moved = episodes.observation.clone()
    moved[..., 2, :] += 1
    changed = (q.table(q.first_layer(moved), episodes.mask).exp() != probability).flatten(4).any(-1)[0, 0, 0]
    pairs = list(zip(q.source.tolist(), q.target.tolist(), strict=True))
    # Where one action alone is allowed nothing can change.
    free = episodes.mask[0, 0, 0].sum(-1) > 1
    assert changed.tolist() == [2 in pair and bool(free[pair[1]]) for pair in pairs]


def test_each_loss_moves_only_what_it_may():
    learner, episodes = agent("vm3_fop", TEAM), batch(TEAM, [3, 5])
    logits = learner.logits(episodes)
    probability, _ = learner.policies(logits.detach(), episodes.mask)
    own, gain = learner.gains(episodes, probability)
    target = learner.targets(episodes, logits, gain)
    assert not any(x.requires_grad for x in (own, gain, target))
    for loss, owner in (
        (learner.prediction_loss(episodes, probability), ("predictor",)),
        (learner.actor_loss(episodes, logits, own)[0], ("trunk", "head")),
        (learner.critic_loss(learner.critics[0], episodes, target, gain)[0], ("critic_1",)),
    ):
        names = moved(learner, loss)
        assert names
        assert all(name.startswith(owner) for name in names), names


def test_the_latent_is_common_to_members_and_other_at_every_step_and_enters_behind_the_recurrence():
    learner = agent("vm3_fop", spec(n=2), latent_size=2)
    constant(learner.head, [0.0, 0.0, 0.0])
    learner.head.parameters[0][..., -2:] = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])  # logits: z
    logits = learner.logits(batch(spec(n=2), [4, 3]))
    assert torch.equal(logits[..., 0, :], logits[..., 1, :])
    assert len(torch.unique(logits[0, :, :, 0, 0])) == 16
    assert not torch.equal(learner.logits(batch(spec(n=2), [4, 3])), logits)  # drawn anew, not stored
    states = learner.states_along(learner.trunk, batch(spec(n=2), [4, 3]))
    assert torch.equal(states, agent("fop", spec(n=2)).states_along(learner.trunk, batch(spec(n=2), [4, 3])))


@pytest.mark.parametrize("mode", ["greedy", "shared_seed", "sampled", "unshared"])
def test_ways_to_fill_the_latent(mode):
    learner = agent("vm3_fop", spec(n=2), latent_size=2, seeds=(3, 4))
    constant(learner.head, [0.0, 0.0, -9.0])
    learner.head.parameters[0][:, :, 0, 0, -2:] = torch.tensor([1.0, 0.0])
    learner.head.parameters[0][:, :, 0, 1, -2:] = torch.tensor([0.0, 1.0])
    start = torch.ones(2, 50, dtype=torch.bool)
    observation = torch.randn(2, 50, 2, 3, generator=torch.Generator().manual_seed(0))
    first, again = (learner.policy(mode, seed=5).act(observation, None, start) for _ in range(2))
    assert torch.equal(first, again)
    if mode == "greedy":
        assert not first.any()
    elif mode == "unshared":
        assert (first[..., 0] != first[..., 1]).any()
    else:
        assert torch.equal(first[..., 0], first[..., 1])
        assert 0 < first.float().mean() < 1
    if mode == "shared_seed":
        z = shared_latent(4 * 2**32 + 5, copy=7, episode=0, step=0, size=2)
        assert int(first[1, 7, 0]) == int(z[1] > z[0])


def test_more_padding_changes_no_bit_of_a_gradient_step():
    episodes = batch(TEAM, [3, 5, 1], seeds=2)
    outcomes = []
    for given in (episodes, longer(episodes)):
        learner = agent("vm3_fop", spec(n=3, actions=3, horizon=15), seeds=(1, 2))
        metrics, flats = stepped(learner, given)
        outcomes.append([*metrics.values(), *flats.values()])
    for mine, theirs in zip(*outcomes, strict=True):
        assert torch.equal(mine, theirs)


def test_diagnosis_tells_a_read_latent_from_one_that_is_not():
    learner = agent("vm3_fop", TEAM, seeds=(0, 1))
    observation = torch.randn(2, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    assert (learner.diagnose(observation)["latent_sd"] > 0.01).all()
    learner.head.parameters[0][..., -8:] = 0
    assert (learner.diagnose(observation)["latent_sd"] < 1e-6).all()
    assert agent("vm3_fop", TEAM, latent_size=0).diagnose(observation) == {}


def test_a_lone_member_has_nothing_to_predict():
    learner = agent("vm3_fop", spec(n=1))
    assert learner.predictor is None
    assert "q" not in learner.optimizers()
    live(learner, rounds=2)


def test_members_learn_to_agree():
    settings = {"hidden": 32, "warm_up": 200, "updates_per_step": 0.1, "batch_size": 16, "discount": 0.5}
    settings |= {
        "learning_rate": 2e-3,
        "critic_learning_rate": 2e-3,
        "optimizer": "adam",
        "target_interval": 25,
    }
    settings |= {"epsilon_steps": 800, "temperature_steps": 800, "temperature_start": 0.1}
    settings |= {"temperature_end": 0.02, "latent_size": 2}
    env = envs.make("coordination_2-v1", num_envs=8, n_actions=4, horizon=10)
    learner = agents.make("vm3_fop", env.team, (0, 1), settings=settings)
    assert played(env, learner, rounds=300).mean() == env.team.horizon
    assert math.isfinite(
        float(learner.diagnose(torch.zeros(2, 1, 2, env.team.observation_size))["latent_sd"][0])
    )
