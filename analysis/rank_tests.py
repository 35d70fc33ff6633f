"""Comparing two agents: exact rank tests, effect sizes, correction, and how many seeds would settle a pair.

- Test: Mann-Whitney, two-sided. A handful of seeds gives skewed, many-peaked returns, for which a t-test's
  assumptions fail; ranks assume nothing about the shape. With few runs the null distribution is counted
  exactly, ties included (midranks), so the level holds at 7 seeds: the smallest p-value of 7 against 7 is
  2 / 3432. Over several tasks the sums of ranks are added up: an exact stratified test (van Elteren, 1960,
  with equal weights), which compares runs within tasks only.
- Effect sizes: the probability that one does better, ties half (A12 of Vargha and Delaney, 2000; averaged
  over tasks it is rliable's probability of improvement), and the Hodges-Lehmann shift with the interval that
  inverts the test.
- Correction: Holm's, within a family of tests. It holds under any dependence, and pairs share agents.
- Seeds needed: Noether's formula (JASA 1987), never fewer than those with which the test can reach the level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import stats

EXACT_RUNS = 30
"""Up to this many runs of both agents on a task together the null distribution is exact despite ties."""
EXACT_TASKS = 16
"""Up to so many tasks the sum over tasks is exact; beyond it is normal to all digits that matter."""
MOST_SEEDS = 1_000
"""Where more seeds than this would be needed, the pair is as good as equal."""

Groups = Sequence[tuple[np.ndarray, np.ndarray]]
"""Runs of the two agents, (n,) and (m,), task by task."""


def probability_better(x: np.ndarray, y: np.ndarray) -> float:
    """A12: how often a run of ``x``, (n,), beats one of ``y``, (m,); a tie counts half."""
    difference = np.subtract.outer(x, y)
    return float(((difference > 0).sum() + 0.5 * (difference == 0).sum()) / difference.size)


def rank_test(groups: Groups) -> float:
    """Two-sided p-value of the stratified Mann-Whitney test that two agents do equally well.

    Args:
        groups: at least one task, with at least one run of each agent.

    Returns:
        Exact where it can be counted (`EXACT_RUNS`, `EXACT_TASKS`), else normal with the variance of ties.
    """
    excess, variance = 0.0, 0.0  # of twice the rank sums of x over what is expected
    patterns: list[tuple[tuple[int, ...], int]] = []
    for x, y in groups:
        ranks = (2 * stats.rankdata(np.concatenate([x, y]))).astype(int)
        n, total = len(x), len(ranks)
        excess += ranks[:n].sum() - n * (total + 1)
        centred = ranks - (total + 1)
        variance += n * (total - n) / (total * max(total - 1, 1)) * float(centred @ centred)
        patterns.append((tuple(sorted(ranks.tolist())), n))
    if variance == 0:
        return 1.0
    untied = all(len(set(ranks)) == len(ranks) for ranks, _ in patterns)
    small = max(len(ranks) for ranks, _ in patterns) <= EXACT_RUNS * (3 if untied else 1)
    if not small or len(patterns) > EXACT_TASKS:
        return float(2 * stats.norm.sf(abs(excess) / math.sqrt(variance)))
    sums, odds = _null(tuple(sorted(patterns)))
    return float(min(1.0, odds[np.abs(sums) >= abs(excess) - 1e-9].sum()))


def shift(x: np.ndarray, y: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Hodges-Lehmann estimate of how much better ``x`` is than ``y``, with the interval of the rank test.

    Args:
        x: (n,) runs.
        y: (m,) runs.
        confidence: level; the exact interval covers at least that much, where runs are not tied.

    Returns:
        Median of all differences, and the ends of the interval: NaN where too few runs can reach the level.
    """
    differences = np.sort(np.subtract.outer(x, y), axis=None)
    n, m = len(x), len(y)
    if n + m <= 3 * EXACT_RUNS:
        _, odds = _null(((tuple(range(2, 2 * (n + m) + 1, 2)), n),))
        cumulative = np.cumsum(odds)
        place = int(np.searchsorted(cumulative, (1 - confidence) / 2, side="right"))
    else:
        spread = math.sqrt(n * m * (n + m + 1) / 12)
        place = math.floor(n * m / 2 - stats.norm.isf((1 - confidence) / 2) * spread)
    middle = float(np.median(differences))
    if place < 1:
        return middle, math.nan, math.nan
    return middle, float(differences[place - 1]), float(differences[-place])


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values of one family, (k,); NaN stay NaN and do not count."""
    adjusted = np.full(len(p_values), np.nan)
    there = np.flatnonzero(~np.isnan(p_values))
    order = there[np.argsort(p_values[there], kind="stable")]
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def seeds_needed(probability: float, n_tasks: int, n_tests: int, level: float, power: float = 0.8) -> float:
    """Seeds of each agent with which the test would find a difference of this size.

    Args:
        probability: that one agent does better, taken for the truth; from few seeds it is a rough guess.
        n_tasks: tasks over which it is averaged.
        n_tests: size of the family: the level is divided by it, Holm's worst case.
        level: error rate of the family.
        power: probability to find the difference.

    Returns:
        A whole number, infinity above `MOST_SEEDS`, NaN for NaN.
    """
    if math.isnan(probability):
        return math.nan
    quantiles = stats.norm.isf(level / n_tests / 2) + stats.norm.ppf(power)
    effect = abs(probability - 0.5)
    needed = math.inf if effect == 0 else quantiles**2 / (6 * n_tasks * effect**2)
    fewest = 1
    while 2 * math.comb(2 * fewest, fewest) ** -float(n_tasks) > level / n_tests:
        fewest += 1
    needed = max(needed, fewest)
    return math.inf if needed > MOST_SEEDS else float(math.ceil(needed))


@lru_cache(maxsize=4096)
def _null(patterns: tuple[tuple[tuple[int, ...], int], ...]) -> tuple[np.ndarray, np.ndarray]:
    """Null distribution of the sum over tasks of twice the rank sums of n runs, less its mean.

    Args:
        patterns: for each task twice the midranks of all its runs, and n.

    Returns:
        Values in ascending order and their probabilities.
    """
    odds, least = np.ones(1), 0
    for ranks, n in patterns:
        total = len(ranks)
        one = _rank_sums(ranks, n)
        odds, least = np.convolve(odds, one), least - n * (total + 1)
    place = np.flatnonzero(odds)
    return (place + least).astype(float), odds[place]


@lru_cache(maxsize=4096)
def _rank_sums(ranks: tuple[int, ...], n: int) -> np.ndarray:
    """(largest sum + 1,) probability of each sum of ``n`` of the ranks, by counting subsets."""
    ways = np.zeros((n + 1, sum(ranks[-n:]) + 1))
    ways[0, 0] = 1.0
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    return ways[n] / math.comb(len(ranks), n)
