"""Records in other formats: the long table, marl-eval's JSON out and in, and files of strangers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from coordbench.analysis.exchange.importing import read_marl_eval
from coordbench.analysis.exchange.long_table import COLUMNS, long_table, to_csv, to_parquet
from coordbench.analysis.exchange.marl_eval import marl_eval
from coordbench.analysis.reading import read_runs, read_tables
from coordbench.analysis.records import RecordError
from record_factory import HUNT, NAVIGATION, evaluation_content, folder_of, run_content, write_run

ABSOLUTE = {
    "step": 50,
    "chosen_return": -30.0,
    "start_seed": 5,
    "mode": "greedy",
    "return": [-20.0, -40.0, -30.0],
    "episode_length": [25, 25, 25],
    "metrics": {"collisions": [0.0, 1.0, 2.0]},
}


def write(results: Path, agent: str, task: str, seed: int, absolute: bool = True, **options: Any) -> None:
    folder = folder_of(results, content := run_content(agent, task, seed, **options))
    folder.start(content)
    for step, value in ((0, -50.0), (50, -30.0 - seed), (100, -35.0)):
        folder.append(evaluation_content(step, value))
    if absolute:
        folder.keep_absolute(ABSOLUTE)
    folder.finish(100, 25, 10.0)


def everything(results: Path, absolute: bool = True) -> None:
    for agent in ("Alpha", "beta"):
        for task in (NAVIGATION, HUNT):
            for seed in (0, 3):
                write(results, agent, task, seed, absolute)


def test_the_long_table_holds_every_number_once(tmp_path) -> None:
    everything(tmp_path)
    table = long_table(read_runs(tmp_path))
    assert list(table.columns) == list(COLUMNS)
    n_runs, n_evaluations, n_metrics = 8, 3, 3
    kinds = table["kind"].value_counts()
    assert kinds["evaluation"] == n_runs * n_evaluations * n_metrics * 2
    assert kinds["absolute"] == n_runs * n_metrics * 3
    assert kinds["training"] == n_runs * n_evaluations
    key = ["task", "agent", "seed", "kind", "step", "metric", "episode"]
    assert not table.duplicated(key).any()
    mine = table[(table["task"] == NAVIGATION) & (table["agent"] == "beta") & (table["seed"] == 3)]
    returns = mine[(mine["metric"] == "return") & (mine["kind"] == "evaluation") & (mine["step"] == 50)]
    assert returns["value"].tolist() == [-34.0, -32.0]
    assert set(returns["unit"]) == {"mean over members"}
    assert mine[mine["metric"] == "collisions"]["unit"].isna().all()
    assert set(table["source"]) == {"coordbench"}


def test_csv_and_parquet_hold_the_same(tmp_path) -> None:
    pytest.importorskip("pyarrow")
    everything(tmp_path)
    table = long_table(read_runs(tmp_path))
    (tmp_path / "t.csv").write_bytes(to_csv(table))
    (tmp_path / "t.parquet").write_bytes(to_parquet(table))
    from_csv = pd.read_csv(tmp_path / "t.csv").astype(COLUMNS)
    pd.testing.assert_frame_equal(from_csv, table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet").astype(COLUMNS), table)


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, monkeypatch) -> None:
    everything(tmp_path)

    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    with pytest.raises(RecordError, match=r"coordbench\[parquet\]"):
        to_parquet(long_table(read_runs(tmp_path)))


def test_marl_eval_levels_and_steps(tmp_path) -> None:
    everything(tmp_path)
    found = marl_eval(read_tables(tmp_path))
    assert found.notes == ()
    assert list(found.content) == ["toy_v1_quick"]
    tasks = found.content["toy_v1_quick"]
    assert list(tasks) == [HUNT, NAVIGATION]
    assert list(tasks[HUNT]) == ["alpha", "beta"]
    assert list(tasks[HUNT]["beta"]) == ["seed_0", "seed_3"]
    run = tasks[HUNT]["beta"]["seed_3"]
    assert list(run) == ["step_0", "step_1", "step_2", "absolute_metrics"]
    assert run["step_1"] == {
        "step_count": 50,
        "elapsed_time": 5.0,
        "return": [-34.0, -32.0],
        "episode_length": [25.0, 25.0],
        "collisions": [0.0, 2.0],
    }
    assert run["step_0"]["elapsed_time"] == 0
    assert set(run["absolute_metrics"]) == set(run["step_0"]) - {"step_count"}  # marl-eval's own check
    assert run["absolute_metrics"]["return"] == ABSOLUTE["return"]


def test_marl_eval_says_what_it_leaves_out_and_what_is_uneven(tmp_path) -> None:
    write(tmp_path, "alpha", NAVIGATION, 0)
    write(tmp_path, "alpha", NAVIGATION, 1, absolute=False)
    write(tmp_path, "beta", HUNT, 0, settings={"beta": 0.1, "gamma": 1})
    write(tmp_path, "beta", HUNT, 0, settings={"beta": 0.2, "gamma": 2})
    write_run(tmp_path, run_content("alpha", NAVIGATION, 2), (-40.0,), "running")
    found = marl_eval(read_tables(tmp_path))
    notes = "\n".join(found.notes)
    for part in (
        "left out 1 of 5 runs",
        "for 1 of 4 runs have none",
        "different algorithms",
        "different seeds",
    ):
        assert part in notes
    tasks = found.content["toy_v1_quick"]
    assert "absolute_metrics" not in tasks[NAVIGATION]["alpha"]["seed_0"]
    assert list(tasks[HUNT]) == ["beta [beta=0.1; gamma=1]", "beta [beta=0.2; gamma=2]"]


def test_budgets_are_environments_and_nothing_done_is_an_error(tmp_path) -> None:
    write(tmp_path, "alpha", NAVIGATION, 0)
    write(tmp_path, "alpha", NAVIGATION, 0, budget="Paper")
    assert set(marl_eval(read_tables(tmp_path)).content) == {"toy_v1_quick", "toy_v1_paper"}
    write_run(tmp_path / "other", run_content(), (-40.0,), "running")
    with pytest.raises(RecordError, match="no run is done yet"):
        marl_eval(read_tables(tmp_path / "other"))


def test_names_that_differ_in_case_alone_are_refused(tmp_path) -> None:
    for agent in ("alpha", "Alpha"):
        write(tmp_path, agent, NAVIGATION, 0)
    with pytest.raises(RecordError, match="both be called 'seed_0' in lower case"):
        marl_eval(read_tables(tmp_path))


MAVA = {
    "Matrax": {
        "Climbing-stateless-v0": {
            "ff_ippo": {
                "seed_7": {
                    "absolute_metrics": {"mean_episode_return": [174.9], "steps_per_second": [2747.5]},
                    "step_1": {
                        "step_count": 61440,
                        "elapsed_time": 6.8,
                        "mean_episode_return": [-10.5],
                        "steps_per_second": [27504.7],
                    },
                    "step_0": {
                        "step_count": 30720,
                        "elapsed_time": 0.0,
                        "mean_episode_return": [-79.1],
                        "steps_per_second": [float("nan")],
                    },
                }
            }
        }
    }
}
"""In the form of Mava's logger: means alone."""

