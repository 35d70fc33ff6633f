"""SI-MOA-AC: what it reduces to, losses and influence by hand, who moves whom, pairs of successive steps."""

import math

import pytest
import torch
from coordbench.agents import SettingError, check_agent
from coordbench.agents.memory.replay import Batch, Replay
from coordbench.agents.streams import Streams
from tiny import agent, set_outputs, team, transition

SEEDS, COPIES = (0, 1), 4


def live(learner, steps, seed=5, change=lambda step: step):
    """Observe synthetic steps, whose episodes end now and then, and learn; returns the metrics."""
    generator, metrics = torch.Generator().manual_seed(seed), []
    for _ in range(steps):
        step = transition(learner.team, len(learner.seeds), COPIES, generator)
        ends = torch.rand(2, len(learner.seeds), COPIES, generator=generator) < 0.1
        learner.observe(change(step._replace(terminated=ends[0], truncated=ends[1] & ~ends[0])))
        metrics.append(learner.update())
    return [m for m in metrics if m]


def flats(learner):
    return {name: network.flat.detach().clone() for name, network in learner.networks().items()}


@pytest.mark.parametrize(("n_agents", "weight"), [(3, 0.0), (1, 0.5)])
def test_without_influence_it_is_ma_ac_bit_for_bit(n_agents, weight):
    spec = team(n_agents, act=2)
    larger = agent("si_moa", spec, SEEDS, influence_coef=weight, influence_warm_up=0)
    smaller = agent("ma_ac", spec, SEEDS)
    found, expected = live(larger, 60), live(smaller, 60)
    assert larger.n_updates == smaller.n_updates > 50
    for name, flat in flats(smaller).items():
        assert torch.equal(flat, flats(larger)[name]), name
    for more, fewer in zip(found, expected, strict=True):
        assert all(torch.equal(values, more[name]) for name, values in fewer.items())
        assert (more.keys() > fewer.keys()) == (n_agents > 1)
    start = torch.ones(2, COPIES, dtype=torch.bool)
    observation = torch.ones(2, COPIES, n_agents, 3)
    acted = [learner.policy("explore").act(observation, None, start) for learner in (larger, smaller)]
    assert torch.equal(*acted)
    assert ("model" in larger.networks()) == (n_agents > 1)


def test_influence_makes_a_difference():
    learners = [agent("si_moa", team(3), influence_coef=w, influence_warm_up=0) for w in (0.0, 0.5)]
    for learner in learners:
        live(learner, 30)
    before, after = (flats(learner) for learner in learners)
    assert not torch.equal(before["critic"], after["critic"])
    assert torch.equal(before["model"], after["model"]), "what others do next does not depend on the reward"


def batch(reward=(1.0, 2.0), bootstrap=(1.0, 1.0, 0.0), has_next=(1.0, 0.0, 1.0)):
    return Batch(
        observation=torch.zeros(1, 2, 3, 3),
        joint_action=torch.tensor([0.5, -0.25]).expand(1, 3, 2),
        reward=torch.tensor(reward).view(1, 2, 1).expand(1, 2, 3),
        bootstrap=torch.tensor(bootstrap).view(1, 1, 3),
        next_observation=None,
        x=torch.zeros(1, 3, 6),
        next_x=torch.zeros(1, 3, 6),
        next_joint_action=torch.tensor([[[0.1, 0.9], [math.nan, 0.0], [0.5, 0.7]]]).nan_to_num(9.0),
        has_next=torch.tensor([has_next]),
    )


