"""Memories of episodes: what they keep, what padding holds, and that on-policy data is used once."""

import pytest
import torch
from coordbench.agents.memory.episodes import EpisodeReplay
from coordbench.agents.memory.fragments import Fragments
from coordbench.agents.recurrent.agent import last_actions
from coordbench.agents.streams import Streams
from sequences import agent, live, spec, steps_of

TEAM = spec(n=2, horizon=4)
CPU = torch.device("cpu")


def told(round_, ends, team=TEAM, copies=2):
    """A step whose numbers say which round and copy it is: 10 round + copy; successors 0.5 more."""
    step = steps_of(team, len(ends), copies, torch.Generator().manual_seed(round_), (ends > 1, ends == 1))
    number = 10.0 * round_ + torch.arange(copies).expand(len(ends), copies)
    wide = number[..., None, None].expand_as(step.observation)
    return step._replace(
        observation=wide,
        next_observation=wide + 0.5,
        state=number[..., None].expand_as(step.state),
        next_state=number[..., None].expand_as(step.state) + 0.5,
        reward=torch.stack([number, number + 2], -1),
        action=torch.full_like(step.action, round_ % 3),
    )


def filled_replay(ends, capacity=8, **options):
    """A memory told rounds 0, 1, ...; `ends` (rounds, S, E): 0 goes on, 1 terminated, 2 truncated."""
    memory = EpisodeReplay(TEAM, len(ends[0]), capacity, CPU, **options)
    for k, row in enumerate(ends):
        memory.add(told(k, torch.tensor(row)), {"latent": torch.full((len(row), 2), float(k))})
    return memory


ENDS = [[[0, 0]], [[1, 0]], [[0, 0]], [[0, 2]], [[2, 0]]]
"""Copy 0: rounds 0-1 terminated, 2-4 truncated; copy 1: rounds 0-3 truncated, then one in progress."""


