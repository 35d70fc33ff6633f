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
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

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


@dataclass(frozen=True)
class Ranked:
    """The runs of two agents on one task, ranked together; ranks are doubled, so that midranks are whole.

    Attributes:
        n: runs of the first agent.
        m: runs of the second.
        excess: rank sum of the first over what is expected if there is no difference.
        variance: of the rank sum if there is none.
        ranks: of all runs, in ascending order.
    """

    n: int
    m: int
    excess: int
    variance: float
    ranks: tuple[int, ...]

    @property
    def probability(self) -> float:
        """How often a run of the first beats one of the second; a tie counts half."""
        return (self.excess + self.n * self.m) / 2 / (self.n * self.m)

    @property
    def is_untied(self) -> bool:
        """Whether no two runs are equal."""
        return len(set(self.ranks)) == len(self.ranks)


def ranked(x: np.ndarray, y: np.ndarray) -> Ranked:
    """Ranks of the runs of two agents, (n,) and (m,)."""
    n, m = len(x), len(y)
    total = n + m
    order = np.sort(np.concatenate([x, y]))
    ranks, own = (np.searchsorted(order, runs) + np.searchsorted(order, runs, "right") for runs in (order, x))
    centred = ranks - total
    variance = n * m / (total * max(total - 1, 1)) * float(centred @ centred)
    return Ranked(n, m, int(own.sum()) - n * total, variance, tuple((ranks + 1).tolist()))


def rank_test(groups: Groups) -> float:
    """Two-sided p-value of the stratified Mann-Whitney test that two agents do equally well.

    Args:
        groups: at least one task, with at least one run of each agent.

    Returns:
        Exact where it can be counted (`EXACT_RUNS`, `EXACT_TASKS`), else normal with the variance of ties.
    """
    return ranked_test([ranked(x, y) for x, y in groups])


def ranked_test(groups: Sequence[Ranked]) -> float:
    """The p-value of `rank_test` of runs that are ranked already."""
    excess = abs(sum(group.excess for group in groups))
    variance = sum(group.variance for group in groups)
    if variance == 0:
        return 1.0
    most = EXACT_RUNS * (3 if all(group.is_untied for group in groups) else 1)
    if max(group.n + group.m for group in groups) > most or len(groups) > EXACT_TASKS:
        return float(2 * special.ndtr(-excess / math.sqrt(variance)))
    sums, odds = _null(tuple(sorted((group.ranks, group.n) for group in groups)))
    return float(min(1.0, odds[np.abs(sums) >= excess - 1e-9].sum()))


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
    half = len(differences) // 2
    middle = float(differences[half] + differences[-half - 1]) / 2
    place = _shift_place(len(x), len(y), confidence)
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
    quantiles = special.ndtri(power) - special.ndtri(level / n_tests / 2)
    effect = abs(probability - 0.5)
    needed = math.inf if effect == 0 else quantiles**2 / (6 * n_tasks * effect**2)
    needed = max(needed, _fewest(n_tasks, level / n_tests))
    return math.inf if needed > MOST_SEEDS else float(math.ceil(needed))


@lru_cache(maxsize=4096)
def _shift_place(n: int, m: int, confidence: float) -> int:
    """Which difference of n and m runs, counted from either end, is an end of the interval; 0: none."""
    if n + m <= 3 * EXACT_RUNS:
        _, odds = _null(((tuple(range(2, 2 * (n + m) + 1, 2)), n),))
        return int(np.searchsorted(np.cumsum(odds), (1 - confidence) / 2, side="right"))
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    return max(0, math.floor(n * m / 2 + special.ndtri((1 - confidence) / 2) * spread))


@lru_cache(maxsize=4096)
def _fewest(n_tasks: int, level: float) -> int:
    """Seeds of each agent with which the test can reach the level at all."""
    fewest = 1
    while 2 * math.comb(2 * fewest, fewest) ** -float(n_tasks) > level:
        fewest += 1
    return fewest


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
