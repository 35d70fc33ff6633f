"""The command line as a user types it."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from coordbench.analysis.records import read_runs
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.errors import SuiteError
from fake_training import TINY


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def test_list_shows_names_without_heavy_imports() -> None:
    code = (
        "import sys\n"
        "from coordbench.benchmarks.cli import main\n"
        "main(['list'], standalone_mode=False)\n"
        "heavy = {'torch', 'numba', 'pandas', 'pettingzoo', 'gymnasium', 'rich', 'loky'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert "heavy: []" in ran.stdout
    for name in ("coordination", "predator_prey_4-v1", "vm3ac"):
        assert f"  {name} " in ran.stdout or f"  {name}\n" in ran.stdout


def test_list_of_one_kind_and_version() -> None:
    assert bench("list", "agents").output.startswith("agents\n  dop ")
    assert "tasks" not in bench("list", "agents").output.splitlines()
    assert bench("--version").output.startswith("bench, version ")


def test_module_is_the_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "coordbench.benchmarks", "run", "--seeds", "3-1"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 2
    assert ran.stderr == "bench: the seeds '3-1' run backwards; write 1-3\n"
    assert ran.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "cordination"], "unknown suite 'cordination'; did you mean 'coordination'?"),
        (["--budget", "quik"], "did you mean 'quick'?"),
        (["--tasks", "predator_prey_5-v1"], "unknown task of suite 'coordination': 'predator_prey_5-v1'"),
        (["--agents", "maddgp"], "unknown agent 'maddgp'; did you mean 'maddpg'?"),
        (["--agents", "absent_module:Cool"], "cannot load agent 'absent_module:Cool'"),
        (["--set", "vm3ac.bta=1"], "agent vm3ac: unknown setting 'bta'; did you mean 'beta'?"),
        (["--set", "vm3c.beta=1"], "unknown agent of this sweep 'vm3c'; did you mean 'vm3ac'?"),
        (["--set", "task.predator_prey_2-v1.scal=1"], "no setting 'scal'; did you mean 'scale'?"),
        (["--seeds", "a"], "cannot read the seeds 'a'; write them as 0-6 or 0,2,5"),
        (["--device", "abacus"], "cannot use --device abacus"),
    ],
)
def test_bad_choices_are_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = bench("run", "--results", tmp_path, *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("bench: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_error_itself() -> None:
    result = bench("--debug", "run", "--seeds", "3-1")
    assert isinstance(result.exception, SuiteError)
    assert result.stderr == ""


def test_results_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = bench("run", "--results", tmp_path / "file")
    assert result.exit_code == 2
    assert "cannot use the results folder" in result.stderr
    assert result.stderr.count("\n") == 1


def test_dry_run_trains_nothing(tiny: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    result = bench("run", "--suite", tiny, "--results", results, "--seeds", "0-4", "--dry-run")
    assert result.exit_code == 0, result.output
    first, *lines = result.output.splitlines()
    assert first == "tiny, budget short: 2 cells, 10 runs, 0 done; 10 to train in 4 stacks"
    assert len(lines) == 2
    assert lines[0].endswith("240 steps  seeds 0-2; seeds 3-4")
    assert not results.exists()


def test_from_one_command_to_a_leaderboard(tiny: Path, tmp_path: Path) -> None:
    """The real thing, small: two agents, two seeds, one task; then again, when nothing is left to do."""
    results = tmp_path / "results"
    command = [sys.executable, "-m", "coordbench.benchmarks", "run", "--suite", tiny, "--results", results]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    runs = read_runs(results)
    assert [(run.agent_id, run.seed, run.status) for run in runs] == [
        (agent, seed, "done") for agent in ("maddpg", "vm3ac") for seed in (0, 1)
    ]
    for run in runs:
        assert [evaluation.step for evaluation in run.evaluations] == [0, 120, 240]
        assert run.meta["agent"]["settings"]["batch_size"] == 16
        assert len(run.evaluations[-1].returns) == 2
    folder = results / "tiny" / "leaderboard" / "short"
    with (folder / "leaderboard.csv").open() as file:
        assert {row["agent"] for row in csv.DictReader(file)} == {"maddpg", "vm3ac"}
    assert str(folder / "LEADERBOARD.md") in ran.stdout
    assert "[4/4]" in ran.stdout

    before = {path: path.stat().st_mtime_ns for path in results.glob("tiny/*/*/seed_*/*")}
    again = bench("run", "--suite", tiny, "--results", results)
    assert again.exit_code == 0, again.output
    assert "4 done; 0 to train in 0 stacks" in again.output
    assert before == {path: path.stat().st_mtime_ns for path in before}

    tables = tmp_path / "tables"
    made = bench("leaderboard", "--results", results, "--out", tables)
    assert made.exit_code == 0, made.output
    assert (tables / "leaderboard.csv").read_text() == (folder / "leaderboard.csv").read_text()


def test_a_nan_fails_its_run_alone(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent from a file of the user's, one of whose seeds has a loss that is no number."""
    monkeypatch.chdir(Path(__file__).parents[1] / "kit")
    results = tmp_path / "results"
    command = [sys.executable, "-m", "coordbench.benchmarks", "run", "--suite", tiny, "--results", results]
    command += ["--agents", "sick_agent:Sick,random"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 1, ran.stderr
    assert "1 run failed; --retry-failed" in ran.stderr
    runs = {(run.agent_id, run.seed): run for run in read_runs(results)}
    assert runs["sick_agent:Sick", 1].failure == "not finite: loss (step 40)"
    assert {run.status for key, run in runs.items() if key != ("sick_agent:Sick", 1)} == {"done"}
    page = (results / "tiny" / "leaderboard" / "short" / "LEADERBOARD.md").read_text()
    assert "not finite: loss" in page


def test_ctrl_c_leaves_readable_records(tiny: Path, tmp_path: Path) -> None:
    tiny.write_text(TINY.replace("steps = 240", "steps = 40_000_000"))
    results = tmp_path / "results"
    command = [sys.executable, "-m", "coordbench.benchmarks", "run", "--suite", tiny, "--results", results]
    command += ["--agents", "random", "--workers", "1"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore it
    )
    try:
        deadline = time.monotonic() + 120
        while not list(results.glob("tiny/*/*/seed_0/evaluations.jsonl")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.splitlines() == [
        "bench: stopping at a checkpoint; Ctrl-C again stops at once",
        "bench: interrupted; 0 of 2 runs are done, the same command does the rest",
    ]
    assert {run.status for run in read_runs(results)} == {"running"}
    assert not list(results.glob("tiny/*/*/seed_*/lease.*"))
    assert list(results.glob("tiny/*/*/checkpoint_0-1/generation_*"))
    told = bench("status", "--suite", tiny, "--results", results, "--agents", "random")
    assert "2 runs: 2 stopped" in told.output


def test_a_corrupt_record_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / "predator_prey_2-v1" / "random-0123456789" / "seed_0"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    result = bench("leaderboard", "--results", tmp_path, "--out", tmp_path / "tables")
    assert result.exit_code == 2
    assert "run.json" in result.stderr
    assert result.stderr.count("\n") == 1
    absent = bench("leaderboard", "--results", tmp_path / "absent", "--out", tmp_path / "tables")
    assert absent.exit_code == 2
    assert "there is no results folder" in absent.stderr


def test_check_env() -> None:
    result = bench("check-env", "predator_prey_2-v1")
    assert result.exit_code == 0, result.output
    assert "predator_prey_2-v1 keeps the contract" in result.output
    wrong = bench("check-env", "predator_pray_2-v1")
    assert wrong.exit_code == 2
    assert "did you mean 'predator_prey_2-v1'?" in wrong.stderr


def test_check_agent() -> None:
    result = bench("check-agent", "random")
    assert result.exit_code == 0, result.output
    assert "random keeps the contract" in result.output
    wrong = bench("check-agent", "randm")
    assert wrong.exit_code == 2
    assert "did you mean 'random'?" in wrong.stderr


def test_references(tmp_path: Path) -> None:
    out = tmp_path / "references.json"
    result = bench("references", "--tasks", "predator_prey_2-v1", "--episodes", "50", "--out", out)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("predator_prey_2-v1 ")
    assert out.exists()


def test_help_has_an_example_for_every_command() -> None:
    for name in main.commands:
        result = bench(name, "--help")
        assert result.exit_code == 0
        assert f"Example: bench {name} " in result.output