def test_episodes_are_kept_whole_with_their_true_successors():
    memory = filled_replay(ENDS, extra={"latent": ()})
    newest = memory.latest(4, least_lanes=4)  # the longest first
    assert memory.n_episodes.tolist() == [3]
    assert newest.filled.sum(1).tolist() == [[4.0, 3.0, 2.0, 0.0]]
    first = newest.observation[0, :, 2, 0, 0]
    assert first.tolist() == [0.0, 10.0, 10.5, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert newest.state[0, :5, 0, 0].tolist() == [1.0, 11.0, 21.0, 31.0, 31.5]
    assert newest.reward[0, :3, 1].tolist() == [21.0, 31.0, 41.0]  # the mean over members
    assert newest.terminated[0].sum(0).tolist() == [0.0, 0.0, 1.0, 0.0]
    assert newest.terminated[0, 1, 2] == 1
    assert newest.extra["latent"][0, :3].tolist() == [[3.0, 4.0, 1.0, 0.0]] * 3


def test_padding_is_zero_allows_everything_and_is_never_filled():
    newest = filled_replay(ENDS).latest(4, least_lanes=4)
    rows = torch.arange(8)[:, None] > torch.tensor([4, 3, 2, -1])
    for name in ("observation", "state", "reward", "action", "terminated", "filled"):
        assert not getattr(newest, name)[0][rows].any(), name
    assert newest.mask[0][rows].all()
    assert not newest.mask[0][~rows].all()


def test_members_see_their_own_last_action_and_none_at_the_start():
    newest = filled_replay(ENDS).latest(3, least_lanes=3)
    assert last_actions(newest)[0, :4, 1, 0].tolist() == [-1, 2, 0, 1]


def test_the_ring_forgets_the_oldest_and_sampling_draws_all_that_is_kept():
    memory = filled_replay([[[1, 1]]] * 5, capacity=4)
    drawn = memory.sample(64, Streams((0,)))
    assert set(drawn.observation[0, 0, :, 0, 0].tolist()) == {30.0, 31.0, 40.0, 41.0}


def test_what_a_seed_samples_does_not_depend_on_the_others():
    some, none = [0, 0], [1, 1]
    both = filled_replay([[none, some], [none, some], [none, none]])
    alone = filled_replay([[none], [none], [none]])
    mine, stacked = alone.sample(5, Streams((4,))), both.sample(5, Streams((4, 2)))
    assert torch.equal(mine.observation, stacked.observation[:1])


def test_a_seed_without_an_episode_gets_padding():
    memory = filled_replay([[[1, 1], [0, 0]]])
    drawn = memory.sample(3, Streams((0, 1)))
    assert drawn.filled.sum((1, 2)).tolist() == [3.0, 0.0]
    assert drawn.mask[1].all()
    assert not drawn.observation[1].any()


def test_misuse_is_refused_in_a_line():
    memory = filled_replay([[[0, 0]]] * 4)
    with pytest.raises(ValueError, match="longer than tiny-v1's horizon 4"):
        memory.add(told(4, torch.tensor([[0, 0]])))
    with pytest.raises(ValueError, match="memory of 2 copies was given a step of 3"):
        memory.add(told(4, torch.tensor([[0, 0, 0]]), copies=3))


def fragments_of(ends, steps):
    memory = Fragments(TEAM, len(ends[0]), steps, CPU)
    for k, row in enumerate(ends):
        memory.add(told(k, torch.tensor(row)))
    return memory


def test_fragments_hold_every_step_once_with_ends_and_cuts():
    memory = fragments_of([[[0, 0]], [[1, 0]], [[0, 2]]], steps=3)
    assert memory.is_due
    batch = memory.take()
    assert batch.observation[0, :, 0, 0, 0].tolist() == [0.0, 10.0, 10.5, 20.0, 20.5, 0.0, 0.0, 0.0]
    assert batch.filled[0, :, 0].tolist() == [1, 1, 0, 1, 0, 0, 0, 0]
    assert batch.starting[0, :, 0].tolist() == [True, False, False, True, *[False] * 4]
    assert batch.observation[0, :4, 1, 0, 0].tolist() == [1.0, 11.0, 21.0, 21.5]
    assert batch.filled[0, :, 1].sum() == 3
    assert batch.terminated[0].sum(0).tolist() == [1.0, 0.0]
    assert last_actions(batch)[0, :5, 0, 0].tolist() == [-1, 0, 1, -1, 2]
    assert batch.mask[0, 5:].all()


def test_fragments_go_on_with_the_carried_state_and_forget_what_was_taken():
    memory = fragments_of([[[0, 2]], [[0, 0]]], steps=2)
    carried, before = torch.ones(1, 2, 2, 8), torch.full((1, 2, 2), 2)
    memory.take(carried, before)
    memory.add(told(7, torch.tensor([[0, 0]])))
    memory.add(told(8, torch.tensor([[0, 0]])))
    with pytest.raises(ValueError, match=r"update\(\) must follow after 2 steps"):
        memory.add(told(9, torch.tensor([[0, 0]])))
    batch = memory.take()
    assert batch.carried is carried
    assert batch.observation[0, :3, 0, 0, 0].tolist() == [70.0, 80.0, 80.5]
    assert last_actions(batch)[0, 0].tolist() == [[2, 2], [2, 2]]
    assert not batch.starting.any()


def test_an_on_policy_agent_never_sees_a_step_from_before_its_last_update(monkeypatch):
    learner = agent("vdac", spec(horizon=5), seeds=(0, 1), rollout=3)
    seen, observed = [], []
    learn = learner.learn
    monkeypatch.setattr(learner, "learn", lambda batch: seen.append(batch) or learn(batch))
    live(learner, rounds=12, observed=observed)
    assert len(seen) == 4
    for k, batch in enumerate(seen):
        fresh = torch.cat([step.reward.mean(-1) for step in observed[3 * k : 3 * k + 3]], 1)
        assert batch.filled.sum((1, 2)).tolist() == [6.0, 6.0]
        for s in range(2):
            found = batch.reward[s][batch.filled[s] > 0]
            torch.testing.assert_close(found.sort().values, fresh[s].sort().values)


def test_unrolling_a_fragment_gives_the_states_that_members_acted_with():
    learner = agent("vdac", spec(horizon=5), rollout=4, learning_rate=0.0)
    batches, states = [], []
    learn, explorer = learner.learn, learner.explorer
    learner.learn = lambda batch: batches.append(batch) or learn(batch)
    choose = explorer.choose
    explorer.choose = lambda output, mask: states.append(explorer.hidden) or choose(output, mask)
    live(learner, rounds=12)
    for k, batch in enumerate(batches):
        unrolled = learner.states_along(learner.trunk, batch, frozen=True)
        for b in range(2):
            filled = unrolled[0, :, b][batch.filled[0, :, b] > 0]
            acted = torch.stack([h[0, b] for h in states[4 * k : 4 * k + 4]])
            torch.testing.assert_close(filled, acted)
