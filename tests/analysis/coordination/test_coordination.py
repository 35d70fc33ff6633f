"""Estimators against closed forms, the pair split by hand, and the report made from records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coordbench import envs
from coordbench.analysis import RecordError, RunFolder
from coordbench.analysis.coordination.mutual_information import gaussian, ksg, miller_madow, shared_variance
from coordbench.analysis.coordination.positions import (
    PositionsFile,
    pair_split,
    paired_members,
    read_positions,
)
from coordbench.analysis.coordination.summary import COLUMNS, CURVE_COLUMNS, coordination
from coordbench.envs.toys.gaussian_answers import (
    LinearGaussianSettings,
    closed_form_mutual_information,
    correlation,
)
from record_factory import evaluation_content, folder_of, run_content

PAIRS = [[0.0, 0.0], [0.1, 0.0], [1.0, 1.0], [1.0, 0.9]]
ALONE = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 2.0)])
def test_estimators_find_the_closed_form_on_the_linear_gaussian_game(weights: tuple[float, float]) -> None:
    env = envs.make("linear_gaussian-v1", num_envs=2_000, seed=0, weights=weights)
    act = envs.reference_policy(env.team)
    observation, _ = env.reset()
    played = []
    for _ in range(env.team.horizon):
        played.append(act(observation))
        observation, *_ = env.step(played[-1])
    x, y = np.moveaxis(np.concatenate(played), 1, 0)
    settings = LinearGaussianSettings(**env.team.settings)
    truth = closed_form_mutual_information(settings)
    assert gaussian(x, y) == pytest.approx(truth, rel=0.05)
    assert ksg(x, y) == pytest.approx(truth, rel=0.05)
    assert math.sqrt(shared_variance(x, y)) == pytest.approx(correlation(settings), rel=0.05)


def draws(rng: np.random.Generator, weight: float, size: int, n: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Two vectors with a common part."""
    common, x, y = rng.standard_normal((3, n, size))
    return weight * common + x, weight * common + y


@pytest.mark.parametrize("size", [1, 2, 4])
def test_gaussian_has_no_bias_at_few_draws_and_ksg_little(size: int) -> None:
    rng = np.random.default_rng(size)
    truth = -0.5 * size * math.log(1 - 0.5**2)
    pairs = [draws(rng, 1.0, size) for _ in range(400)]
    assert np.mean([gaussian(x, y) for x, y in pairs]) == pytest.approx(truth, rel=0.05)
    assert np.mean([ksg(x, y) for x, y in pairs[:100]]) == pytest.approx(truth, rel=0.12 * size)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_independent_actions_have_none_on_average(size: int) -> None:
    rng = np.random.default_rng(size)
    pairs = [draws(rng, 0.0, size) for _ in range(150)]
    assert abs(np.mean([ksg(x, y) for x, y in pairs])) < 0.015
    assert abs(np.mean([gaussian(x, y) for x, y in pairs])) < 0.005
    assert abs(np.mean([shared_variance(x, y) for x, y in pairs])) < 0.002


def test_ksg_sees_what_is_not_linear() -> None:
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal((2, 256, 1))
    y = np.abs(x) + 0.05 * noise
    assert ksg(x, y) > 1.0
    assert gaussian(x, y) < 0.2


def test_ksg_is_scikit_learns_estimator() -> None:
    selection = pytest.importorskip("sklearn.feature_selection")
    x, y = draws(np.random.default_rng(3), 1.0, 1)
    theirs = selection.mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=0)[0]
    assert ksg(x, y) == pytest.approx(theirs, abs=1e-6)


def test_estimators_do_not_care_about_units_and_constant_or_clipped_axes() -> None:
    rng = np.random.default_rng(1)
    x, y = draws(rng, 2.0, 2)
    padded = np.hstack([1e3 * x, np.full((256, 1), 7.0)])
    for estimator in (ksg, gaussian, shared_variance):
        assert estimator(padded, y) == pytest.approx(estimator(x, y), abs=1e-3)
        assert estimator(np.ones((256, 1)), y) == 0
        clipped = np.sign(rng.standard_normal((256, 1)))
        assert abs(estimator(clipped, y)) < 0.15
        assert np.isfinite(estimator(clipped, clipped))
    assert shared_variance(x, x) == pytest.approx(1)


