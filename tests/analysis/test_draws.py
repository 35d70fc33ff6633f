"""What is computed cleverly, held against what is computed plainly on the same resamples."""

from __future__ import annotations

import numpy as np
import pytest
from coordbench.analysis.efficiency import weighted_iqm
from coordbench.analysis.pair_draws import ALL_TASKS, probability_intervals, resample_weights
from coordbench.analysis.rank_tests import probability_better, ranked
from coordbench.analysis.resampling import counts, percentile_interval
from coordbench.analysis.statistics import iqm
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([0.5, 0.9, 0.95, 0.123]), st.booleans())
def test_percentile_intervals_are_numpys_quantiles_bit_by_bit(
    seed: int, repetitions: int, confidence: float, is_single: bool
) -> None:
    samples = np.random.default_rng(seed).normal(size=(repetitions, 3))
    samples = samples.astype(np.float32) if is_single else samples
    tail = (1 - confidence) / 2
    theirs = np.quantile(samples, [tail, 1 - tail], axis=0)
    assert np.array_equal(np.stack(percentile_interval(samples, confidence)), theirs)


def test_an_interval_of_what_is_not_known_is_not_known() -> None:
    low, high = percentile_interval(np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 3.0]]), 0.5)
    assert (low[0], high[0]) == (0.5, 1.5)
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize("sizes", [(3,), (7, 7, 7, 7), (20, 1, 9), (20,) * 15])
def test_interquartile_means_of_counts_are_those_of_the_runs_drawn(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(sizes))
    drawn = np.concatenate([counts(size, 50, rng).T for size in sizes])
    pool = np.round(rng.normal(size=sum(sizes)), 2)  # some are tied
    plain = [iqm(np.repeat(pool, column.astype(int))[:, None]) for column in drawn.T]
    assert weighted_iqm(pool, np.ascontiguousarray(drawn)) == pytest.approx(plain, abs=3e-6)


@pytest.mark.parametrize("tied", [False, True])
def test_resampled_probabilities_are_those_of_the_runs_drawn(tied: bool) -> None:
    rng = np.random.default_rng(4)
    returns = {
        (task, agent): rng.normal(size=size)
        for task in ("one", "two")
        for agent, size in (("a", 5), ("b", 3), ("c", 4))
    }
    if tied:
        returns = {key: np.round(values) for key, values in returns.items()}
    found = probability_intervals(returns, 7, 60, 0.9)
    sums: dict[tuple[str, str], np.ndarray] = {}
    for task in ("one", "two"):
        data = {agent: np.sort(returns[task, agent]) for agent in "abc"}
        weights = resample_weights(data, 7, 60)
        for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
            drawn = np.array(
                [
                    probability_better(*(np.repeat(data[x], weights[x][row].astype(int)) for x in (a, b)))
                    for row in range(60)
                ]
            )
            tail = np.quantile(drawn, [0.05, 0.95])
            assert found[task, a, b] == pytest.approx(tail, abs=1e-6)
            sums[a, b] = sums.get((a, b), 0) + drawn / 2
    for (a, b), mean in sums.items():
        assert found[ALL_TASKS, a, b] == pytest.approx(np.quantile(mean, [0.05, 0.95]), abs=1e-6)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_ranks_tell_the_probability(seed: int, n: int, m: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=n), rng.normal(size=m)
    if tied:
        x, y = np.round(x), np.round(y)
    found = ranked(x, y)
    assert found.probability == probability_better(x, y)
    assert found.is_untied is (len({*x, *y}) == n + m)