BENCHMARL = {
    "vmas": {
        "balance": {
            "mappo": {
                "seed_0": {
                    "absolute_metrics": {"agents_return": [30.0], "return": [30.0]},
                    **{
                        f"step_{n}": {
                            "step_count": 6000 * n,
                            "agents_return": [10.0 * n, 20.0],
                            "return": [10.0 * n, 20.0],
                        }
                        for n in range(11)
                    },
                }
            }
        }
    }
}
"""In the form of BenchMARL's writer: lists of episodes, no times."""


def file(folder: Path, content: Any) -> Path:
    path = folder / "runs.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_mavas_and_benchmarls_files_are_understood(tmp_path) -> None:
    (run,) = read_marl_eval(file(tmp_path, MAVA))
    assert (run.environment, run.task, run.algorithm, run.seed) == (
        *("Matrax", "Climbing-stateless-v0", "ff_ippo", 7),
    )
    assert (run.metric, run.steps, run.every, run.episodes) == ("mean_episode_return", 61440, 30720, 1)
    assert [one["step"] for one in run.evaluations] == [30720, 61440]
    assert run.evaluations[0]["metrics"] == {"steps_per_second": [None]}
    assert run.evaluations[1]["seconds"] == 6.8
    (run,) = read_marl_eval(file(tmp_path, BENCHMARL))
    assert [one["step"] for one in run.evaluations] == [6000 * n for n in range(11)]
    assert run.evaluations[10]["return"] == [100.0, 20.0]
    assert (run.metric, run.episodes, run.metrics) == ("return", 2, ["agents_return"])
    (run,) = read_marl_eval(file(tmp_path, BENCHMARL), "agents_return")
    assert (run.metric, run.metrics) == ("agents_return", ["return"])


