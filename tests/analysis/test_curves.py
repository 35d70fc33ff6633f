"""Learning curves in long form."""

from pathlib import Path

import numpy as np
import pytest
from coordbench.analysis import read_runs
from coordbench.analysis.curves import COLUMNS, learning_curves
from record_factory import NAVIGATION, run_content, write_run


def test_a_curve_worked_by_hand_with_a_seed_that_stopped(tmp_path: Path) -> None:
    write_run(tmp_path, run_content(seed=0), (-40.0, -10.0))
    write_run(tmp_path, run_content(seed=1), (-50.0, -20.0))
    write_run(tmp_path, run_content(seed=2), (-60.0,), "failed")
    curve = learning_curves(read_runs(tmp_path), repetitions=4_000)
    assert list(curve.columns) == COLUMNS
    assert list(curve["step"]) == [50, 100]
    assert list(curve["seeds"]) == [3, 2]
    assert list(curve["mean"]) == pytest.approx([-50.0, -15.0])
    assert list(curve["iqm"]) == pytest.approx([-50.0, -15.0])
    # 2.5 % quantile: all three draws the worst has probability 1/27 > .025; of two draws 1/4
    assert list(curve["low"]) == [-60.0, -20.0]
    assert list(curve["high"]) == [-40.0, -10.0]
    assert set(curve["return_unit"]) == {"mean over members"}


def test_one_seed_has_no_interval_and_no_runs_no_rows(tmp_path: Path) -> None:
    write_run(tmp_path, run_content(seed=0), (-40.0,), "running")
    curve = learning_curves(read_runs(tmp_path))
    assert np.isnan(curve[["low", "high"]].to_numpy()).all()
    assert list(learning_curves([]).columns) == COLUMNS


def test_a_curve_does_not_depend_on_the_other_curves(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path, run_content("beta_agent", seed=seed), (-40.0 + seed, -10.0 - seed**2))
    alone = learning_curves(read_runs(tmp_path))
    for seed in range(6):
        write_run(tmp_path, run_content("alpha", NAVIGATION, seed), (-4.0 * seed,), "running")
    together = learning_curves(read_runs(tmp_path))
    kept = together[together["agent"] == "beta_agent"].reset_index(drop=True)
    assert kept.equals(alone)
