"""Rank tests and effect sizes against scipy, brute force and numbers worked by hand."""

import math
from itertools import combinations

import numpy as np
import pytest
from coordbench.analysis.rank_tests import holm, probability_better, rank_test, seeds_needed, shift
from scipy import stats


def brute_force(groups: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Two-sided permutation p-value of the sum over tasks of rank sums, over every relabelling."""
    options: list[list[float]] = []
    for x, y in groups:
        ranks = stats.rankdata(np.concatenate([x, y]))
        mean = len(x) * (len(ranks) + 1) / 2
        sums = [sum(chosen) - mean for chosen in combinations(ranks, len(x))]
        options.append([ranks[: len(x)].sum() - mean, *sums])
    totals = np.zeros(1)
    for _, *sums in options:
        totals = np.add.outer(totals, sums).ravel()
    observed = abs(sum(option[0] for option in options))
    return float(np.mean(np.abs(totals) >= observed - 1e-9))


@pytest.mark.parametrize(("n", "m"), [(7, 7), (3, 5), (1, 4), (20, 20), (2, 9)])
def test_one_task_without_ties_is_the_exact_mann_whitney_test(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(0.5, 1, n), rng.normal(0, 1, m)
    theirs = stats.mannwhitneyu(x, y, method="exact")
    assert rank_test([(x, y)]) == pytest.approx(theirs.pvalue, abs=1e-12)
    assert probability_better(x, y) == pytest.approx(theirs.statistic / (n * m), abs=1e-12)


def test_ties_and_several_tasks_are_counted_exactly() -> None:
    tied = (np.array([1.0, 2, 2, 3]), np.array([2.0, 3, 3, 4, 5]))
    other = (np.array([0.0, 5, 7]), np.array([1.0, 2, 2]))
    for groups in ([tied], [other], [tied, other], [other, tied, other]):
        assert rank_test(groups) == pytest.approx(brute_force(groups), abs=1e-12)


def test_seven_against_seven_can_reach_the_level_after_correction() -> None:
    apart = (np.arange(7.0), np.arange(7.0) + 20)
    assert rank_test([apart]) == pytest.approx(2 / 3432)
    assert holm(np.full(28, rank_test([apart]))).max() < 0.05  # all pairs of eight agents
    assert rank_test([(np.ones(7), np.ones(7))]) == 1.0
    assert rank_test([(np.array([1.0]), np.array([2.0]))]) == 1.0


def test_many_runs_are_normal_with_the_variance_of_ties() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, 60).astype(float), rng.integers(1, 6, 50).astype(float)
    theirs = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=False).pvalue
    assert rank_test([(x, y)]) == pytest.approx(theirs, rel=1e-9)


def test_the_shift_is_the_median_difference_with_the_interval_of_the_test() -> None:
    x, y = np.arange(7.0), np.arange(7.0) + 20
    # 7 against 7 at 95 %: the 9th smallest and 9th largest of 49 differences (tables of U: 8)
    differences = np.sort(np.subtract.outer(x, y), axis=None)
    assert shift(x, y, 0.95) == (-20.0, differences[8], differences[-9])
    middle, low, high = shift(np.arange(3.0), np.arange(3.0), 0.95)
    assert middle == 0.0
    assert math.isnan(low)
    assert math.isnan(high)  # 3 against 3: the smallest p is 0.1


def test_the_interval_of_the_shift_covers() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        _, low, high = shift(rng.exponential(1, 7) + 0.3, rng.exponential(1, 7), 0.95)
        hits += low <= 0.3 <= high
    assert 0.93 <= hits / 400 <= 0.985  # exact level of 7 against 7: 0.9622


def test_holm_worked_by_hand() -> None:
    adjusted = holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005]))
    assert adjusted[[0, 1, 3, 4]] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert math.isnan(adjusted[2])
    assert holm(np.array([0.6, 0.9])).max() == 1.0


def test_seeds_needed_is_noethers_number_and_never_too_few_for_the_test() -> None:
    # (1.959964 + 0.841621)^2 / (6 * 0.2^2) = 32.7
    assert seeds_needed(0.7, 1, 1, 0.05) == seeds_needed(0.3, 1, 1, 0.05) == 33
    assert seeds_needed(0.7, 4, 1, 0.05) == 9
    # a perfect separation of n against n has p = 2 / C(2n, n): below .05 / 1000 from n = 9
    assert seeds_needed(1.0, 1, 1000, 0.05) >= 9
    assert seeds_needed(0.5, 1, 1, 0.05) == math.inf
    assert math.isnan(seeds_needed(math.nan, 1, 1, 0.05))


def test_with_the_seeds_needed_the_power_is_about_what_it_says() -> None:
    rng = np.random.default_rng(2)
    chance = 0.75
    effect = math.sqrt(2) * float(stats.norm.ppf(chance))
    n = int(seeds_needed(chance, 1, 1, 0.05))
    found = [rank_test([(rng.normal(effect, 1, n), rng.normal(0, 1, n))]) < 0.05 for _ in range(300)]
    assert 0.7 < np.mean(found) < 0.9
