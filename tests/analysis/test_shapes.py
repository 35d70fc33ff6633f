"""Ranks, profiles, areas and efficiency."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from coordbench.analysis import TaskReference
from coordbench.analysis.efficiency import area, efficiency, weighted_iqm
from coordbench.analysis.profiles import TAUS, profile
from coordbench.analysis.ranks import ranks, shared_tasks
from coordbench.analysis.reading import Run, read_runs
from coordbench.analysis.resampling import canonical, counts, stream
from coordbench.analysis.statistics import iqm
from record_factory import HUNT, NAVIGATION, run_content, write_run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rliable import library

REFERENCES = {NAVIGATION: TaskReference(-50.0, -10.0, 1, {}, 0), HUNT: TaskReference(0.0, 100.0, 1, {}, 0)}


def test_a_stream_follows_from_data_not_from_order() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 3))
    scores[0, 1] = np.nan
    ordered, order = canonical(scores)
    other, _ = canonical(scores[::-1, [2, 0, 1]])
    np.testing.assert_array_equal(ordered, other)
    np.testing.assert_array_equal(np.sort(scores, axis=0)[:, order], ordered)
    draws = [stream(seed, data).random() for seed, data in ((1, ordered), (1, other), (2, other))]
    assert draws[0] == draws[1] != draws[2]
    assert stream(1, ordered + 1).random() != draws[0]


def test_first_places_are_shared_by_equals_and_sum_to_one() -> None:
    draws = {"a": np.array([1.0, 2, 3, 3]), "b": np.array([2.0, 2, 1, 1]), "c": np.array([0.0, 0, 0, 9])}
    found = ranks({"a": 2.0, "b": 2.0, "c": 1.0}, draws, 0.5)
    assert [found[name].first for name in "abc"] == [0.375, 0.375, 0.25]
    assert [found[name].rank for name in "abc"] == [1, 1, 3]
    assert (found["c"].low, found["c"].high) == (1, 3)
    assert (found["a"].low, found["a"].high) == (1, 2)
    assert ranks({}, {}, 0.95) == {}


def test_ranked_together_are_most_agents_on_most_tasks() -> None:
    tasks, agents = shared_tasks(
        {
            "whole": frozenset("abcd"),
            "also": frozenset("abcd"),
            "half": frozenset("ab"),
            "more": frozenset("abcde"),
            "none": frozenset(),
        }
    )
    assert tasks == frozenset("abcd")
    assert agents == {"whole", "also", "more"}
    assert shared_tasks({"none": frozenset()}) == (frozenset(), frozenset())


def test_profiles_are_rliables_score_distributions() -> None:
    scores = np.random.default_rng(1).normal(0.5, 0.4, (7, 4))
    ours = profile(scores, 0, 4_000, 0.95)
    np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator
    theirs, intervals = library.create_performance_profile({"a": scores}, TAUS, reps=400)
    np.testing.assert_allclose(ours["share"], theirs["a"], atol=1e-12)
    low, high = intervals["a"]
    # shares move in steps of 1/28; a quantile of 400 draws is off by .13 sd
    assert np.abs(ours["share_low"] - low).max() <= 2 / 28 + 1e-6
    assert np.abs(ours["share_high"] - high).max() <= 2 / 28 + 1e-6


def test_a_profile_with_holes_counts_every_task_the_same() -> None:
    scores = np.array([[0.0, 1.0], [0.2, np.nan], [0.4, np.nan], [0.6, np.nan]])
    found = profile(scores, 0, 50, 0.95).set_index("tau")
    assert found.loc[0.3, "share"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["share_low"].isna().all()  # one task has a single run
    assert len(profile(np.empty((0, 0)), 0, 50, 0.95)) == 0


def test_weighted_interquartile_means_are_those_of_the_resamples() -> None:
    rng = np.random.default_rng(2)
    for size in (1, 3, 7, 28):
        pool = rng.normal(size=size)
        drawn = counts(size, 20, rng)
        expected = [iqm(np.repeat(pool, row.astype(int))[:, None]) for row in drawn]
        np.testing.assert_allclose(weighted_iqm(pool, drawn.T), expected, atol=1e-5)


def runs_of(folder: Path, returns: list[tuple[float, ...]], task: str = NAVIGATION) -> list[Run]:
    for seed, values in enumerate(returns):
        write_run(folder, run_content(task=task, seed=seed, steps=50 * len(values)), values)
    return read_runs(folder)


def test_the_area_is_the_mean_over_training(tmp_path: Path) -> None:
    (run,) = runs_of(tmp_path / "a", [(-40.0, -20.0, -10.0)])
    assert area(run) == pytest.approx((-30 - 15) / 2)
    (single,) = runs_of(tmp_path / "b", [(-40.0,)])
    assert area(single) == -40


def test_efficiency_worked_by_hand(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, [(-50.0, -10.0), (-30.0, -10.0)])  # at 5 s and 10 s, after 12 and 25 updates
    found = efficiency({NAVIGATION: runs}, REFERENCES, 0, 50, 0.95)
    steps = found[found["axis"] == "steps"].set_index("x")["iqm"]
    assert steps.index.min() == 0.5
    assert (steps[0.5], steps[0.95], steps[1.0]) == (0.25, 0.25, 1.0)
    seconds = found[found["axis"] == "seconds"]
    assert list(seconds["x"]) == pytest.approx([10**0.75, 10.0])
    assert list(seconds["iqm"]) == [0.25, 1.0]
    updates = found[found["axis"] == "updates"]
    assert list(updates["x"]) == pytest.approx([10**1.25, 10**1.5])
    assert list(found["seeds"].unique()) == [2]
    assert (found["iqm_low"] <= found["iqm"] + 1e-6).all()
    assert len(efficiency({"unknown-v1": runs}, REFERENCES, 0, 50, 0.95)) == 0


def test_efficiency_does_not_depend_on_the_order_of_seeds_or_tasks(tmp_path: Path) -> None:
    one = runs_of(tmp_path / "a", [(-50.0, -10.0), (-30.0, -12.0), (-20.0, -33.0)])
    two = runs_of(tmp_path / "b", [(1.0, 70.0), (20.0, 30.0), (5.0, 60.0)], HUNT)
    there = efficiency({NAVIGATION: one, HUNT: two}, REFERENCES, 0, 50, 0.95)
    back = efficiency({HUNT: two[::-1], NAVIGATION: one[::-1]}, REFERENCES, 0, 50, 0.95)
    for name in ("x", "iqm", "iqm_low", "iqm_high"):
        np.testing.assert_allclose(there[name], back[name], atol=1e-6)
