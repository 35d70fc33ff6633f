"""Claims held against numbers: supported, contradicted, undecided.

With d the difference of the two means and m the margin, "A does better than B, by more than m" is

- supported if the exact test, two-sided and corrected, finds A better by more than m at the level, and the
  interval of d lies above m;
- contradicted if it finds the opposite, and the interval lies below m;
- undecided else.

Test and interval must agree: the test holds its level with a handful of seeds, whose bootstrap interval is
somewhat short, and says nothing of size. Tests are two-sided, for either end may come out. Correction:
Holm's, over all comparisons of this kind that can be made. "A and B are equal within m" is

- supported if the interval lies within -m and m, and exact tests find d above -m and below m, each at the
  level;
- contradicted if it lies beyond one of them, and the test against that one finds the same;
- undecided else.

These are not corrected: they are two tests that must both succeed, and few files hold many. Runs of two
agents are independent: Mann-Whitney tests, as in `pairs`. Two measures of the same runs go together seed by
seed: the stratified test with a seed a stratum, which is the sign test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..pair_draws import resample_weights
from ..rank_tests import holm, probability_better, rank_test, seeds_needed
from ..resampling import percentile_interval, stream
from ..statistics import Estimate, mean_over_seeds
from .claim import Relation

Verdict = Literal["supported", "contradicted", "undecided", "not testable"]
VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "undecided", "not testable")


@dataclass(frozen=True)
class Sample:
    """The numbers of one comparison.

    Attributes:
        better: (n,) those of the side that is said to be better.
        worse: (m,) those of the other.
        is_paired: whether entry i of both is of the same run.
    """

    better: np.ndarray
    worse: np.ndarray
    is_paired: bool = False


@dataclass(frozen=True)
class Finding:
    """What a comparison says.

    Attributes:
        difference: of the means, with its interval; NaN ends where a side has one run.
        probability: that one of the better side exceeds one of the worse by more than the margin, ties half.
        p: of the exact test; of two for a claim of equality the one that decides.
        p_holm: corrected; NaN for a claim of equality.
        tests: in the corrected family.
        verdict: on this comparison alone.
        seeds_needed: of each side to settle what is undecided; NaN where that is not known.
    """

    difference: Estimate
    probability: float
    p: float
    p_holm: float
    tests: int
    verdict: Verdict
    seeds_needed: float


def findings(
    samples: Sequence[tuple[Sample, Relation, float]], seed: int, repetitions: int, confidence: float
) -> list[Finding]:
    """Holds comparisons against their numbers; those of relation ``better`` are one family of tests.

    Args:
        samples: numbers, relation and margin of each comparison; both sides have numbers.
        seed: of the bootstrap.
        repetitions: of the bootstrap.
        confidence: level of intervals; 1 - ``confidence`` is the error rate of the family.
    """
    level = 1 - confidence
    tested = [
        _test(sample, margin) if relation == "better" else _equality(sample, margin)
        for sample, relation, margin in samples
    ]
    is_ordinal = np.array([relation == "better" for _, relation, _ in samples], dtype=bool)
    adjusted = holm(np.where(is_ordinal, [p for p, _ in tested], np.nan))
    n_tests = int(is_ordinal.sum())
    found: list[Finding] = []
    for (sample, relation, margin), (p, chance), p_holm in zip(samples, tested, adjusted, strict=True):
        gap = difference(sample, seed, repetitions, confidence)
        needed = math.nan
        if relation == "better":
            verdict = _on_order(gap, margin, chance, float(p_holm) <= level)
            if not sample.is_paired and verdict == "undecided":
                needed = seeds_needed(chance, 1, n_tests, level)
        else:
            verdict = _on_equality(gap, margin, p <= level)
        found.append(
            Finding(gap, chance, p, float(p_holm), n_tests if relation == "better" else 0, verdict, needed)
        )
    return found


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a claim from those on its comparisons.

    Contradicted as soon as one is, supported only if all are: what cannot be compared cannot be supported.
    """
    found = set(verdicts)
    if "contradicted" in found:
        return "contradicted"
    return found.pop() if len(found) == 1 else "undecided"


def difference(sample: Sample, seed: int, repetitions: int, confidence: float) -> Estimate:
    """Difference of the two means with its percentile bootstrap interval over seeds.

    The two sides are resampled independently, or run by run where they are paired. Turned round, the
    difference and its interval change their sign and nothing else.
    """
    one, other = sample.better, sample.worse
    point = float(one.mean() - other.mean())
    if min(len(one), len(other)) < 2:
        return Estimate(point, math.nan, math.nan)
    if sample.is_paired:
        up, down = np.sort(one - other), np.sort(other - one)
        is_turned = tuple(down) > tuple(up)
        ordered = down if is_turned else up
        found = mean_over_seeds(ordered, stream(seed, ordered), repetitions, confidence)
        ends = (-found.high, -found.low) if is_turned else (found.low, found.high)
        return Estimate(point, *ends)
    data = {"one": np.sort(one), "other": np.sort(other)}
    weights = resample_weights(data, seed, repetitions)
    means = {name: weights[name] @ values / len(values) for name, values in data.items()}
    low, high = percentile_interval(means["one"] - means["other"], confidence)
    return Estimate(point, float(low), float(high))


def _test(sample: Sample, margin: float) -> tuple[float, float]:
    """p-value, two-sided, and probability of being better by more than the margin."""
    shifted = sample.better - margin
    if not sample.is_paired:
        return rank_test([(shifted, sample.worse)]), probability_better(shifted, sample.worse)
    strata = [(shifted[i : i + 1], sample.worse[i : i + 1]) for i in range(len(shifted))]
    return rank_test(strata), float(np.mean([probability_better(x, y) for x, y in strata]))


def _equality(sample: Sample, margin: float) -> tuple[float, float]:
    """The p-value that decides about equality, and the probability of being better at all."""
    (low_p, above), (high_p, beyond) = _test(sample, -margin), _test(sample, margin)
    chance = _test(sample, 0.0)[1]
    if above > 0.5 > beyond:
        return max(low_p, high_p), chance
    return (low_p if above <= 0.5 else high_p), chance


def _on_order(gap: Estimate, margin: float, chance: float, is_significant: bool) -> Verdict:
    if is_significant and chance > 0.5 and gap.low > margin:
        return "supported"
    if is_significant and chance < 0.5 and gap.high < margin:
        return "contradicted"
    return "undecided"


def _on_equality(gap: Estimate, margin: float, is_significant: bool) -> Verdict:
    if is_significant and -margin < gap.low and gap.high < margin:
        return "supported"
    if is_significant and (gap.low > margin or gap.high < -margin):
        return "contradicted"
    return "undecided"


def counted(verdicts: Mapping[str, Verdict]) -> str:
    """``19 claims: 2 supported, 1 contradicted, 6 undecided, 10 not testable``."""
    values = list(verdicts.values())
    parts = [f"{values.count(verdict)} {verdict}" for verdict in VERDICTS]
    return f"{len(values)} claim{'' if len(values) == 1 else 's'}: {', '.join(parts)}"
