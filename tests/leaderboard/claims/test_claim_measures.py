"""What a claim compares, and when it is taken from the records."""

from pathlib import Path
from typing import Any

import pytest
from claim_factory import HIGH, LOW, claim, only
from coordbench.analysis import read_runs
from coordbench.analysis.claims.claim import ClaimError
from coordbench.analysis.scores import run_return
from record_factory import HUNT, evaluation_content, folder_of, run_content


def test_measures_and_points_are_those_of_the_records(tmp_path: Path) -> None:
    for agent, values in (("alpha", HIGH), ("beta", LOW)):
        for seed, value in enumerate(values):
            content = run_content(agent, HUNT, seed)
            folder = folder_of(tmp_path, content)
            folder.start(content)
            for step, share in ((0, 0.0), (50, 0.5), (100, 1.0)):
                folder.append(
                    evaluation_content(step, value * share)
                    | {
                        "metrics": {"collisions": [value, None]},
                        "training": {"std": share, "latent_sd": share},
                    }
                )
            folder.finish(100, 25, 1.0)
    runs = [run for run in read_runs(tmp_path) if run.agent_id == "alpha"]
    mean = sum(HIGH) / 7

    def better_mean(**changes: Any) -> float:
        return only(tmp_path, claim(**changes))[1]["better_mean"]

    assert better_mean(measure="return") == pytest.approx(sum(map(run_return, runs)) / 7)
    assert better_mean(measure="return", at="last") == pytest.approx(mean)
    assert better_mean(measure="return", at="area") == pytest.approx(mean / 2)
    assert better_mean(at="last") == pytest.approx(mean / 200)
    assert better_mean(measure="collisions") == pytest.approx(mean)
    assert better_mean(measure="episode_length") == 25
    assert better_mean(measure="training.std", at="last") == 1
    assert better_mean(measure="latent_sd") == pytest.approx(0.75)
    verdict, row = only(tmp_path, claim(measure="action_correlation"))
    assert (verdict, "action_correlation is not recorded" in row["reason"]) == ("not testable", True)
    with pytest.raises(
        ClaimError, match=r"f\.toml: c: unknown measure 'colisions'; did you mean 'collisions'"
    ):
        only(tmp_path, claim(measure="colisions"))


def test_a_task_that_is_scored_by_its_win_rate_is_compared_by_it(tmp_path: Path) -> None:
    for agent, won in (("alpha", [1.0, 1.0]), ("beta", [0.0, 1.0])):
        for seed in range(7):
            content = run_content(agent, "battle-v1", seed)
            content["task"] |= {"metrics": ["won"], "win_metric": "won"}
            folder = folder_of(tmp_path, content)
            folder.start(content)
            for step in (0, 100):
                wins = won if step else [0.0, 0.0]
                folder.append(evaluation_content(step, LOW[seed]) | {"metrics": {"won": wins}})
            folder.finish(100, 25, 1.0)
    verdict, row = only(tmp_path, claim(task="battle-v1"))
    assert (verdict, row["better_mean"], row["worse_mean"]) == ("supported", 1.0, 0.5)
    _, row = only(tmp_path, claim(task="battle-v1", at="area"))
    assert (row["better_mean"], row["worse_mean"]) == (0.5, 0.25)
    verdict, row = only(tmp_path, claim(task="battle-v1", measure="return"))
    assert (verdict, row["better_mean"]) == ("undecided", pytest.approx(24.0))


def test_early_is_the_first_measurement_after_learning_began(tmp_path: Path) -> None:
    for agent, extra in (("alpha", 0.5), ("beta", 0.0)):
        for seed in range(7):
            content = run_content(agent, HUNT, seed, steps=200)
            folder = folder_of(tmp_path, content)
            folder.start(content)
            for step, value in ((0, 0.0), (50, 0.2), (100, 0.3), (200, 0.4)):
                measured = {"action_correlation": value + extra + seed / 100} if step != 50 else {}
                folder.append(evaluation_content(step, 1.0) | {"training": measured})
            folder.finish(200, 50, 1.0)
    verdict, row = only(tmp_path, claim(measure="action_correlation", at="early"))
    assert verdict == "supported"
    assert row["worse_mean"] == pytest.approx(0.33)
    assert only(tmp_path, claim(measure="action_correlation", at="last"))[1]["worse_mean"] == pytest.approx(
        0.43
    )


def test_two_measures_of_the_same_runs_are_paired(tmp_path: Path) -> None:
    for seed, value in enumerate(LOW):
        content = run_content("alpha", HUNT, seed)
        folder = folder_of(tmp_path, content)
        folder.start(content)
        training = {"return_sampled": value - 1 - seed / 10} if seed else {}
        folder.append(evaluation_content(100, value) | {"training": training})
        folder.finish(100, 25, 1.0)
    sides = ["alpha", {"agent": "alpha", "measure": "score_sampled"}]
    verdict, row = only(tmp_path, claim(better=None, worse=None, equal=sides, margin=0.05, at="last"))
    assert verdict == "supported"
    assert row["paired"] is True
    assert row["seeds_better"] == row["seeds_worse"] == 6
    assert row["difference"] == pytest.approx((1 + 0.35) / 200)
    assert row["reason"] == (
        "alpha (score_sampled): 1 of 7 runs: score_sampled is not recorded at the last evaluation"
    )