def test_what_is_exported_can_be_imported(tmp_path) -> None:
    everything(tmp_path)
    content = marl_eval(read_tables(tmp_path)).content
    runs = read_marl_eval(file(tmp_path, content))
    assert len(runs) == 8
    (run,) = [r for r in runs if (r.task, r.algorithm, r.seed) == (HUNT, "beta", 3)]
    assert [(one["step"], one["return"]) for one in run.evaluations][1] == (50, [-34.0, -32.0])
    assert run.evaluations[1]["episode_length"] == [25.0, 25.0]


def step(**values: Any) -> dict[str, Any]:
    return {"e": {"t": {"a": {"seed_0": {"step_0": {"step_count": 0, "return": [1.0], **values}}}}}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no JSON of marl-eval"),
        ("{" * 3 + '"', "no JSON of marl-eval"),
        ("[" * 100_000, "nested too deep"),
        ('{"a": 1, "a": 2}', "a stands twice"),
        ([], "must be an object, got \\[\\]"),
        ({}, "holds no runs"),
        ({"e": {"t": [1]}}, "t must be an object"),
        ({"e": {"t": {"a": {"seed_0": {"step_0": 3}}}}}, "e/t/a/seed_0/step_0 must be an object, got 3"),
        ({"e": {"t": {"a": {"seed_0": {"absolute_metrics": {}}}}}}, "holds no evaluation"),
        (step(step_count="5"), "step_count must be a whole number from 0, got 5"),
        (step(step_count=True), "step_count must be a whole number"),
        (step(step_count=1.5), "step_count must be a whole number"),
        (step(step_count=-1), "step_count must be a whole number"),
        (step(step_count=10**400), "step_count must be a whole number"),
        (step(**{"return": [float("nan")]}), "return must be a list of finite numbers"),
        (step(**{"return": [10**400]}), "return must be a list of finite numbers"),
        (step(**{"return": ["1"]}), "return must be a list of finite numbers"),
        (step(**{"return": []}), "return must be a list of finite numbers"),
        (step(**{"return": [[1.0]]}), "return must be a list of finite numbers"),
        ({"e": {"t": {"a": {"s": {"step_0": {"step_count": 0, "win": [1]}}}}}}, "has no return; name one"),
        (
            {"e": {"t": {"a": {"s": {x: {"step_count": 1, "return": [1]} for x in "ab"}}}}},
            "another evaluation has the same step_count",
        ),
    ],
)  # fmt: skip
def test_a_strangers_file_is_refused_in_one_line(tmp_path, content: Any, message: str) -> None:
    path = file(tmp_path, content)
    with pytest.raises(RecordError, match=message) as caught:
        read_marl_eval(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_file_that_is_missing_or_binary_or_too_long_is_refused(tmp_path, monkeypatch) -> None:
    with pytest.raises(RecordError, match=r"cannot read .*none\.json"):
        read_marl_eval(tmp_path / "none.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(RecordError, match="no JSON"):
        read_marl_eval(tmp_path / "b.json")
    monkeypatch.setattr("coordbench.analysis.exchange.importing.MAX_BYTES", 10)
    with pytest.raises(RecordError, match="split it"):
        read_marl_eval(file(tmp_path, MAVA))


def test_runs_without_a_number_get_their_place(tmp_path) -> None:
    run = BENCHMARL["vmas"]["balance"]["mappo"]["seed_0"]
    content = {"vmas": {"balance": {"mappo": {"hash_ab": run, "seed_3": run}}}}
    assert [found.seed for found in read_marl_eval(file(tmp_path, content))] == [0, 1]
