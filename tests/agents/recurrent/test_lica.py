"""LICA: its critic, targets and losses by hand, the entropy of adaptive weight, on-policy freshness."""

import math

import pytest
import torch
from coordbench import agents, envs
from coordbench.agents.recurrent.lica import JointCritic
from coordbench.agents.streams import Streams
from gradients import constant, moved
from learning import played
from sequences import agent, batch, live, longer, spec

TEAM = spec(n=2, actions=3)


def test_the_critic_by_hand():
    critic = JointCritic(4, 1, 2, 3, Streams((0,))["init"])  # two members of two actions
    # W1: rows are actions, columns the hidden layer. Negative weights stay negative.
    constant(critic.parts["weight_1"], [1.0, -1.0, 2.0, 0.0, -3.0, 1.0, 0.5, 4.0])
    constant(critic.parts["bias_1"], [0.25, -0.5])
    constant(critic.parts["weight_2"], [2.0, -1.0])
    constant(critic.parts["bias_2"], [10.0])
    state = torch.ones(1, 1, 2, 1)
    sure = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # h = relu(1 + .5 + .25, -1 + 4 - .5)
    mixed = torch.tensor([[0.5, 0.5], [1.0, 0.0]])  # h = relu(.5 + 1 - 3 + .25, -.5 + 0 + 1 - .5)
    action = torch.stack([sure, mixed])[None, None]
    expected = torch.tensor([10 + 2 * 1.75 - 2.5, 10.0])
    torch.testing.assert_close(critic(action, state)[0, 0], expected)
    assert torch.equal(critic.frozen(action, state), critic(action, state))


def linear(learner, slopes, target=None):
    """Let a critic be 5 plus the sum of `slopes` (n,) of what each member plays, and its target `target`."""
    for critic, values in ((learner.critic, slopes), (learner.target_critic, target or slopes)):
        width = learner.config.mixing_embedding
        rows = [[v, *[0.0] * (width - 1)] for v in values] * learner.team.n_agents
        constant(critic.parts["weight_1"], [x for row in rows for x in row])
        constant(critic.parts["bias_1"], [0.0] * width)
        constant(critic.parts["weight_2"], [1.0, *[0.0] * (width - 1)])
        constant(critic.parts["bias_2"], [5.0])


def episodes_of(team=TEAM):
    """An episode with a true end and one without, of two steps, rewards 1, action 2 forbidden."""
    episodes = batch(team, [2, 2], terminated=[0])
    mask = torch.tensor([True, True, False]).expand_as(episodes.mask)
    action = torch.zeros_like(episodes.action)
    action[0, 1, :, 0] = 1
    return episodes._replace(mask=mask, reward=episodes.filled * 1.0, action=action)


def test_targets_and_the_critics_loss_by_hand():
    learner = agent("lica", TEAM, discount=0.5, trace=0.8)
    linear(learner, [1.0, 2.0, 0.0], target=[1.0, 3.0, 0.0])
    episodes = episodes_of()
    certain = torch.tensor([0.0, 1.0, 0.0]).expand(episodes.mask.shape)  # the drawn action is 1
    found = learner.targets(episodes, certain)[0, :2]
    played_next, drawn = 5.0 + 3.0 + 1.0, 5.0 + 3.0 + 3.0
    last = [1.0, 1.0 + 0.5 * drawn]
    first = [1.0 + 0.5 * (0.2 * played_next + 0.8 * y) for y in last]
    torch.testing.assert_close(found, torch.tensor([first, last]))
    loss, value = learner.critic_loss(episodes, torch.zeros(1, 8, 2))
    assert float(value) == pytest.approx((7.0 + 8.0) / 2)
    assert float(loss.detach()) == pytest.approx((49.0 + 64.0) / 2)


def test_the_policies_climb_the_critic_at_their_probabilities():
    learner = agent("lica", TEAM)
    linear(learner, [1.0, 2.0, 50.0])
    constant(learner.head, [0.0, math.log(3.0), 9.0])
    episodes = episodes_of()
    losses = learner.actor_loss(episodes, learner.logits(episodes))
    assert float(losses["actor_loss"].detach()) == pytest.approx(-(5.0 + 2 * (0.25 + 1.5)), rel=1e-5)
    assert float(losses["entropy"]) == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75), rel=1e-5)
    losses["actor_loss"].sum().backward()
    slope = learner.head.gradients[1].flatten()  # of softmax: p (value - mean) for both members, negated
    torch.testing.assert_close(slope, 2 * torch.tensor([0.25 * 0.75, -0.75 * 0.25, 0.0]))


