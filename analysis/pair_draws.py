"""Intervals of the probability that one agent does better than another, for all pairs of agents at once.

Both agents' runs are resampled within tasks, independently. With the runs in order, what an agent's resample
holds above a run of a rival is one sum of the last of its counts; so a resampled probability is one product
of the rival's counts with such sums, and the sums of an agent serve all its rivals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from .resampling import counts, percentile_interval, stream

ALL_TASKS = "(all)"
"""Stands in the column ``task`` for a comparison over all tasks that both agents have."""

Returns = Mapping[tuple[str, str], np.ndarray]
"""(task, agent) to the returns of its complete runs, (runs,), at least one."""
Key = tuple[str, str, str]


def probability_intervals(
    returns: Returns, seed: int, repetitions: int, confidence: float
) -> dict[Key, tuple[float, float]]:
    """(task, agent, agent) to the interval of the probability that the first does better; ``ALL_TASKS``, too.

    Pairs of which an agent has a single run on a task have none there, nor over all tasks.

    Args:
        returns: those of the agents that are to be compared.
        seed: of the bootstrap.
        repetitions: resamples.
        confidence: level.
    """
    found: dict[Key, tuple[float, float]] = {}
    sums: dict[tuple[str, str], np.ndarray] = {}
    tasks_of: dict[tuple[str, str], int] = defaultdict(int)
    blocked: set[tuple[str, str]] = set()
    for task in sorted({task for task, _ in returns}):
        data = {agent: np.sort(returns[task, agent]) for name, agent in sorted(returns) if name == task}
        weights = {
            agent: np.ascontiguousarray(rows.T)
            for agent, rows in resample_weights(data, seed, repetitions).items()
        }
        names = list(data)
        for place, a in enumerate(names[:-1]):
            above = _above(weights[a])
            for b in names[place + 1 :]:
                drawn = _drawn(data[a], above, data[b], weights[b])
                if min(len(data[a]), len(data[b])) < 2:
                    blocked.add((a, b))
                else:
                    found[task, a, b] = _ends(drawn, confidence)
                sums[a, b] = sums[a, b] + drawn if (a, b) in sums else drawn
                tasks_of[a, b] += 1
    for (a, b), total in sums.items():
        if (a, b) not in blocked:
            found[ALL_TASKS, a, b] = _ends(total / tasks_of[a, b], confidence)
    return found


def resample_weights(data: Mapping[str, np.ndarray], seed: int, repetitions: int) -> dict[str, np.ndarray]:
    """(repetitions, runs) counts of each agent; agents with the same data get other rows of the same."""
    made: dict[bytes, tuple[np.ndarray, int]] = {}
    weights: dict[str, np.ndarray] = {}
    for agent, values in data.items():
        drawn, times = made.get(values.tobytes(), (None, 0))
        if drawn is None:
            drawn = counts(len(values), repetitions, stream(seed, values))
        made[values.tobytes()] = (drawn, times + 1)
        weights[agent] = np.roll(drawn, times, axis=0)
    return weights


def _above(weights: np.ndarray) -> np.ndarray:
    """(runs + 1, repetitions) how many runs of each resample stand at a place of the order or after it.

    Args:
        weights: (runs, repetitions) how often each run is drawn, worst run first.
    """
    none = np.zeros((1, weights.shape[1]), dtype=weights.dtype)
    return np.concatenate([np.cumsum(weights[::-1], axis=0)[::-1], none])


def _drawn(mine: np.ndarray, above: np.ndarray, theirs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(repetitions,) resampled probabilities that the agent with the runs ``mine`` beats the other.

    Args:
        mine: (n,) its runs in order.
        above: (n + 1, repetitions) what `_above` says of its resamples.
        theirs: (m,) the runs of the other in order.
        weights: (m, repetitions) how often each of them is drawn.
    """
    level, beyond = (np.searchsorted(mine, theirs, side) for side in ("left", "right"))
    better = np.take(above, beyond, axis=0, mode="clip")
    if (level < beyond).any():  # a tie counts half
        better += np.take(above, level, axis=0, mode="clip")
        better *= 0.5
    total = np.einsum("jr,jr->r", weights, better)  # whole and half numbers below 2**23: exact
    return total / np.float32(len(mine) * len(theirs))


def _ends(drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    low, high = percentile_interval(drawn, confidence)
    return float(low), float(high)
