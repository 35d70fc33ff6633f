"""FOP: its mixture, soft values and losses by hand, who moves whom, the source's forms."""

import math

import pytest
import torch
from coordbench import agents, envs
from coordbench.agents.networks.fop_mixing import FOPMixer, soft_value
from coordbench.agents.recurrent.schedules import policy_probabilities
from coordbench.agents.settings import SettingError
from coordbench.agents.streams import Streams
from gradients import constant, moved
from learning import played
from sequences import agent, batch, live, longer, spec

TEAM = spec(n=2, actions=3)
PUBLISHED = agents.load("fop").config_class.PRESETS["published"]


def simple(learner, q=((1.0, 2.0, 30.0), (1.0, 2.0, 30.0)), target=(0.0, 0.0), logits=(0.0, 0.0, 0.0)):
    """Constant critics, target values of the state alone, policies; lambda = 1 needs |k| = 4."""
    constant(learner.head, logits)
    for critic, values in zip(learner.critics, q, strict=True):
        constant(critic.values, values)
    for critic, value in zip(learner.target_critics, target, strict=True):
        constant(critic.values, [0.0, 0.0, 0.0])
        for name in ("members", "actions"):
            critic.mixer.parts[name].flat.detach().zero_()
        constant(critic.mixer.parts["key"], [4.0, *[0.0] * 3])
        constant(critic.mixer.parts["value"], [value])


def mixture(seeds=(0,), members=2):
    return FOPMixer(members, 3, 4, 5, 4, Streams(seeds)["init"])


def inputs(seeds=1, members=2):
    generator = torch.Generator().manual_seed(1)
    lead = (seeds, 8, 3)
    values, soft = (torch.randn(*lead, members, generator=generator) for _ in range(2))
    state = torch.randn(*lead, 4, generator=generator)
    return values, soft, state, torch.randint(3, (*lead, members), generator=generator)


def test_with_weights_of_one_the_team_value_is_the_sum_and_a_value_of_the_state(monkeypatch):
    mixer, (values, soft, state, action) = mixture(), inputs()
    expected = values.sum(-1) + mixer.parts["value"].frozen(state)[..., 0]
    assert not torch.allclose(mixer.frozen(values, soft, state, action), expected)
    monkeypatch.setattr(mixer, "weights", lambda state, action, apply: torch.ones_like(values))
    assert torch.equal(mixer(values, soft, state, action), expected)


def test_the_mixture_by_hand():
    mixer, (values, soft, state, action) = mixture(), inputs()
    for part in mixer.parts.values():
        part.flat.detach().zero_()
    constant(mixer.parts["key"], [-2.0, 1.0, 0.0, 0.0])
    constant(mixer.parts["value"], [0.25])
    # lambda: (|-2| + |1|) sigmoid(0) sigmoid(0), and of member 1's head 0 sigmoid(log 3) = 3 / 4
    constant(mixer.parts["actions"], [0.0, math.log(3.0), *[0.0] * 6])
    weight = torch.tensor([0.75, 2 * 0.5 * 0.75 + 0.25])
    torch.testing.assert_close(mixer.weights(state, action)[0, 0, 0], weight)
    expected = (values + (weight - 1) * (values - soft)).sum(-1) + 0.25
    torch.testing.assert_close(mixer(values, soft, state, action), expected)


def test_weights_are_positive_read_the_joint_action_and_are_not_seen_by_members_values():
    mixer, (values, soft, state, action) = mixture((0, 1)), inputs(2)
    weights = mixer.weights(state, action)
    assert (weights > 0).all()
    other = action.clone()
    other[..., 1] = (other[..., 1] + 1) % 3
    assert (mixer.weights(state, other)[..., 0] != weights[..., 0]).any()
    values.requires_grad_()
    total = mixer(values, soft.requires_grad_(), state, action)
    total.sum().backward()
    assert torch.equal(values.grad, torch.ones_like(values))  # dQ_tot / dq_i = 1: advantages are stopped
    assert soft.grad is None
    assert all(part.flat.grad.any() for part in mixer.parts.values())


