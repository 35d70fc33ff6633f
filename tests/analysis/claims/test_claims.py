"""Claims against numbers with a known truth."""

import math

import numpy as np
import pytest
from coordbench.analysis.claims.verdicts import Finding, Sample, difference, findings, together
from coordbench.analysis.statistics import mean_over_seeds
from hypothesis import given, settings
from hypothesis import strategies as st

LOW = np.array([0.10, 0.12, 0.11, 0.14, 0.13, 0.09, 0.15])
HIGH = LOW + 0.3
MIXED = np.array([0.42, 0.05, 0.31, 0.22, 0.38, 0.11, 0.27])
numbers = st.lists(st.floats(-2, 2, width=16), min_size=1, max_size=7).map(np.array)


def judged(*samples: tuple[Sample, str, float]) -> list[Finding]:
    return findings(samples, 0, 2000, 0.95)  # type: ignore[arg-type]


def verdict(better: np.ndarray, worse: np.ndarray, relation: str = "better", margin: float = 0.0) -> str:
    return judged((Sample(better, worse), relation, margin))[0].verdict


def test_the_better_one_is_better_the_reverse_is_contradicted_and_the_same_is_undecided() -> None:
    assert verdict(HIGH, LOW) == "supported"
    assert verdict(LOW, HIGH) == "contradicted"
    assert verdict(MIXED, MIXED[::-1].copy()) == "undecided"
    assert verdict(MIXED, LOW[:6].copy()) == "undecided"


def test_a_margin_asks_for_more() -> None:
    assert verdict(HIGH, LOW, margin=0.2) == "supported"
    assert verdict(HIGH, LOW, margin=0.3) == "undecided"
    assert verdict(HIGH, LOW, margin=0.5) == "contradicted"


def test_equality_is_within_the_margin_beyond_it_or_undecided() -> None:
    shifted = LOW + 0.01
    assert verdict(shifted, LOW, "equal", 0.1) == "supported"
    assert verdict(HIGH, LOW, "equal", 0.1) == "contradicted"
    assert verdict(LOW, HIGH, "equal", 0.1) == "contradicted"
    assert verdict(MIXED, LOW, "equal", 0.1) == "undecided"
    assert verdict(shifted[:3], LOW[:3], "equal", 0.1) == "undecided", "three seeds cannot show it"


def test_numbers_by_hand() -> None:
    (found,) = judged((Sample(HIGH, LOW), "better", 0.0))
    assert found.difference.point == pytest.approx(0.3)
    assert found.p == found.p_holm == pytest.approx(2 / 3432)
    assert (found.probability, found.tests) == (1.0, 1)
    assert math.isnan(found.seeds_needed)
    (open_one,) = judged((Sample(MIXED, LOW), "better", 0.0))
    assert open_one.seeds_needed > 7
    low, high = open_one.difference.low, open_one.difference.high
    assert low < MIXED.mean() - LOW.mean() < high


def test_one_run_has_no_interval_and_settles_nothing() -> None:
    (found,) = judged((Sample(HIGH[:1], LOW), "better", 0.0))
    assert math.isnan(found.difference.low)
    assert found.verdict == "undecided"


def test_holms_correction_is_over_the_ordinal_comparisons_alone() -> None:
    close = Sample(np.arange(7.0) + 2.2, np.arange(7.0))
    (alone,) = judged((close, "better", 0.0))
    several = judged(
        (close, "better", 0.0), (Sample(HIGH, LOW), "better", 0.0), (Sample(LOW, LOW + 0.01), "equal", 1.0)
    )
    assert [found.tests for found in several] == [2, 2, 0]
    assert several[0].p_holm == pytest.approx(alone.p)  # the larger of two
    assert several[1].p_holm == pytest.approx(2 * 2 / 3432)
    assert math.isnan(several[2].p_holm)
    many = judged(*[(Sample(HIGH, LOW), "better", 0.0)] * 86)
    assert {found.verdict for found in many} == {"undecided"}, "more tests than seven seeds can carry"


def test_pairs_of_the_same_runs_are_compared_run_by_run() -> None:
    spread = np.array([0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0])
    noise = np.array([0.1, 0.2, 0.1, 0.3, 0.2, 0.1, 0.2])
    (paired,) = judged((Sample(spread + noise, spread, is_paired=True), "better", 0.0))
    assert paired.p == pytest.approx(2 / 2**7)
    assert paired.verdict == "supported"
    assert verdict(spread + noise, spread) == "undecided"
    (equal,) = judged((Sample(spread + noise, spread, is_paired=True), "equal", 1.0))
    assert equal.verdict == "supported"
    expected = mean_over_seeds(noise, np.random.default_rng(0), 20_000)
    assert equal.difference.low == pytest.approx(expected.low, abs=0.02)


def test_intervals_are_those_of_an_independent_bootstrap() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(1, 0.5, 7), rng.normal(0, 1, 5)
    found = difference(Sample(x, y), 0, 20_000, 0.95)
    means = [values[rng.integers(len(values), size=(20_000, len(values)))].mean(1) for values in (x, y)]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)


@settings(max_examples=60, deadline=None)
@given(numbers, numbers, st.booleans())
def test_swapping_the_sides_swaps_supported_and_contradicted(
    x: np.ndarray, y: np.ndarray, is_paired: bool
) -> None:
    if is_paired:
        x, y = x[: len(y)], y[: len(x)]
    (one,) = findings([(Sample(x, y, is_paired), "better", 0.0)], 0, 200, 0.8)
    (other,) = findings([(Sample(y, x, is_paired), "better", 0.0)], 0, 200, 0.8)
    swapped = {"supported": "contradicted", "contradicted": "supported", "undecided": "undecided"}
    assert other.verdict == swapped[one.verdict]
    assert other.p == pytest.approx(one.p)
    assert other.difference.point == pytest.approx(-one.difference.point)
    (equal,) = findings([(Sample(x, y, is_paired), "equal", 0.5)], 0, 200, 0.8)
    (turned,) = findings([(Sample(y, x, is_paired), "equal", 0.5)], 0, 200, 0.8)
    assert equal.verdict == turned.verdict


def test_a_claim_is_as_good_as_its_comparisons() -> None:
    assert together(["supported", "supported"]) == "supported"
    assert together(["supported", "undecided"]) == "undecided"
    assert together(["supported", "not testable"]) == "undecided"
    assert together(["supported", "contradicted", "not testable"]) == "contradicted"
    assert together(["not testable"]) == "not testable"


def test_the_rule_keeps_its_level() -> None:
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(200):
        x, y = rng.normal(0, 1, (2, 7))
        wrong += verdict(x, y) != "undecided"
    assert wrong <= 18, "5 % of 200, and some"