@pytest.mark.parametrize("sureness", [0.0, 4.0, 12.0])
def test_the_entropy_term_is_worth_c_and_pushes_the_harder_the_surer_the_policies(sureness):
    learner = agent("lica", TEAM, seeds=(0, 1), entropy_coef=0.06)
    constant(learner.head, [0.0, sureness, 0.0])
    learner.head.parameters[-1][:, 1, :, 1] += 1.0  # the other seed's policies are others
    episodes = batch(TEAM, [2, 4], seeds=2)
    losses = learner.actor_loss(episodes, learner.logits(episodes))
    torch.testing.assert_close(losses["entropy_loss"].detach(), torch.full((2,), -0.06))
    probability = torch.softmax(learner.logits(episodes).masked_fill(~episodes.mask, -torch.inf), -1)
    torch.testing.assert_close(
        losses["entropy"],
        (torch.distributions.Categorical(probability).entropy().mean(-1) * episodes.filled).sum((1, 2)) / 6,
    )
    losses["entropy_loss"].sum().backward()
    adaptive = learner.head.flat.grad.clone()
    learner.head.stepped()
    p = torch.softmax(learner.logits(episodes).masked_fill(~episodes.mask, -torch.inf), -1)
    plain = -(p * torch.where(p > 0, p, 1.0).log()).sum(-1).mean(-1)
    h = (plain * episodes.filled).sum((1, 2)) / 6
    (-0.06 * h / h.detach()).sum().backward()
    torch.testing.assert_close(adaptive, learner.head.flat.grad, rtol=1e-3, atol=1e-7)


def test_policies_without_any_entropy_do_not_break_it():
    learner, episodes = agent("lica", TEAM), episodes_of()
    one = torch.tensor([False, True, False]).expand_as(episodes.mask)
    losses = learner.actor_loss(episodes._replace(mask=one), learner.logits(episodes))
    sum(losses.values()).sum().backward()
    assert torch.isfinite(learner.head.flat.grad).all()
    assert float(losses["entropy"]) == 0


def test_each_loss_moves_only_what_it_may():
    learner, episodes = agent("lica", TEAM), batch(TEAM, [3, 5])
    logits = learner.logits(episodes)
    target = learner.targets(episodes, torch.softmax(logits.detach(), -1))
    assert not target.requires_grad
    for loss, owner, count in (
        (learner.actor_loss(episodes, logits)["actor_loss"], ("trunk", "head"), 2),
        (learner.critic_loss(episodes, target)[0], ("critic",), 4),
    ):
        names = moved(learner, loss)
        assert len(names) == count
        assert all(name.startswith(owner) for name in names), names


def test_more_padding_changes_no_bit_of_a_gradient_step():
    episodes = batch(TEAM, [3, 5], seeds=2)
    outcomes = []
    for given in (episodes, longer(episodes)):
        learner = agent("lica", spec(n=2, actions=3, horizon=8), seeds=(1, 2))
        metrics = learner.learn(given)
        outcomes.append([*metrics.values(), *(n.flat.detach() for n in learner.networks().values())])
    for mine, theirs in zip(*outcomes, strict=True):
        assert torch.equal(mine, theirs)


def test_every_step_is_learned_from_once_and_is_not_older_than_the_last_update(monkeypatch):
    learner, seen, done = agent("lica", spec(horizon=20), seeds=(0, 1), rollout=4), [], []
    method = learner.learn
    monkeypatch.setattr(learner, "learn", lambda given: (seen.append(given), method(given))[1])
    metrics = live(learner, rounds=13, observed=done)
    assert [k for k, m in enumerate(metrics, 1) if m] == [4, 8, 12]
    assert learner.n_updates == len(seen) == 3
    for k, given in enumerate(seen):
        assert (given.filled.sum((1, 2)) == 4 * 2).all()
        for seed in range(2):
            learned = given.reward.transpose(1, 2)[seed][given.filled.transpose(1, 2)[seed] > 0]
            lived = torch.stack([step.reward.mean(-1)[seed] for step in done[4 * k : 4 * k + 4]], 1)
            assert torch.equal(learned, lived.flatten())


def test_targets_follow_in_time_and_acting_has_no_floor():
    learner = agent("lica", spec(horizon=5), rollout=2, target_interval=3)
    assert learner.epsilon == 0.0
    live(learner, rounds=4)
    first = learner.target_critic.parts["weight_1"].flat
    assert not torch.equal(first, learner.critic.parts["weight_1"].flat.detach())
    live(learner, rounds=2)
    for name, part in learner.critic.parts.items():
        assert torch.equal(learner.target_critic.parts[name].flat, part.flat.detach())


def test_the_published_critic_is_as_wide_as_its_weights():
    published = agents.make("lica", TEAM, (0,), preset="published")
    assert published.critic.parts["weight_1"].sizes == (4, 2 * 3 * 64, 2 * 3 * 64)
    assert agents.make("lica", TEAM, (0,)).critic.parts["weight_1"].sizes == (4, 64, 2 * 3 * 64)


def test_members_learn_to_agree():
    settings = {"hidden": 32, "critic_learning_rate": 5e-3, "target_interval": 5, "discount": 0.5}
    settings |= {"rollout": 5, "mixing_embedding": 16, "learning_rate": 5e-3}
    env = envs.make("coordination_2-v1", num_envs=8, n_actions=4, horizon=10)
    learner = agents.make("lica", env.team, (0, 1), settings=settings)
    assert played(env, learner, rounds=450).mean() == env.team.horizon
