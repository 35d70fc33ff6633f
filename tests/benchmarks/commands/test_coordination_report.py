"""What training records of coordination, and `bench coordination`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from coordbench import agents, envs
from coordbench.agents.base import Agent, Policy
from coordbench.analysis.coordination.positions import read_positions
from coordbench.analysis.records import read_runs
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.suites.suite_file import parse_suite
from coordbench.benchmarks.training import probe
from coordbench.benchmarks.training.behaviour import Behaviour, positions
from coordbench.benchmarks.training.train import train
from PIL import Image

HUNT = "predator_prey_4-v1"
SUITE = f"""
name = "tiny"
version = 1
description = "for tests"
seeds = "0-1"
agents = ["ma_sac", "vm3ac"]
num_envs = 4
default_budget = "short"

[[tasks]]
id = "{HUNT}"
evaluation_settings = {{ start_jitter = 0.02 }}

[budgets.short]
steps = 200
evaluation = {{ every = 50, episodes = 4, score_last = 1 }}
preset = "small"
settings = {{ warm_up = 60, batch_size = 16, hidden = [8, 8] }}
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for cell in parse_suite(SUITE, "tiny.toml").cells():
        train(cell, (0, 1), folder)
    return folder


def test_measures_and_positions_are_recorded(results: Path) -> None:
    ma_sac, *_, vm3ac = read_runs(results)
    common = {"action_correlation", "mutual_information", "gaussian_information"}
    bound = {"latent_correlation", "information_bound", "fitted_bound"}
    for run, wanted in ((ma_sac, common), (vm3ac, common | bound)):
        for evaluation in run.evaluations[1:]:
            found = {name for name in common | bound if evaluation.training.get(name) is not None}
            assert found == wanted, evaluation.step
        assert common.isdisjoint(run.evaluations[0].training), "untrained, it says nothing"
        shown = read_positions(run.path)
        assert [one.step for one in shown] == [evaluation.step for evaluation in run.evaluations[1:]]
        assert all(one.places.shape == (20, 4, 2) for one in shown)
        assert shown[-1].marks.shape == (16, 4)
        moved = np.abs(shown[-1].places - 0.5)
        assert 0.05 < moved.max() <= 5 * 0.05 + 0.02 + 1e-3
        assert not np.array_equal(shown[0].places, shown[-1].places), "the policy has changed"


def test_recording_does_not_touch_training(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Behaviour, "record", lambda *_: {})
    cell = parse_suite(SUITE, "tiny.toml").cells()[1]
    assert cell.agent == "vm3ac"
    train(cell, (1,), tmp_path)
    (alone,) = read_runs(tmp_path)
    recorded = read_runs(results)[-1]
    assert [e.returns for e in alone.evaluations] == [e.returns for e in recorded.evaluations]


def test_a_seeds_measures_do_not_depend_on_its_stack(results: Path, tmp_path: Path) -> None:
    cell = parse_suite(SUITE, "tiny.toml").cells()[1]
    train(replace(cell, steps=100), (1,), tmp_path)
    train(replace(cell, steps=100), (0, 1), tmp_path / "pair")
    (alone,), (_, pair) = read_runs(tmp_path), read_runs(tmp_path / "pair")
    for name in ("mutual_information", "information_bound", "latent_correlation"):
        assert alone.evaluations[-1].training[name] == pytest.approx(
            pair.evaluations[-1].training[name], abs=1e-6
        )
    assert read_positions(alone.path)[-1].places.tolist() == read_positions(pair.path)[-1].places.tolist()


def test_few_evaluations_are_measured(tmp_path: Path) -> None:
    arena = envs.make("linear_gaussian-v1", num_envs=4)
    agent = agents.make("random", arena.team, (0,))
    behaviour = Behaviour(1_000, [])
    episodes: Any = type("E", (), {"observation": torch.zeros(1, 4, 2, 1), "mask": None})
    steps = [
        step
        for step in range(0, 1_001, 20)
        if behaviour.record(step, agent, arena, episodes, np.ones(0, bool))
    ]
    assert steps == [100, 260, 500, 760, 1000]


