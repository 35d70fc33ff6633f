"""Episodes laid one after another: every row once and in order, short sequences, no seed moved by others."""

import pytest
import torch
from coordbench.agents.memory.lanes import EPISODES_A_LANE, laid_out, n_lanes


def lengths(seeds, episodes, most, seed=0):
    return torch.randint(0, most + 1, (seeds, episodes), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("episodes", "lanes"), [(1, 1), (7, 4), (32, 16), (6, 6)])
def test_every_row_stands_once_behind_the_one_before(episodes, lanes):
    rows = lengths(3, episodes, 20)
    episode, time, valid = laid_out(rows, lanes)
    assert episode.shape == time.shape == valid.shape
    assert valid.shape[1] % 8 == 0
    for s in range(3):
        found = list(zip(episode[s][valid[s]].tolist(), time[s][valid[s]].tolist(), strict=True))
        assert sorted(found) == [(e, t) for e in range(episodes) for t in range(int(rows[s, e]))]
    follows = valid[:, 1:] & (time[:, 1:] > 0)
    assert valid[:, :-1][follows].all()
    assert torch.equal(episode[:, 1:][follows], episode[:, :-1][follows])
    assert torch.equal(time[:, 1:][follows], time[:, :-1][follows] + 1)


def test_sequences_are_short_and_evenly_filled():
    rows = lengths(50, 32, 60) + 1
    _, _, valid = laid_out(rows, n_lanes(32))
    filled = valid.sum(1)
    assert int(filled.max()) <= EPISODES_A_LANE * int(rows.max())
    assert float((filled.float().mean(1) / filled.amax(1)).mean()) > 0.9
    alike = torch.full((1, 32), 61)
    assert int(laid_out(alike, n_lanes(32)).valid.sum(1).max()) == 2 * 61


def test_what_a_seed_gets_does_not_depend_on_the_others():
    rows = torch.cat([lengths(1, 9, 20), lengths(1, 9, 60, seed=1)])
    both, alone = laid_out(rows, 5), laid_out(rows[:1], 5)
    steps = alone.valid.shape[1]
    for mine, all_of_them in zip(alone, both, strict=True):
        assert torch.equal(mine[0], all_of_them[0, :steps])
    assert not both.valid[0, steps:].any()


def test_the_number_of_sequences_follows_from_that_of_episodes():
    assert [n_lanes(e) for e in (1, 2, 3, 32)] == [1, 1, 2, 16]
    assert [n_lanes(6, least) for least in (1, 4, 6, 9)] == [3, 4, 6, 6]