def test_moa_loss_by_hand():
    learner = agent("si_moa", moa_variance=0.5)
    predicted = torch.tensor([0.4, -0.5]).view(1, 2, 1, 1).expand(1, 2, 3, 1)  # of member 1 by 0, of 0 by 1
    found = learner.moa_loss(batch(), predicted)
    # member 0: (.9 - .4)^2, (.7 - .4)^2; member 1: (.1 + .5)^2, (.5 + .5)^2; the second step has no next
    expected = torch.tensor([[(0.25 + 0.09) / 2, (0.36 + 1.0) / 2]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert (learner.moa_loss(batch(has_next=(0.0, 0.0, 0.0)), predicted) == 0).all()


def test_the_model_reads_own_action_first_and_predicts_the_others_in_order():
    learner = agent("si_moa", team(3, act=2))
    assert learner.own_first.tolist() == [[0, 1, 2, 3, 4, 5], [2, 3, 0, 1, 4, 5], [4, 5, 0, 1, 2, 3]]
    assert learner.others.tolist() == [[2, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 3]]
    live(learner, 20)
    data = learner.replay.sample(16, learner.streams)
    inputs = learner.model_inputs(data)
    joint = data.joint_action.unflatten(-1, (3, 2))
    assert torch.equal(inputs[0, 1, :, :3], data.observation[0, 1])
    assert torch.equal(inputs[0, 1, :, 3:5], joint[0, :, 1])
    assert torch.equal(inputs[0, 1, :, 5:], joint[0][:, [0, 2]].flatten(1))


@pytest.mark.parametrize("clip", [10.0, 0.127])
def test_influence_by_hand(monkeypatch, clip):
    learner = agent("si_moa", hidden=[1], moa_variance=0.5, counterfactuals=2, influence_clip=clip)
    set_outputs(learner.model, [0.0, 0.0])
    first, bias, out, _ = learner.model.parameters  # m = tanh(w a_i + 2 - 2), w = 1 for member 0, .5 for 1
    first[..., 0, 3], bias[:], out[:] = torch.tensor([1.0, 0.5]), 2.0, 1.0
    learner.model.parameters[-1][:] = -2.0
    tried = torch.tensor([[0.0, 0.25], [0.0, 0.75]]).view(1, 2, 2, 1, 1).expand(1, 2, 2, 3, 1)
    monkeypatch.setattr(learner, "counterfactual_actions", lambda fresh: tried)
    data = batch()
    found = learner.draw_actions(data).influence
    m = math.tanh
    # 2 s^2 = 1; member 0 played .5: m = tanh .5 against tanh 0 and tanh .25; member 1 played -.25
    zero = ((m(0.5) - m(0.0)) ** 2 + (m(0.5) - m(0.25)) ** 2) / 2
    one = ((m(-0.125) - m(0.0)) ** 2 + (m(-0.125) - m(0.375)) ** 2) / 2
    assert one < 0.127 < zero
    # nobody is influenced at the true end, the third step
    expected = torch.tensor([[[min(zero, clip)] * 2 + [0.0], [one] * 2 + [0.0]]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert not found.requires_grad


def test_counterfactual_actions_follow_the_present_policies():
    learner = agent("si_moa", team(2, act=1), counterfactuals=2000)
    set_outputs(learner.actor, [[0.3, math.log(0.2)], [-0.3, math.log(0.1)]])
    tried = learner.counterfactual_actions(learner.draw_actions(batch()))
    assert tried.shape == (1, 2, 2000, 3, 1)
    u = torch.atanh(tried[0, ..., 0].detach())
    torch.testing.assert_close(u.mean((1, 2)), torch.tensor([0.3, -0.3]), rtol=0, atol=0.02)
    torch.testing.assert_close(u.std(1).mean(1), torch.tensor([0.2, 0.1]), rtol=0.05, atol=0)


def test_only_the_own_action_is_replaced(monkeypatch):
    learner = agent("si_moa", team(3, act=2), counterfactuals=4)
    live(learner, 20)
    data = learner.replay.sample(16, learner.streams)
    seen, frozen = [], learner.model.frozen
    monkeypatch.setattr(learner.model, "frozen", lambda x: seen.append(x) or frozen(x))
    learner.draw_actions(data)
    given, original = seen[0].unflatten(2, (4, 16)), learner.model_inputs(data)[:, :, None]
    differs = (given != original).flatten(0, 3).any(0)
    assert differs.tolist() == [False] * 3 + [True] * 2 + [False] * 4
    assert len(given[0, 0, :, 0, 3].unique()) == 4


def test_reward_of_the_critics_only(monkeypatch):
    learner = agent("si_moa", discount=0.5, influence_coef=0.5, influence_warm_up=0)
    set_outputs(learner.critic, [[4.0, 6.0], [4.0, 6.0]])
    set_outputs(learner.target_value, [2.0, 4.0])
    influence = torch.tensor([2.0, 4.0]).view(1, 2, 1).expand(1, 2, 3)
    monkeypatch.setattr(learner, "influence", lambda *given: influence)
    data = batch(bootstrap=(1.0, 1.0, 1.0))
    losses = learner.losses(data, learner.draw_actions(data))
    # targets 1 + .5 * 2 + .5 * 2 = 3 and 2 + .5 * 4 + .5 * 4 = 6: errors 1 and 0, two twins, halved
    found = losses["critic_loss"].detach()
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0]]), rtol=0, atol=1e-6)
    plain = agent("ma_ac", discount=0.5)
    for name, network in plain.networks().items():
        network.load(learner.networks()[name].flat.detach())
    expected = plain.losses(data, plain.draw_actions(data))
    assert torch.equal(expected["value_loss"], losses["value_loss"])
    assert torch.equal(expected["actor_loss"], losses["actor_loss"])
    assert not torch.equal(expected["critic_loss"], losses["critic_loss"])