def test_soft_values_count_allowed_actions_only():
    values = torch.tensor([[1.0, 2.0, 30.0], [-1.0, 0.5, 0.25]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    allowed = values.masked_fill(~mask, -torch.inf)
    torch.testing.assert_close(soft_value(values, mask, 0.5), 0.5 * torch.logsumexp(allowed / 0.5, -1))
    torch.testing.assert_close(soft_value(values, None, 0.5), 0.5 * torch.logsumexp(values / 0.5, -1))
    learner, episodes = agent("fop", TEAM), batch(TEAM, [2])
    published = agent("fop", TEAM, soft_value="all")
    episodes = episodes._replace(mask=mask[0].expand_as(episodes.mask))
    q = values[0].expand(*episodes.mask.shape)
    assert float(learner.soft_values(q, episodes).max()) < 3 < float(published.soft_values(q, episodes).min())


def test_the_policies_loss_by_hand():
    learner = agent("fop", TEAM, temperature_start=0.5)
    simple(learner, q=((1.0, 7.0, 30.0), (4.0, 2.0, 30.0)), logits=(0.0, math.log(3.0), 9.0))
    episodes = batch(TEAM, [2, 4])
    mask = torch.tensor([True, True, False]).expand_as(episodes.mask)
    loss, entropy = learner.actor_loss(episodes._replace(mask=mask), learner.logits(episodes))
    h = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert float(loss.detach()) == pytest.approx(-0.5 * h - 0.25 * 1.0 - 0.75 * 2.0, rel=1e-5)
    assert float(entropy) == pytest.approx(h, rel=1e-5)


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_targets_by_hand(where):
    learner = agent("fop", TEAM, temperature_start=0.5, discount=0.5, trace=0.8, entropy_target=where)
    simple(learner, target=(3.0, 5.0))  # the lower one counts
    episodes = batch(TEAM, [2, 2], terminated=[0])
    mask = torch.tensor([True, True, False]).expand_as(episodes.mask)
    episodes = episodes._replace(mask=mask, reward=episodes.filled * 1.0)
    found = learner.targets(episodes, learner.logits(episodes))[0, :2]
    # Of q_i = 0 both actions are as good: v_i = .5 log 2, and lambda = 1 keeps it out of Q_tot.
    surprise = 0.5 * math.log(2.0)  # temperature times -log pi_i
    bonus = 2 * surprise if where == "inside" else 0.0
    ended, cut = 1.0, 1.0 + 0.5 * (bonus + 3.0)
    first = [1.0 + 0.5 * (bonus + 0.2 * 3.0 + 0.8 * last) for last in (ended, cut)]
    expected = torch.tensor([first, [ended, cut]])
    if where == "outside":  # undiscounted, the members' mean, past true ends too
        expected = expected + surprise
    torch.testing.assert_close(found, expected)


def test_the_critics_loss_by_hand():
    learner = agent("fop", TEAM)
    simple(learner)
    critic, episodes = learner.critics[0], batch(TEAM, [2, 3])
    values = critic.values.frozen(learner.critic_inputs(episodes))
    q = values.gather(-1, episodes.action[..., None])[..., 0]
    soft = learner.soft_values(values, episodes)
    total = critic.mixer.frozen(q, soft, episodes.state, episodes.action)
    loss, value = learner.critic_loss(critic, episodes, torch.full_like(total, 2.0))
    steps = [(t, b) for b, n in ((0, 2), (1, 3)) for t in range(n)]
    errors = [float(total[0, t, b]) - 2.0 for t, b in steps]
    assert float(loss.detach()) == pytest.approx(sum(e * e for e in errors) / 5, rel=1e-5)
    assert float(value) == pytest.approx(sum(errors) / 5 + 2.0, rel=1e-5)


def test_each_loss_moves_only_what_it_may():
    learner, episodes = agent("fop", TEAM), batch(TEAM, [3, 5])
    logits = learner.logits(episodes)
    target = learner.targets(episodes, logits)
    assert not target.requires_grad
    for loss, owner in (
        (learner.actor_loss(episodes, logits)[0], ("trunk", "head")),
        (learner.critic_loss(learner.critics[1], episodes, target)[0], ("critic_2",)),
    ):
        names = moved(learner, loss)
        assert names
        assert all(name.startswith(owner) for name in names), names


@pytest.mark.parametrize("settings", [{}, PUBLISHED])
def test_more_padding_changes_no_bit_of_a_gradient_step(settings):
    episodes = batch(TEAM, [3, 5, 1], seeds=2)
    outcomes = []
    for given in (episodes, longer(episodes)):
        learner = agent("fop", spec(n=2, actions=3, horizon=15), seeds=(1, 2), **settings)
        metrics = learner.learn(given)
        outcomes.append([*metrics.values(), *(n.flat.detach() for n in learner.networks().values())])
    for mine, theirs in zip(*outcomes, strict=True):
        assert torch.equal(mine, theirs)


def test_a_gradient_step_moves_all_but_the_targets_which_follow_in_time():
    learner = agent("fop", TEAM, warm_up=0, updates_per_step=0.5, target_interval=4, batch_size=4)
    before = {name: n.flat.detach().clone() for name, n in learner.networks().items()}
    learner.learn(batch(TEAM, [3, 5]))
    moved = {name for name, n in learner.networks().items() if not torch.equal(n.flat, before[name])}
    assert moved == {name for name in before if not name.startswith("target_")}
    live(learner, rounds=6)
    while learner.n_updates == 0 or learner.n_updates % 4:
        live(learner, rounds=1)
    for name, network in learner.networks().items():
        if name.startswith("target_"):
            assert torch.equal(network.flat, learner.networks()[name.removeprefix("target_")].flat.detach())


def test_published_losses_see_the_floored_policy_that_acts(monkeypatch):
    seen = []

    def watched(logits, mask, epsilon=0.0, first=True):
        seen.append((epsilon, first))
        return policy_probabilities(logits, mask, epsilon, first)

    for module in ("fop", "acting"):
        monkeypatch.setattr(f"coordbench.agents.recurrent.{module}.policy_probabilities", watched)
    learner = agent("fop", TEAM, **PUBLISHED)
    live(learner, rounds=1)
    episodes = batch(TEAM, [2])
    learner.actor_loss(episodes, learner.logits(episodes))
    assert [first for _, first in seen] == [False, False]
    assert seen[1][0] == pytest.approx(seen[0][0], abs=1e-3)
    live(agent("fop", TEAM), rounds=1)
    assert seen[2] == (1.0, True)


def test_the_temperature_falls_as_published():
    learner = agent("fop", TEAM)
    for steps in (0, 10_000, 90_000, 300_000):
        learner.n_steps = steps
        assert learner.temperature == pytest.approx(max(0.05, 0.5 - steps / 200_000))
    with pytest.raises(SettingError, match="'temperature_end' must be positive"):
        agents.make("fop", TEAM, (0,), settings={"temperature_end": 0.0})


def test_what_was_learned_acts_again_elsewhere():
    learner = agent("fop", TEAM, seeds=(0, 1), warm_up=0, batch_size=4)
    live(learner, rounds=9)
    other = agent("fop", TEAM, seeds=(1,))
    other.load_policy_state(0, learner.policy_state(1))
    observation = torch.randn(2, 3, 2, 3, generator=torch.Generator().manual_seed(0))
    start = torch.ones(2, 3, dtype=torch.bool)
    both = learner.policy("greedy").act(observation, None, start)
    assert torch.equal(other.policy("greedy").act(observation[1:], None, start[1:]), both[1:])


def test_members_learn_to_agree():
    settings = {"hidden": 32, "warm_up": 200, "updates_per_step": 0.1, "batch_size": 16, "discount": 0.5}
    settings |= {
        "learning_rate": 2e-3,
        "critic_learning_rate": 2e-3,
        "optimizer": "adam",
        "target_interval": 25,
    }
    settings |= {"epsilon_steps": 800, "temperature_steps": 800, "temperature_start": 0.1}
    env = envs.make("coordination_2-v1", num_envs=8, n_actions=4, horizon=10)
    learner = agents.make("fop", env.team, (0, 1), settings=settings | {"temperature_end": 0.02})
    assert played(env, learner, rounds=300).mean() == env.team.horizon
