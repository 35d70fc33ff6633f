"""`bench export` and `bench import` as a user types them; external runs in tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from coordbench.analysis.reading import read_runs
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.startup import provenance
from coordbench.benchmarks.suites.suite_file import read_suite
from fake_training import TINY, cells, finish, start

TASK = "predator_prey_2-v1"
UNIT = "team (shared reward)"


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(*arguments: str | Path) -> str:
    result = bench(*arguments)
    assert result.exit_code == 2, result.output
    assert result.output.count("\n") == 1
    return result.output


def run_of(steps: int = 240, every: int = 120, value: float = 7.0, episodes: int = 2) -> dict[str, Any]:
    numbers = range(0, steps + 1, every)
    return {
        "absolute_metrics": {"return": [99.0]},
        **{f"step_{n}": {"step_count": s, "return": [value] * episodes} for n, s in enumerate(numbers)},
    }


def write(folder: Path, content: Any, name: str = "theirs.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    runs = {f"seed_{seed}": run_of(value=7.0 + seed) for seed in (0, 1)}
    return write(tmp_path, {"mpe": {"hunt": {"maddpg": runs, "qmix": runs}}})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_external_runs_have_tables_of_their_own_and_are_marked(theirs, results, tmp_path) -> None:
    for cell in cells():
        finish(cell, 0, results)
    result = bench("import", theirs, "--results", results, "--suite", "tiny")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("4 external runs imported")
    assert bench("leaderboard", "--results", results, "--out", tmp_path / "t").exit_code == 0
    tables = {path.parent.relative_to(tmp_path / "t"): path for path in (tmp_path / "t").rglob("tasks.csv")}
    assert set(map(str, tables)) == {"version_1/short", "version_external/external"}
    rows = list(csv.DictReader(tables[Path("version_external/external")].open()))
    assert [(row["agent"], row["return"], row["seeds"]) for row in rows] == [
        ("maddpg (external)", "7.5", "2"),
        ("qmix (external)", "7.5", "2"),
    ]
    assert {row["return_unit"] for row in rows} == {"return as in the file"}
    page = (tables[Path("version_external/external")].parent / "LEADERBOARD.md").read_text()
    assert "source marl-eval JSON" in page
    assert "theirs.json" in page
    ours = list(csv.DictReader(tables[Path("version_1/short")].open()))
    assert {row["agent"] for row in ours} == {"maddpg", "vm3ac"}


def test_a_second_import_changes_nothing_and_another_file_is_no_overwrite(theirs, results, tmp_path) -> None:
    bench("import", theirs, "--results", results, "--suite", "theirs")
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    again = bench("import", theirs, "--results", results, "--suite", "theirs")
    assert "0 external runs imported" in again.output
    assert "4 were there already" in again.output
    other = write(tmp_path, {"mpe": {"hunt": {"qmix": {"seed_1": run_of(value=1.0)}}}}, "other.json")
    assert "already holds a run from theirs.json" in refused(
        "import", other, "--results", results, "--suite", "theirs"
    )
    assert before == {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    for path in results.rglob("done.json"):
        path.unlink()  # an import that was cut off
        break
    assert (
        "1 external runs imported"
        in bench("import", theirs, "--results", results, "--suite", "theirs").output
    )


def joining(file: Path, results: Path, suite: Path, *more: str, unit: str = UNIT) -> list[str | Path]:
    renames = ["--task", f"hunt={TASK}", "--mode", "greedy", "--return-unit", unit]
    return ["import", file, "--results", results, "--suite", suite, "--budget", "short", *renames, *more]


def test_runs_join_our_table_where_everything_fits(theirs, results, tmp_path) -> None:
    suite = tmp_path / "tiny.toml"
    suite.write_text(TINY)
    for cell in cells():
        for seed in (0, 1):
            finish(cell, seed, results)
    result = bench(*joining(theirs, results, suite))
    assert result.exit_code == 0, result.output
    assert bench("leaderboard", "--results", results, "--out", tmp_path / "t").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "t" / "tasks.csv").open()))
    assert {row["agent"]: row["return"] for row in rows} == {
        "maddpg": "11.5",
        "maddpg (external)": "7.5",
        "qmix (external)": "7.5",
        "vm3ac": "11.5",
    }
    cell = read_suite(suite).cells()[0]
    external = [run for run in read_runs(results) if "source" in run.meta["provenance"]]
    assert {run.meta["evaluation"]["score_last"] for run in external} == {cell.evaluation.score_last}
    assert all(run.meta["task"]["settings"] == cell.task_settings for run in external)


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        (run_of(steps=360), (), "steps is 360 there and 240 here"),
        (run_of(every=60), (), "steps between evaluations is 60 there and 120 here"),
        (run_of(episodes=3), (), r"episodes an evaluation is [3] there and [2] here"),
        (run_of(), ("--mode", "sampled"), "mode of evaluations (--mode) is 'sampled' there and 'greedy'"),
        (run_of(), ("--return-unit", "mean over members"), "unit (--return-unit) is 'mean over members'"),
        (run_of(), ("--task", "hunt=navigation-v1"), "unknown task of suite 'tiny'"),
        (run_of(), ("--budget", "long"), "unknown budget of suite 'tiny'"),
    ],
)
def test_runs_of_another_protocol_do_not_join(run, options, message, results, tmp_path) -> None:
    suite = tmp_path / "tiny.toml"
    suite.write_text(TINY)
    file = write(tmp_path, {"mpe": {"hunt": {"qmix": {"seed_0": run}}}})
    assert message in refused(*joining(file, results, suite, *options))
    assert not results.exists()


@pytest.mark.parametrize(
    "name", ["../../etc", "a/b", "a\\b", "..", "", "a" * 300, "über", "a\nb", "C:x", "-a", "a\0b"]
)
def test_a_name_that_could_lead_elsewhere_is_refused_and_can_be_changed(name, results, tmp_path) -> None:
    for kind, content in (
        ("task", {"e": {name: {"a": {"seed_0": run_of()}}}}),
        ("agent", {"e": {"t": {name: {"seed_0": run_of()}}}}),
    ):
        file = write(tmp_path, content)
        line = refused("import", file, "--results", results, "--suite", "s")
        assert f"the {kind} " in line
        assert f"rename it with --{kind} OLD=NEW" in line
        assert not results.exists()
        if name:
            renamed = bench(
                "import", file, "--results", results, "--suite", "s", f"--{kind}", f"{name}=fine_{kind}"
            )
            assert renamed.exit_code == 0, renamed.output
            assert list(results.glob("s/*/*/seed_0/run.json"))
        if results.exists():
            for path in sorted(results.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            results.rmdir()


def test_what_would_be_mixed_is_refused(theirs, results, tmp_path) -> None:
    arguments = ["import", theirs, "--results", results, "--suite"]
    assert "the suite '../up' cannot name a folder" in refused(*arguments, "../up")
    assert "a second time" in refused("import", theirs, theirs, "--results", results, "--suite", "s")
    assert "write OLD=NEW" in refused(*arguments, "s", "--task", "hunt")
    two = write(tmp_path, {e: {"hunt": {"a": {"seed_0": run_of()}}} for e in ("mpe", "vmas")}, "two.json")
    line = refused("import", two, "--results", results, "--suite", "s")
    assert "mpe/hunt and vmas/hunt would both be the task hunt" in line
    done = bench("import", two, "--results", results, "--suite", "s", "--task", "vmas/hunt=hunt2")
    assert done.exit_code == 0, done.output
    assert "choose another --suite" in refused(*arguments, "s", "--return-unit", "points")


def test_export_writes_files_that_hold_the_runs(results, tmp_path) -> None:
    for cell in cells():
        finish(cell, 0, results)
    out = tmp_path / "out"
    result = bench("export", "--results", results, "--format", "marl-eval", "--out", out / "r.json")
    assert result.exit_code == 0, result.output
    assert "no absolute_metrics, for 2 of 2 runs have none" in result.output
    content = json.loads((out / "r.json").read_text())
    assert set(content["tiny_v1_short"][TASK]) == {"maddpg", "vm3ac"}
    assert content["tiny_v1_short"][TASK]["vm3ac"]["seed_0"]["step_0"]["return"] == [10.0, 12.0]
    chosen = ["--format", "csv", "--out", out / "r.csv", "--agents", "vm3ac"]
    assert bench("export", "--results", results, *chosen).exit_code == 0
    rows = list(csv.DictReader((out / "r.csv").open()))
    assert {(row["agent"], row["metric"]) for row in rows} == {
        ("vm3ac", "return"),
        ("vm3ac", "episode_length"),
    }
    arguments = ["export", "--results", results, "--format", "csv", "--out"]
    assert "did you mean 'vm3ac'" in refused(*arguments, out / "x", "--agents", "vm3a")
    assert "unknown task of these results" in refused(*arguments, out / "x", "--tasks", "y")
    assert "cannot write" in refused(*arguments, out / "r.csv" / "below")
    assert "there is no results folder" in refused(
        "export", "--format", "csv", "--out", "x", "--results", out / "n"
    )


def test_unfinished_runs_are_left_out_of_marl_eval(results, tmp_path) -> None:
    start(cells()[0], 0, results)
    line = refused("export", "--results", results, "--format", "marl-eval", "--out", tmp_path / "x.json")
    assert "no run is done yet" in line
    assert not (tmp_path / "x.json").exists()


def test_provenance_says_what_a_reader_needs_to_repeat_a_run() -> None:
    made = provenance()
    versions = {f"version_{name}" for name in ("coordbench", "torch", "numpy", "numba", "gymnasium")}
    more = {"python", "platform", "cpu", "threads", "matmul_precision", "malloc", "git_revision"}
    assert versions | more <= set(made)
    assert all(made[name] for name in versions | more)
