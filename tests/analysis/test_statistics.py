"""Statistics against matrices worked by hand and against rliable."""

import warnings

import numpy as np
import pytest
from coordbench.analysis import statistics
from coordbench.analysis.statistics import (
    AGGREGATES,
    estimates,
    iqm,
    mean,
    mean_over_seeds,
    median,
    optimality_gap,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rliable import library, metrics  # the import itself is a test of the pins

RLIABLE = {
    "iqm": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "optimality_gap": metrics.aggregate_optimality_gap,
}
NAN = np.nan


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        float,
        st.tuples(st.integers(1, 9), st.integers(1, 6)),
        elements=st.floats(-3, 3, allow_nan=False, width=32),
    )
)
def test_points_agree_with_rliable(scores: np.ndarray) -> None:
    for name, aggregate in AGGREGATES.items():
        assert float(aggregate(scores)) == pytest.approx(RLIABLE[name](scores), abs=1e-12)


def test_aggregates_worked_by_hand() -> None:
    scores = np.array([[0.0, 1.0], [0.2, 3.0], [0.4, 1.2], [1.0, 0.8]])
    # sorted: 0 .2 | .4 .8 1 1 | 1.2 3
    assert float(iqm(scores)) == pytest.approx(3.2 / 4)
    assert float(mean(scores)) == pytest.approx((0.4 + 1.5) / 2)
    assert float(median(scores)) == pytest.approx((0.4 + 1.5) / 2)
    # clipped at 1: 0 .2 .4 1 and 1 1 1 .8
    assert float(optimality_gap(scores)) == pytest.approx(1 - 5.4 / 8)


def test_aggregates_with_missing_runs_worked_by_hand() -> None:
    scores = np.array([[0.0, 1.0, NAN], [0.4, NAN, NAN], [0.8, NAN, 0.1]])
    assert float(mean(scores)) == pytest.approx((0.4 + 1.0 + 0.1) / 3)
    assert float(median(scores)) == pytest.approx(0.4)
    # pooled: 0 | .1 .4 .8 | 1
    assert float(iqm(scores)) == pytest.approx(1.3 / 3)
    assert float(optimality_gap(scores)) == pytest.approx(1 - 2.3 / 5)
    for aggregate in AGGREGATES.values():
        shuffled = scores[[2, 0, 1]]
        without_empty_task = np.concatenate([scores, np.full((3, 1), NAN)], axis=1)
        assert float(aggregate(shuffled)) == pytest.approx(float(aggregate(scores)), abs=1e-15)
        assert float(aggregate(without_empty_task)) == pytest.approx(float(aggregate(scores)), abs=1e-15)


def test_scores_outside_0_and_1_are_not_clipped() -> None:
    assert float(mean(np.array([[-2.0], [4.0]]))) == 1.0
    assert float(iqm(np.array([[-2.0], [-1.0]]))) == -1.5


def test_no_runs_give_no_numbers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimates(np.full((3, 2), NAN), AGGREGATES, rng(), 10)
    for estimate in found.values():
        assert np.isnan([estimate.point, estimate.low, estimate.high]).all()


def test_aggregates_take_leading_axes() -> None:
    batch = rng().normal(size=(4, 5, 3))
    for aggregate in AGGREGATES.values():
        together = aggregate(batch)
        assert together.shape == (4,)
        np.testing.assert_allclose(together, [float(aggregate(one)) for one in batch], atol=1e-15)


@pytest.mark.parametrize("shape", [(7, 4), (3, 1)])
def test_intervals_agree_with_rliable_within_monte_carlo_error(shape: tuple[int, int]) -> None:
    scores = rng(3).normal(0.5, 0.3, shape)
    ours = estimates(scores, AGGREGATES, rng(), 40_000)
    np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator and ignores its own
    _, theirs = library.get_interval_estimates(
        {"agent": scores}, lambda one: np.array([RLIABLE[name](one) for name in AGGREGATES]), reps=3_000
    )
    for place, (name, estimate) in enumerate(ours.items()):
        low, high = theirs["agent"][:, place]
        # the sd of a 2.5 % quantile of 3000 draws is about sd * sqrt(.025 * .975 / 3000) / .058 = .05 sd;
        # an interval is about 4 sd wide
        tolerance = 4 * 0.05 * (high - low) / 4
        assert estimate.low == pytest.approx(low, abs=tolerance), name
        assert estimate.high == pytest.approx(high, abs=tolerance), name


def test_bootstrap_of_two_runs_has_the_exact_distribution() -> None:
    # the mean of two draws from {0, 1} is 0, .5, 1 with probability 1/4, 1/2, 1/4
    scores = np.array([[0.0], [1.0]])
    assert mean_over_seeds(scores[:, 0], rng(), 20_000, confidence=0.45) == statistics.Estimate(0.5, 0.5, 0.5)
    assert mean_over_seeds(scores[:, 0], rng(), 20_000, confidence=0.55) == statistics.Estimate(0.5, 0.0, 1.0)


def test_runs_are_resampled_within_tasks_only() -> None:
    # constant within tasks, far apart between tasks: a stratified bootstrap has nothing to vary
    found = estimates(np.tile([0.0, 10.0], (5, 1)), AGGREGATES, rng(), 500)
    for estimate in found.values():
        assert estimate.low == estimate.point == estimate.high


def test_missing_runs_are_not_resampled() -> None:
    full = np.array([[0.0, 5.0], [1.0, 6.0], [2.0, 7.0]])
    holes = np.concatenate([full, [[NAN, 5.5]], [[NAN, 6.5]]])
    found = estimates(holes, {"mean": mean}, rng(), 30_000)["mean"]
    # sd of the mean of task means: sqrt(var0 / 3 + var1 / 5) / 2 with population variances 2/3 and 1/2
    assert found.point == pytest.approx((1.0 + 6.0) / 2)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(np.sqrt(2 / 9 + 1 / 10) / 2, rel=0.05)


def test_a_single_run_has_no_interval() -> None:
    one = mean_over_seeds(np.array([0.3]), rng(), 100)
    assert one.point == 0.3
    assert np.isnan(one.low)
    assert np.isnan(one.high)
    one_task_has_one_run = np.array([[0.1, 0.5], [0.2, NAN]])
    found = estimates(one_task_has_one_run, {"iqm": iqm}, rng(), 100)["iqm"]
    assert found.point == pytest.approx(0.8 / 3)
    assert np.isnan(found.low)


def test_the_seed_decides_the_interval() -> None:
    scores = rng(5).normal(size=(6, 3))
    first = estimates(scores, AGGREGATES, rng(1), 300)
    assert estimates(scores, AGGREGATES, rng(1), 300) == first
    assert estimates(scores, AGGREGATES, rng(2), 300) != first


def test_chunks_cover_all_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(scores: np.ndarray) -> np.ndarray:
        sizes.append(len(scores))
        return mean(scores)

    monkeypatch.setattr(statistics, "_CHUNK_NUMBERS", 60)
    scores = rng(5).normal(size=(6, 2))
    found = estimates(scores, {"mean": counted}, rng(), 17)["mean"]
    assert sizes == [1, 5, 5, 5, 2]
    assert found.low < found.point < found.high


@pytest.mark.parametrize(
    ("scores", "repetitions", "confidence"),
    [(np.zeros(3), 10, 0.95), (np.zeros((3, 1)), 0, 0.95), (np.zeros((3, 1)), 10, 95.0)],
)
def test_bad_input_is_refused(scores: np.ndarray, repetitions: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"scores must be|need repetitions"):
        estimates(scores, AGGREGATES, rng(), repetitions, confidence)