def test_stored_rewards_and_transitions_stay_what_they_were():
    learner = agent("si_moa", influence_coef=5.0, influence_warm_up=0)
    given = []

    def note(step):
        given.append((step, step.reward.clone()))
        return step

    metrics = live(learner, 30, change=note)
    assert metrics[-1]["influence"] > 0
    for k, (step, reward) in enumerate(given):
        assert torch.equal(step.reward, reward)
        stored = learner.replay.rows["reward"][:, k * COPIES : (k + 1) * COPIES]
        assert torch.equal(stored, reward)
    assert set(learner.replay.rows) == {
        "observation",
        "action",
        "reward",
        "terminated",
        "next_observation",
        "over",
    }


def test_each_loss_moves_only_what_it_may():
    learner = agent("si_moa", team(3, act=2), influence_coef=5.0, influence_warm_up=0)
    live(learner, 20)
    data = learner.replay.sample(16, learner.streams)
    owners = {"critic_loss": "critic", "value_loss": "value", "actor_loss": "actor", "moa_loss": "model"}
    for loss, owner in owners.items():
        for network in learner.networks().values():
            network.written = False
            if network.flat.grad is not None:
                network.flat.grad.zero_()
        learner.losses(data, learner.draw_actions(data))[loss][:, 1].sum().backward()
        for name, network in learner.networks().items():
            if name != "target_value":
                assert bool(network.flat.grad.any()) == (name == owner), (loss, name)
        assert [bool(g.any()) for g in learner.networks()[owner].gradients[0][0, 0]] == [False, True, False]


def test_weight_rises_linearly():
    learner = agent("si_moa", influence_coef=0.4, influence_warm_up=10)
    weights = []
    for chunk in range(20):
        weights.append(learner.influence_weight)
        live(learner, 4, seed=chunk)
    assert learner.n_updates > 60
    assert weights[0] == 0
    assert weights[-1] == 0.4
    assert agent("si_moa", influence_coef=0.4, influence_warm_up=0).influence_weight == 0.4
    learner._n_updates = 5
    assert learner.influence_weight == pytest.approx(0.2)


def test_influence_is_found_where_it_is():
    """Member 1 repeats what member 0 did before; member 0 does anything."""
    learner = agent("si_moa", learning_rate=1e-2, updates_per_step=1.0, influence_coef=0.0, hidden=[16])
    before = [torch.zeros(1, COPIES, 1)]

    def follow(step):
        action = step.action.clone()
        action[:, :, 1] = before[0]
        before[0] = action[:, :, 0]
        return step._replace(action=action, terminated=step.terminated & False)

    live(learner, 100, change=follow)
    data = learner.replay.sample(200, learner.streams)
    follows = data.next_joint_action[..., 1] == data.joint_action[..., 0]
    assert follows[data.has_next > 0].all()
    fresh = learner.draw_actions(data)
    of_leader, of_follower = fresh.influence.mean(-1)[0].tolist()
    assert of_leader > 5 * of_follower
    predicts_follower, predicts_leader = learner.moa_loss(data, fresh.predicted)[0].tolist()
    assert predicts_follower < 0.03, "the leader knows what its action leads to"
    assert predicts_leader > 0.12, "variance of uniform actions, 1/3, over 2"


class Twin:
    """The memory in plain Python: a list of what happened, oldest first."""

    def __init__(self, capacity):
        self.capacity, self.rows = capacity, []

    def add(self, step, t):
        for e in range(step.action.shape[1]):
            over = bool(step.terminated[0, e] | step.truncated[0, e])
            self.rows.append((t, e, step.action[:, e].flatten(1), over))
        self.rows = self.rows[-self.capacity :]

    def followed(self, t, e):
        """The joint action (S, N * act) that follows step t of copy e, or None."""
        over = {(u, f): o for u, f, _, o in self.rows}[t, e]
        return None if over else {(u, f): a for u, f, a, _ in self.rows}.get((t + 1, e))