def test_discrete_actions() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.integers(5, size=(2, 200, 256))
    corrected = np.mean([miller_madow(a, b) for a, b in zip(x, y, strict=True)])
    assert abs(corrected) < 0.003, "frequencies alone would give 16 / 512"
    assert miller_madow(x[0], x[0]) == pytest.approx(math.log(5), abs=0.02)
    assert miller_madow(x[0], np.zeros(256, int)) == 0
    one_hot = np.eye(5)
    assert shared_variance(one_hot[x[0]], one_hot[(x[0] + 2) % 5]) == pytest.approx(1)
    assert abs(shared_variance(one_hot[x], one_hot[y]).mean()) < 0.002


def test_estimators_refuse_what_they_cannot_use() -> None:
    with pytest.raises(ValueError, match="at least 4 draws, got 3"):
        ksg(np.zeros((3, 1)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="as many draws, got 9 and 8"):
        gaussian(np.zeros((9, 1)), np.zeros((8, 1)))


def test_the_pair_split_by_hand() -> None:
    row = [[0.0, 0.0], [0.25, 0.0], [0.5, 0.0], [0.75, 0.0]]
    places = np.array([PAIRS, ALONE, row, [[0.5, 0.5]] * 4])
    assert paired_members(places, 0.3).tolist() == [4, 0, 2, 0]
    assert pair_split(places, 0.3).tolist() == [True, False, False, False]
    assert pair_split(np.array(PAIRS), 0.05) == np.False_
    with pytest.raises(ValueError, match="a team of 3 cannot split into pairs"):
        pair_split(np.zeros((3, 2)), 0.3)


def test_the_pair_split_is_the_tasks_own() -> None:
    env = envs.make("predator_prey_4-v1", num_envs=64, seed=0)
    env.reset()
    direction = np.random.default_rng(0).uniform(-1, 1, (64, 4, 2))
    info: dict[str, Any] = {}
    for _ in range(5):
        *_, info = env.step(direction)
    places = np.stack([env.scene(copy).members for copy in range(64)])
    reach = 2 * env.team.settings["radius"]
    assert paired_members(places, reach).tolist() == info["pair_split"].tolist()
    assert set(info["pair_split"]) == {0, 2, 4} or len(set(info["pair_split"])) > 2


def test_positions_survive_the_file(tmp_path: Path) -> None:
    file = PositionsFile(tmp_path)
    assert read_positions(tmp_path) == []
    file.append(shown(50, [PAIRS, ALONE]))
    file.append(shown(100, []))
    with file.path.open("a") as torn:
        torn.write('{"step": 150')
    first, second = read_positions(tmp_path)
    assert first.places.tolist() == [PAIRS, ALONE]
    assert (first.step, first.low, first.marks.tolist()) == (50, (0.0, 0.0), [[0.5, 0.5, 0.1, 0.1]])
    assert second.places.shape[0] == 0
    file.path.write_text('{"step": 1}\n')
    with pytest.raises(RecordError, match=r"positions.jsonl line 1: no positions"):
        read_positions(tmp_path)


def shown(step: int, places: list[Any]) -> dict[str, Any]:
    frame = {"low": [0, 0], "high": [1, 1], "marks": [[0.5, 0.5, 0.1, 0.1]]}
    return {"step": step, "updates": step // 4, **frame, "positions": places}


def write(
    results: Path,
    agent: str,
    seed: int,
    lines: Mapping[int, Mapping[str, float | None]],
    places: Mapping[int, list[Any]] | None = None,
    done: bool = True,
) -> RunFolder:
    """A run on predator-prey with these training metrics by step, and these positions."""
    content = run_content(agent, "hunt-v1", seed)
    content["task"] |= {"n_agents": 4, "metrics": ["pair_split"], "settings": {"radius": 0.15}}
    folder = folder_of(results, content)
    folder.start(content)
    for step, training in lines.items():
        line = evaluation_content(step, 10.0 + seed) | {"training": training}
        folder.append(line | {"metrics": {"pair_split": [4, 2]}, "updates": max(step - 50, 0)})
    for step, found in (places or {}).items():
        PositionsFile(folder.path).append(shown(step, found))
    if done:
        folder.finish(100, 1, 1.0)
    return folder


def measured(value: float, **further: float) -> dict[str, float]:
    return {
        "action_correlation": value,
        "mutual_information": value,
        "gaussian_information": value,
        **further,
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for seed in (0, 1):
        early, last = measured(0.1 + seed), measured(0.5 + seed, return_sampled=7.0)
        latent = {"latent_sd": 0.2, "latent_correlation": 0.9, "information_bound": -1.0, "fitted_bound": 0.1}
        lines = {0: {"latent_sd": 0.1}, 50: measured(9.0), 75: early, 100: last | latent}
        write(tmp_path, "alpha", seed, lines, {75: [PAIRS, ALONE], 100: [PAIRS, PAIRS]})
        write(tmp_path, "beta", seed, {100: measured(0.0)})
    write(tmp_path, "old", 0, {100: {"actor_loss": 1.0}})
    write(tmp_path, "cut", 0, {50: measured(0.3)}, done=False)
    write(tmp_path, "beta", 2, {50: measured(0.3)}, done=False)
    return tmp_path


def test_the_report_holds_values_and_reasons(results: Path) -> None:
    (report,) = coordination(results)
    table = report.table
    assert list(table.columns) == COLUMNS
    assert list(report.curves.columns) == CURVE_COLUMNS

    def row(agent: str, measure: str, when: str = "last") -> Any:
        (found,) = table[
            (table.agent == agent) & (table.measure == measure) & (table.when == when)
        ].itertuples()
        return found

    late, early = row("alpha", "mutual_information"), row("alpha", "mutual_information", "early")
    assert (late.value, late.seeds, late.step, late.note) == (pytest.approx(1.0), 2, 100, "")
    assert late.low == pytest.approx(0.5)
    assert late.high == pytest.approx(1.5)
    assert (early.value, early.step) == (pytest.approx(0.6), 75), "step 50 came before the first update"
    assert row("alpha", "pair_split", "early").value == 0.5
    assert row("alpha", "pair_split").value == 1
    assert row("alpha", "pair_split_greedy").value == 0.5
    assert row("alpha", "return").value == 10.5
    assert row("alpha", "return_sampled").value == 7
    assert row("alpha", "latent_sd", "early").note == "not measured at this evaluation, or not finite"

    assert "the agent has no latent variable" in row("beta", "latent_sd").note
    assert "no variational distribution" in row("beta", "information_bound").note
    assert "no positions were recorded" in row("beta", "pair_split").note
    assert row("beta", "return").note == "1 of 3 runs are not done"
    assert "trained before coordination was measured" in row("old", "mutual_information").note
    assert math.isnan(row("old", "mutual_information").value)
    assert row("cut", "return").note == "no run is done (1 running)"
    curve = report.curves[(report.curves.agent == "alpha") & (report.curves.measure == "pair_split")]
    assert curve.step.tolist() == [75, 100]


def test_no_records_are_one_line(tmp_path: Path, results: Path) -> None:
    with pytest.raises(RecordError, match="there is no results folder"):
        coordination(tmp_path / "absent")
    with pytest.raises(RecordError, match=r"holds no records of the budget 'slow'; it has: quick"):
        coordination(results, budget="slow")
    (tmp_path / "foreign" / "folder").mkdir(parents=True)
    with pytest.raises(RecordError, match="holds no records; `bench run` makes them"):
        coordination(tmp_path / "foreign")
