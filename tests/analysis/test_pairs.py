"""Pairs of agents: planted truths, rliable, and what other agents may change."""

import warnings

import numpy as np
import pandas as pd
import pytest
from coordbench.analysis.pairs import ALL_TASKS, COLUMNS, pair_table
from hypothesis import given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rliable import library, metrics

OF_THE_FAMILY = ["p_holm", "tests", "verdict", "seeds_needed", "better_on", "worse_on"]
UNITS = {"one": "team", "two": "team", "three": "mean"}


def table(returns: dict[tuple[str, str], np.ndarray], repetitions: int = 200) -> pd.DataFrame:
    return pair_table(returns, UNITS, 0, repetitions, 0.95)


def row(frame: pd.DataFrame, a: str, b: str, task: str = ALL_TASKS) -> pd.Series:
    return frame.set_index(["agent_a", "agent_b", "task"]).loc[(a, b, task)]


def planted(seed: int = 0) -> dict[tuple[str, str], np.ndarray]:
    rng = np.random.default_rng(seed)
    shifts = {"good": 3.0, "poor": 0.0, "twin": 0.0}
    return {(task, agent): rng.normal(shifts[agent], 1, 7) for task in UNITS for agent in shifts}


def test_planted_differences_are_found_and_equals_are_not_told_apart() -> None:
    found = table(planted())
    assert list(found.columns) == COLUMNS
    best = row(found, "good", "poor")
    assert (best["verdict"], best["tasks"], best["tests"], best["better_on"]) == ("better", 3, 3, 3)
    assert best["probability_low"] > 0.5
    assert row(found, "good", "poor", "one")["shift"] == pytest.approx(3, abs=1.5)
    assert row(found, "good", "poor", "three")["return_unit"] == "mean"
    equal = row(found, "poor", "twin")
    assert equal["verdict"] == "undecided"
    assert equal["probability_low"] < 0.5 < equal["probability_high"]
    assert equal["seeds_needed"] > 7


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.booleans())
def test_probabilities_are_rliables(seed: int, n: int, m: int, n_tasks: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    tasks = list(UNITS)[:n_tasks]
    x, y = rng.normal(size=(n, n_tasks)), rng.normal(size=(m, n_tasks))
    if tied:
        x, y = np.round(x), np.round(y)
    returns = {(task, "x"): x[:, place] for place, task in enumerate(tasks)}
    returns |= {(task, "y"): y[:, place] for place, task in enumerate(tasks)}
    ours = row(table(returns, 10), "x", "y")["probability"]
    assert ours == pytest.approx(metrics.probability_of_improvement(x, y), abs=1e-12)


def test_intervals_agree_with_rliables_within_monte_carlo_error() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(0.4, 1, (7, 3)), rng.normal(0, 1, (5, 3))
    returns = {(task, "x"): x[:, place] for place, task in enumerate(UNITS)}
    returns |= {(task, "y"): y[:, place] for place, task in enumerate(UNITS)}
    ours = row(table(returns, 20_000), "x", "y")
    np.random.seed(0)  # noqa: NPY002 - rliable draws from the global generator
    _, theirs = library.get_interval_estimates({"x,y": (x, y)}, metrics.probability_of_improvement, reps=500)
    low, high = theirs["x,y"].ravel()
    # the sd of a 2.5 % quantile of 500 draws is .12 sd; an interval is 4 sd wide
    tolerance = 4 * 0.12 * (high - low) / 4
    assert ours["probability_low"] == pytest.approx(low, abs=tolerance)
    assert ours["probability_high"] == pytest.approx(high, abs=tolerance)


def test_rivals_change_only_the_correction_and_names_change_nothing() -> None:
    returns = planted()
    pair = {key: values for key, values in returns.items() if key[1] != "twin"}
    alone, together = (table(chosen) for chosen in (pair, returns))
    for task in (ALL_TASKS, *UNITS):
        pd.testing.assert_series_equal(
            row(alone, "good", "poor", task).drop(OF_THE_FAMILY),
            row(together, "good", "poor", task).drop(OF_THE_FAMILY),
        )
    renamed = {(task, {"good": "alpha", "poor": "zeta"}[agent]): v for (task, agent), v in pair.items()}
    shuffled = {key: values[::-1] for key, values in reversed(renamed.items())}
    pd.testing.assert_series_equal(
        row(alone, "good", "poor"), row(table(shuffled), "alpha", "zeta"), check_names=False
    )


def test_turning_a_pair_mirrors_it() -> None:
    returns = planted(5)
    names = {"good": "z", "poor": "a", "twin": "m"}
    there = row(table(returns), "good", "poor")
    back = row(table({(task, names[agent]): v for (task, agent), v in returns.items()}), "a", "z")
    assert there["probability"] + back["probability"] == pytest.approx(1)
    assert there["probability_low"] + back["probability_high"] == pytest.approx(1, abs=1e-6)
    assert there["p"] == pytest.approx(back["p"])


def test_single_seeds_ties_and_agents_without_a_common_task() -> None:
    returns = {
        ("one", "a"): np.array([1.0]),
        ("one", "b"): np.array([2.0, 3.0]),
        ("one", "same"): np.array([2.0, 3.0]),
        ("two", "elsewhere"): np.array([1.0, 2.0]),
    }
    found = table(returns)
    assert np.isnan(row(found, "a", "b")["probability_low"])
    assert row(found, "a", "b")["verdict"] == "undecided"
    tie = row(found, "b", "same")
    assert (tie["probability"], tie["seeds_needed"]) == (0.5, np.inf)
    assert tie["p"] == pytest.approx(1.0)
    assert tie["probability_low"] < 0.5 < tie["probability_high"]  # equal data are resampled independently
    apart = row(found, "a", "elsewhere")
    assert (apart["verdict"], apart["tasks"]) == ("not compared: no task in common", 0)
    assert np.isnan(apart["probability"])
    assert apart["tests"] == 3