def steps_of(spec, copies, count):
    generator = torch.Generator().manual_seed(1)
    for t in range(count):
        step = transition(spec, 2, copies, generator)
        ends = (torch.rand(2, 1, copies, generator=generator) < 0.15).expand(2, 2, copies)
        mark = torch.full_like(step.reward, t)  # a step is known by its reward
        yield step._replace(terminated=ends[0], truncated=ends[1], reward=mark)


class InOrder(Streams):
    """Every place of the memory once."""

    def integers(self, name, high, *shape):
        return torch.arange(high).expand(len(self.seeds), high)


def require_equal(memory, twin):
    found = memory.sample(len(memory), InOrder((0, 1)))
    known = {tuple(a[0].tolist()): (t, e) for t, e, a, _ in twin.rows}
    pairs = 0
    for place in range(len(memory)):
        t, e = known[tuple(found.joint_action[0, place].tolist())]
        assert found.reward[0, 0, place] == t
        expected = twin.followed(t, e)
        assert found.has_next[:, place].tolist() == [float(expected is not None)] * 2
        assert torch.isfinite(found.next_joint_action[:, place]).all()
        if expected is not None:
            assert torch.equal(found.next_joint_action[:, place], expected)
            pairs += 1
    return pairs


@pytest.mark.parametrize(
    ("capacity", "copies", "count"),
    [(12, 4, 1), (12, 4, 2), (12, 4, 10), (13, 4, 11), (7, 3, 9), (40, 1, 90)],
)
def test_following_actions_against_a_list(capacity, copies, count):
    spec = team(2)
    memory, twin = Replay(spec, 2, capacity, torch.device("cpu"), following=True), Twin(capacity)
    for rows in memory.rows.values():
        rows.fill_(math.nan)  # what is not written must not be read
    pairs = 0
    for t, step in enumerate(steps_of(spec, copies, count)):
        memory.add(step)
        twin.add(step, t)
        pairs += require_equal(memory, twin)
        if t == count // 2:
            other = Replay(spec, 2, capacity, torch.device("cpu"), following=True)
            other.load_state_dict(memory.state_dict())
            memory = other
    assert pairs > 0 or count == 1
    assert len(memory) == min(capacity, copies * count)


def test_no_pair_crosses_the_end_of_an_episode():
    learner = agent("si_moa", team(2))
    episode = [torch.zeros(1, COPIES)]

    def number(step):
        action = step.action * 0 + episode[0][..., None, None] / 1000
        episode[0] = episode[0] + (step.terminated | step.truncated)
        return step._replace(action=action)

    live(learner, 60, change=number)
    data = learner.replay.sample(500, learner.streams)
    paired = data.has_next > 0
    assert torch.equal(data.next_joint_action[paired], data.joint_action[paired])
    assert 0.6 < paired.float().mean() < 0.9


def test_draws_of_the_memory_do_not_depend_on_what_follows():
    spec = team(2)
    memories = [Replay(spec, 2, 40, torch.device("cpu"), following=following) for following in (False, True)]
    for step in steps_of(spec, 4, 8):
        for memory in memories:
            memory.add(step)
    plain, paired = (memory.sample(16, Streams((0, 1))) for memory in memories)
    assert plain.next_joint_action is None
    assert plain.has_next is None
    for name in ("observation", "joint_action", "reward", "bootstrap", "next_observation", "x", "next_x"):
        assert torch.equal(getattr(plain, name), getattr(paired, name)), name


def test_a_memory_that_pairs_steps_wants_the_same_copies():
    memory = Replay(team(2), 2, 40, torch.device("cpu"), following=True)
    first, second = (next(iter(steps_of(team(2), copies, 1))) for copies in (4, 3))
    memory.add(first)
    with pytest.raises(ValueError, match="memory of 4 copies was given a step of 3"):
        memory.add(second)


def test_shared_parameters_keep_the_contract():
    assert len(check_agent("si_moa", {"share_parameters": True})) == 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"influence_coef": -1.0}, "'influence_coef' must be at least 0, not -1.0"),
        ({"counterfactuals": 0}, "'counterfactuals' must be at least 1, not 0"),
        ({"influence_warm_up": -1}, "'influence_warm_up' must be at least 0, not -1"),
        ({"moa_variance": 0.0}, "'moa_variance' must be positive, not 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        agent("si_moa", **settings)
