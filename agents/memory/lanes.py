"""Where the rows of replayed episodes go: several episodes one after another in a sequence, little padding.

Side by side more than half of a batch may be padding, since episodes differ in length. How many sequences a
batch has follows from its number of episodes alone: the shapes of a seed's matrix products, and so its bits,
depend on nothing that was sampled, but for the number of blocks of time (`networks/blocks.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..networks.blocks import padded_length

EPISODES_A_LANE = 2
"""How many episodes a sequence holds, on average. More would leave still less padding, but recurrent networks
would go through longer sequences of fewer rows."""


class Layout(NamedTuple):
    """What stands at the rows of a batch's sequences."""

    episode: Tensor  # (S, K, B) int64, number of an episode; 0 at padding
    time: Tensor  # (S, K, B) int64, row of that episode; 0 at padding
    valid: Tensor  # (S, K, B) bool: not padding


def n_lanes(episodes: int, least: int = 1) -> int:
    """Sequences that so many episodes are laid in: `least` or more, but no more than episodes."""
    return min(max(-(-episodes // EPISODES_A_LANE), least), episodes)


def laid_out(rows: Tensor, lanes: int) -> Layout:
    """The longest first, each episode goes to the end of what is then the shortest sequence.

    So no sequence becomes longer than `EPISODES_A_LANE` times the longest episode.

    Args:
        rows: (S, episodes), how many each episode takes; possibly 0.
        lanes: B, sequences a seed: from `n_lanes`.
    """
    seed = torch.arange(len(rows), device=rows.device)
    load = rows.new_zeros(len(rows), lanes)
    lane, first = torch.empty_like(rows), torch.empty_like(rows)
    for episode in rows.sort(dim=1, descending=True, stable=True).indices.T:
        shortest = load.argmin(1)
        lane[seed, episode] = shortest
        first[seed, episode] = load[seed, shortest]
        load[seed, shortest] += rows[seed, episode]
    time = torch.arange(int(rows.max()), device=rows.device)
    seed, episode, time = (time < rows[..., None]).nonzero(as_tuple=True)
    at = seed, first[seed, episode] + time, lane[seed, episode]
    of = rows.new_zeros(2, len(rows), padded_length(max(int(load.max()), 1)), lanes)
    of[0][at], of[1][at] = episode, time
    valid = torch.zeros_like(of[0], dtype=torch.bool)
    valid[at] = True
    return Layout(of[0], of[1], valid)