class _Couple(Policy):
    """Both members play one common number plus noise of their own, in every second state only."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def act(
        self, observation: torch.Tensor, mask: torch.Tensor | None, starting: torch.Tensor
    ) -> torch.Tensor:
        assert starting.all()
        generator = torch.Generator().manual_seed(0)
        shape = (*observation.shape[:2], 1, 1)
        common = torch.randn(shape, generator=generator) * self.weight * observation[:, :, :1, :1]
        own = torch.randn((*observation.shape[:3], 1), generator=generator)
        return 0.1 * (common + own) + observation[..., :1]


class _Team(Agent):
    weight = 1.0

    def policy(self, mode: str = "explore", seed: int | None = None) -> Policy:
        assert (mode, seed) == ("explore", 0)
        return _Couple(self.weight)


def test_dependence_is_measured_given_the_state() -> None:
    team = envs.spec("linear_gaussian-v1")
    agent = _Team(team, agents.Config(), (0,))
    always = torch.ones(1, 64, 2, 1)
    found = probe.measure(agent, always, None)
    assert found["gaussian_information"][0] == pytest.approx(0.1438, abs=0.03)
    assert found["mutual_information"][0] == pytest.approx(0.1438, abs=0.06)
    assert found["action_correlation"][0] == pytest.approx(0.5, abs=0.05)
    agent.weight = 0.0
    # The members' means move together from state to state; that must not count.
    moving = torch.linspace(-3, 3, 64)[None, :, None, None].expand(1, 64, 2, 1)
    found = probe.measure(agent, moving, None)
    assert abs(found["gaussian_information"][0]) < 0.01
    assert abs(found["mutual_information"][0]) < 0.05
    assert found["action_correlation"][0] < 0.1


def test_seeds_that_broke_down_are_nan() -> None:
    actions = np.random.default_rng(0).standard_normal((2, 3, 64, 3, 2))
    actions[1, 0, 0, 0, 0] = np.nan
    for name, values in probe.action_measures(actions, 2).items():
        assert np.isfinite(values[0]), name
        assert np.isnan(values[1]), name


def test_many_members_are_measured_by_few_pairs() -> None:
    assert probe.some_pairs(3) == [(0, 1), (0, 2), (1, 2)]
    pairs = probe.some_pairs(32)
    assert len(set(pairs)) == probe.MAX_PAIRS
    assert pairs[0] == (0, 1)
    assert pairs[-1] == (30, 31)


def test_the_bound_of_vm3ac_is_one() -> None:
    """Untrained networks whose z is made to matter: dependent actions, and a bound below the truth."""
    team = envs.spec("ridge-v1")
    agent = agents.make("vm3ac", team, (0, 1), settings={"latent_size": 1, "hidden": (8,), "warm_up": 0})
    observation = torch.ones(2, 8, 2, 1)
    before = probe.measure(agent, observation, None)
    with torch.no_grad():
        for parameter in agent.actor.parameters:  # type: ignore[attr-defined]
            parameter.mul_(3)
    after = probe.measure(agent, observation, None)
    assert (after["gaussian_information"] > before["gaussian_information"]).any()
    for name in ("information_bound", "fitted_bound"):
        assert (after[name] <= after["mutual_information"] + 0.1).all()
    assert (after["fitted_bound"] >= after["information_bound"] - 1e-5).all()


def test_discrete_teams_are_measured() -> None:
    team = envs.spec("coordination_4-v1")
    agent = agents.make("vm3ac", team, (0,), settings={"hidden": (8,), "warm_up": 0})
    arena = envs.make("coordination_4-v1", num_envs=2)
    observation, info = arena.reset(seed=0)
    shape = (1, 2, *observation.shape[1:])
    mask = torch.from_numpy(info["action_mask"])[None]
    found = probe.measure(agent, torch.from_numpy(observation).view(shape), mask)
    wanted = {"action_correlation", "mutual_information", "latent_correlation", "information_bound"}
    assert set(found) == wanted
    assert found["information_bound"][0] <= found["mutual_information"][0] + 0.05
    assert abs(found["mutual_information"][0]) < 0.1


def test_tasks_without_positions_give_none() -> None:
    for task in ("ridge-v1", "linear_gaussian-v1"):
        arena = envs.make(task, num_envs=2)
        assert positions(agents.make("random", arena.team, (0,)), arena) is None


def test_positions_come_from_at_most_five_rounds() -> None:
    arena = envs.make(HUNT, num_envs=8, start_jitter=0.02)
    shown = positions(agents.make("reference", arena.team, (0,)), arena)
    assert shown is not None
    places = np.array(shown[1][0])
    assert places.shape == (40, 4, 2)
    assert len(np.unique(places.reshape(40, -1), axis=0)) == 40, "every episode has a start of its own"


def bench(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["coordination", *map(str, arguments)])


def test_the_command_prints_and_draws(results: Path, tmp_path: Path) -> None:
    done = bench("--results", results, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    for text in (
        "latent sd",
        "mutual information",
        "pair split, early",
        "return sampled",
        "ma_sac: latent sd",
    ):
        assert text in done.output, text
    names = [f"positions_{HUNT}_early", f"positions_{HUNT}_last", "coordination"]
    for name in names:
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert min(picture.size) > 300
            assert len(set(picture.convert("L").resize((64, 64)).get_flattened_data())) > 5
        assert (tmp_path / f"{name}.svg").read_text().count("<path") > 20
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"coordination.csv", "coordination_curves.csv"} <= set(first)
    bench("--results", results, "--out", tmp_path)
    assert first == {path.name: path.read_bytes() for path in tmp_path.iterdir()}, "the same files again"


def test_by_default_files_lie_beside_the_leaderboard(results: Path) -> None:
    assert bench("--results", results).exit_code == 0
    assert (results / "tiny" / "coordination" / "short" / "coordination.csv").exists()
    assert len(read_runs(results)) == 4, "and are not taken for records"


def test_refusals_are_one_line(results: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for arguments, text in (
        (["--results", tmp_path / "absent"], "there is no results folder"),
        (["--results", tmp_path], "holds no records; `bench run` makes them"),
        (["--results", results, "--suite", "tinny"], "did you mean 'tiny'?"),
        (["--results", results, "--budget", "long"], "it has: short"),
        (["--results", results, "--out", file], "choose another --out folder"),
    ):
        done = bench(*arguments)
        assert done.exit_code == 2, done.output
        assert text in done.output
        assert done.stderr.count("\n") == 1
