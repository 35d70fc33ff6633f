"""`bench evaluate` and `bench export-policy`, as a user types them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from coordbench.analysis.absolute import read_absolute
from coordbench.analysis.records import read_runs
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.training import evaluate as evaluation
from coordbench.benchmarks.training.policies import load_policy
from coordbench.benchmarks.training.train import train
from fake_training import cells

TASK = "predator_prey_2-v1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    for cell in cells():
        train(cell, (0, 1), results)
    return results


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def evaluated(results: Path, *arguments: object, agent: str = "maddpg") -> dict:
    given = ("evaluate", "--results", results, "--task", TASK, "--agent", agent, "--format", "json")
    result = bench(*given, *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: object) -> str:
    result = bench(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("bench: ")
    return result.stderr


def test_it_repeats_the_last_evaluation_and_the_absolute_metric(trained: Path) -> None:
    for run in read_runs(trained):
        absolute = read_absolute(run)
        assert absolute is not None
        for arguments, returns, step in (
            (("--start-seed", "training", "--episodes", 2), run.evaluations[-1].returns, 240),
            (("--weights", "best", "--episodes", 20), absolute.returns, absolute.step),
        ):
            found = evaluated(trained, "--seeds", run.seed, *arguments, agent=run.agent_id)
            (row,) = found["runs"]
            assert row["returns"] == list(returns)
            assert row["mean_return"] == pytest.approx(sum(returns) / len(returns))
            assert row["low"] <= row["mean_return"] <= row["high"]
            assert (row["seed"], row["step"]) == (run.seed, step)
            assert found["overall"]["low"] is None, "one run has no interval"


@pytest.mark.parametrize("mode", ["explore", "shared_seed"])
def test_numbers_repeat_and_go_on_over_several_parts(
    mode: str, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--mode", mode, "--start-seed", 7, "--seeds", "0-1")
    monkeypatch.setattr(evaluation, "MOST_COPIES", 3)
    once, twice = (evaluated(trained, *arguments, "--episodes", n, agent="vm3ac") for n in (6, 8))
    assert once == evaluated(trained, *arguments, "--episodes", 6, agent="vm3ac")
    other = evaluated(trained, *arguments[:3], 8, *arguments[4:], "--episodes", 8, agent="vm3ac")
    assert mode != "explore" or other["runs"] != twice["runs"], "another start seed, other noise"
    for first, second in zip(once["runs"], twice["runs"], strict=True):
        assert first["returns"] == second["returns"][:6]
    means = [run["mean_return"] for run in twice["runs"]]
    assert twice["overall"]["mean_return"] == pytest.approx(sum(means) / 2)
    assert twice["overall"]["returns"] == means
    assert twice["overall"]["episodes"] == 16
    assert (twice["mode"], twice["start_seed"], twice["weights"]) == (mode, 7, "last")


def test_table_and_csv_hold_the_same_numbers(trained: Path) -> None:
    given = ("evaluate", "--results", trained, "--task", TASK, "--agent", "maddpg", "--episodes", 4)
    found = evaluated(trained, "--episodes", 4)
    rows = list(csv.DictReader(io.StringIO(bench(*given, "--format", "csv").stdout)))
    assert [row["seed"] for row in rows] == ["0", "1", "all"]
    for row, one in zip(rows, [*found["runs"], found["overall"]], strict=True):
        assert float(row["return"]) == one["mean_return"]
        assert float(row["catches"]) == pytest.approx(one["metrics"]["catches"])
        assert row["return_unit"] == found["return_unit"] == "team (shared reward)"
    text = bench(*given).stdout
    assert "maddpg on predator_prey_2-v1, mode greedy, last weights" in " ".join(text.split())
    assert f"{found['overall']['mean_return']:.4g}" in text


def test_what_cannot_be_evaluated_is_one_line(trained: Path, tmp_path: Path) -> None:
    given = ("evaluate", "--task", TASK, "--results", trained, "--agent")
    assert "unknown mode 'asleep' of MADDPG; it has explore, greedy" in refused(
        *given, "maddpg", "--mode", "asleep"
    )
    assert "holds no run of ma_ac on predator_prey_2-v1; `bench run` trains one" in refused(*given, "ma_ac")
    assert "with seed 9; it has the seeds 0, 1" in refused(*given, "maddpg", "--seeds", "1,9")
    assert "--start-seed is training or an integer" in refused(*given, "maddpg", "--start-seed", "-1")
    (cell,) = cells(agent_names=["random"])
    train(cell, (0,), tmp_path)
    nothing = ("evaluate", "--task", TASK, "--results", tmp_path, "--agent", "random")
    assert "holds no policy: random keeps none" in refused(*nothing)
    assert "holds no best weights" in refused(*nothing, "--weights", "best")


@pytest.mark.parametrize("form", ["torchscript", "onnx"])
def test_a_member_of_a_run_is_exported(form: str, trained: Path, tmp_path: Path) -> None:
    if form == "onnx":
        runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
        pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    run = next(run for run in read_runs(trained) if run.agent_id == "vm3ac")
    out = tmp_path / "new" / ("member.pt" if form == "torchscript" else "member.onnx")
    result = bench("export-policy", "--run", run.path, "--member", 1, "--out", out, "--weights", "best")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}: reads observation\n"
    agent = load_policy(run, best=True)
    torch.set_float32_matmul_precision("highest")
    observation = torch.randn(1, 50, 2, agent.team.observation_size)
    theirs = agent.policy("greedy").act(observation, None, torch.ones(1, 50, dtype=torch.bool))[0, :, 1]
    seen = observation[0, :, 1]
    if form == "torchscript":
        extra = {"coordbench.json": ""}
        ours = torch.jit.load(str(out), _extra_files=extra)(seen)
        about = json.loads(extra["coordbench.json"])
        assert about["inputs"] == [["observation", [agent.team.observation_size]]]
        assert (about["task"], about["agent"], about["seed"], about["member"]) == (TASK, "vm3ac", 0, 1)
    else:
        ours = torch.from_numpy(
            runtime.InferenceSession(str(out)).run(None, {"observation": seen.numpy()})[0]
        )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_what_cannot_be_exported_is_one_line(trained: Path, tmp_path: Path) -> None:
    run = next(run for run in read_runs(trained) if run.agent_id == "maddpg")
    given = ("export-policy", "--run", run.path, "--out", tmp_path / "a.pt", "--member")
    assert "has the members 0 to 1, not 2" in refused(*given, 2)
    assert "it has none; not 'input'" in refused(*given, 0, "--latent", "input")
    assert "ends in neither .pt nor .onnx" in refused(*given, 0, "--out", tmp_path / "a.bin")
    assert "run.json" in refused(*given, 0, "--run", tmp_path)
    assert not (tmp_path / "a.pt").exists()
