"""`bench status`, `bench logs` and `bench retry`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import fake_training as fake
import pytest
from click.testing import CliRunner, Result
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.suites.stack import Stack, cell_folder, folder_of
from coordbench.benchmarks.suites.suite_file import read_suite
from coordbench.benchmarks.sweeps.crashes import count_crash, crashes
from coordbench.benchmarks.sweeps.holder import Holder
from coordbench.benchmarks.sweeps.lease import claim


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def where(tmp_path: Path) -> list[str | Path]:
    """A results folder with one run of each kind, as arguments."""
    suite, results = tmp_path / "tiny.toml", tmp_path / "results"
    suite.write_text(fake.TINY)
    cell, _ = fake.cells()
    fake.finish(cell, 0, results)
    fake.start(cell, 1, results).fail("OSError: broken", 120, "Traceback ...\nOSError: broken")
    fake.start(cell, 2, results)
    fake.start(cell, 3, results)
    holder = replace(Holder.this_process("t"), host="snail", pid=77, realm="", since=0.0)
    assert claim(folder_of(cell, 3, results).path, holder)
    return ["--suite", suite, "--results", results, "--seeds", "0-4"]


def test_status_says_how_every_run_stands(where) -> None:
    shown = bench("status", *where)
    assert shown.exit_code == 0, shown.output
    head, running, failed, stopped, *missing = shown.output.splitlines()
    assert head == (
        "tiny, budget short: 2 cells, 0 done; 10 runs: 1 done, 1 running, 1 stopped, 1 failed, 6 missing"
    )
    assert running.startswith(
        "running  predator_prey_2-v1  maddpg  seed 3  120/240 steps, return 14, on snail, process 77, since"
    )
    assert running.endswith(", 1s left")
    assert failed == "failed  predator_prey_2-v1  maddpg  seed 1  OSError: broken (step 120)"
    assert stopped == "stopped  predator_prey_2-v1  maddpg  seed 2  120/240 steps, return 13"
    assert missing == [
        "missing  predator_prey_2-v1  maddpg  seed 4  240 steps each",
        "missing  predator_prey_2-v1  vm3ac  seeds 0-4  240 steps each",
    ]


def test_status_for_programs(where) -> None:
    found = json.loads(bench("status", *where, "--agents", "maddpg", "--format", "json").output)
    assert found["counts"] == {"done": 1, "running": 1, "stopped": 1, "failed": 1, "missing": 1}
    run = next(run for run in found["runs"] if run["state"] == "running")
    assert (run["host"], run["pid"], run["seed"], run["step"], run["steps"]) == ("snail", 77, 3, 120, 240)
    assert run["seconds_left"] == pytest.approx(1.0)
    assert [cell["seeds"] for cell in found["missing"]] == [[4]]


def test_status_of_a_process_that_died_here(where) -> None:
    cell, _ = fake.cells()
    holder = replace(Holder.this_process("t"), born="1")
    assert claim(folder_of(cell, 2, Path(where[3])).path, holder)
    shown = bench("status", *where).output
    assert "stopped  predator_prey_2-v1  maddpg  seed 2" in shown
    assert f"its process {holder.pid} on {holder.host} has died" in shown


def test_status_of_nothing_and_of_what_is_none(tmp_path: Path) -> None:
    for command in ("status", "retry"):
        refused = bench(command, "--results", tmp_path / "none")
        assert refused.exit_code != 0
        assert f"there is no results folder {tmp_path / 'none'}; name another" in refused.output
    (tmp_path / "none").mkdir()
    shown = bench("status", "--results", tmp_path / "none", "--seeds", "0")
    assert shown.exit_code == 0
    head, *missing, rest = shown.output.splitlines()
    n_cells = len(read_suite("coordination").cells())
    assert head.endswith(f" {n_cells} runs: {n_cells} missing")
    assert len(missing) == 20
    assert rest == f"missing  and {n_cells - 20} more cells; --all shows them"
    whole = bench("status", "--results", tmp_path / "none", "--seeds", "0", "--all")
    assert len(whole.output.splitlines()) == n_cells + 1
    (tmp_path / "none").rmdir()
    (tmp_path / "photos" / "2020").mkdir(parents=True)
    refused = bench("status", "--results", tmp_path)
    assert refused.exit_code == 2
    assert "holds folders that are no records, e.g. photos; name a new or empty" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_logs_show_tracebacks_and_output(where) -> None:
    cell, _ = fake.cells()
    results = Path(where[3])
    (cell_folder(cell, results) / "log_0-2.txt").write_text("one\ntwo\nthree\n")
    (cell_folder(cell, results) / "log_3.txt").write_text("not mine\n")
    for wanted in ("predator_prey_2-v1/maddpg/seed_1", folder_of(cell, 1, results).path):
        shown = bench("logs", wanted, "--results", results, "--lines", "2")
        assert shown.exit_code == 0, shown.output
        lines = shown.output.splitlines()
        assert lines[0].endswith("/seed_1: failed at step 120")
        assert lines[1:3] == ["Traceback ...", "OSError: broken"]
        assert lines[4:] == ["two", "three"]
    assert "seed_3: running" in bench("logs", "maddpg", "--results", results).output
    wrong = bench("logs", "predator_prey_2-v1/madpg", "--results", results)
    assert wrong.exit_code == 2
    assert f"did you mean 'predator_prey_2-v1/maddpg-{cell.settings_hash}'?" in wrong.stderr


def test_retry_clears_the_failed_runs_that_are_meant(where) -> None:
    cell, _ = fake.cells()
    folder = folder_of(cell, 1, Path(where[3]))
    assert bench("retry", *where, "--agents", "vm3ac").output.startswith("0 failed runs")
    assert folder.status == "failed"
    done = bench("retry", *where)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        str(folder.path),
        "1 failed run will be trained again by the next `bench run`",
    ]
    assert folder.status == "missing"
    assert folder_of(cell, 0, Path(where[3])).status == "done"


def test_retry_goes_on_from_a_checkpoint_and_forgets_crashes(where) -> None:
    cell, _ = fake.cells()
    results = Path(where[3])
    folder = folder_of(cell, 1, results)
    count_crash(Stack(cell, (1,)), {1: folder}, "once", "")
    checkpoint = cell_folder(cell, results) / "checkpoint_1-2"
    checkpoint.mkdir()
    (checkpoint / "generation_1.json").write_text("{}")
    assert bench("retry", *where).exit_code == 0
    assert folder.status == "running"
    assert crashes(folder)["count"] == 0
