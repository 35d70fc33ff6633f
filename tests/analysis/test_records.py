"""Records: what is written is read back, crashes are survived, nonsense is refused in one line."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from coordbench.analysis import RecordError, read_runs, run_folder, settings_hash
from coordbench.analysis.files import write_atomically
from record_factory import evaluation_content, folder_of, run_content, write_run


def one_line(error: pytest.ExceptionInfo[RecordError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = write_run(tmp_path, run_content(seed=4), (-40.0, -30.0))
    (run,) = read_runs(tmp_path)
    assert run.path == folder.path
    assert (run.suite, run.task_id, run.agent_id, run.seed, run.budget) == (
        *("toy", "navigation-v1", "alpha", 4),
        "quick",
    )
    assert (run.status, run.torn, run.done_steps, run.failure, run.steps) == ("done", False, 100, None, 100)
    assert [item.step for item in run.evaluations] == [50, 100]
    assert run.evaluations[1].returns == (-31.0, -29.0)
    assert run.evaluations[1].mean_return == -30.0
    assert run.evaluations[1].metrics == {"collisions": (0.0, 2.0)}
    assert run.meta["agent"]["settings"] == {"beta": 0.1}
    assert run.meta["format"] == 1
    assert {path.name for path in folder.path.iterdir()} == {"run.json", "evaluations.jsonl", "done.json"}


def test_the_folder_of_a_run_can_be_computed(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, "toy", "hunt-v1", "vm3ac", "abc123", 6)
    assert folder.path == tmp_path / "toy" / "hunt-v1" / "vm3ac-abc123" / "seed_6"
    assert folder.status == "missing"


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a:b", "-x"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a folder"):
        run_folder(tmp_path, "toy", name, "vm3ac", "abc123", 0)


def test_settings_hash_is_stable_and_tells_settings_apart() -> None:
    assert settings_hash({"a": 1, "b": (0.5, None)}) == settings_hash({"b": [0.5, None], "a": np.int64(1)})
    assert settings_hash({"a": 1}) != settings_hash({"a": 2})
    assert settings_hash({"beta": 0.1}) == "d2a04f85cb"


def test_status_follows_a_run_through_its_life(tmp_path: Path) -> None:
    content = run_content()
    folder = folder_of(tmp_path, content)
    folder.start(content)
    assert folder.status == "running"
    folder.append(evaluation_content(50, 1.0))
    with pytest.raises(RecordError, match=r"already holds a run \(running\)"):
        folder.start(content)
    folder.fail("not finite: critic_loss", 60, "Traceback …")
    assert folder.status == "failed"
    (run,) = read_runs(tmp_path)
    assert run.failure == "not finite: critic_loss (step 60)"
    assert len(run.evaluations) == 1
    (folder.path / "checkpoint").write_text("of somebody else")
    folder.clear()
    assert folder.status == "missing"
    assert [path.name for path in folder.path.iterdir()] == ["checkpoint"]
    folder.start(content)
    folder.finish(100, 25, 3.0)
    assert folder.status == "done"
    assert read_runs(tmp_path)[0].evaluations == ()


def test_leftover_evaluations_of_a_cleared_run_do_not_enter_the_next(tmp_path: Path) -> None:
    content = run_content()
    folder = write_run(tmp_path, content, (7.0,), "running")
    (folder.path / "run.json").unlink()  # a crash in the middle of clear()
    folder.start(content)
    assert read_runs(tmp_path)[0].evaluations == ()


def test_training_values_that_are_not_finite_become_null(tmp_path: Path) -> None:
    content = run_content()
    folder = folder_of(tmp_path, content)
    folder.start(content)
    measured = {"training": {"loss": math.nan, "norm": np.float32(np.inf), "entropy": np.float64(0.25)}}
    arrays = {"return": np.array([1.0, 2.0]), "metrics": {"collisions": np.array([np.nan, 3.0])}}
    folder.append(evaluation_content(50, 0.0) | arrays | measured)
    line = (folder.path / "evaluations.jsonl").read_text()
    assert "NaN" not in line
    assert "Infinity" not in line
    (evaluation,) = read_runs(tmp_path)[0].evaluations
    assert evaluation.training == {"loss": None, "norm": None, "entropy": 0.25}
    assert evaluation.metrics == {"collisions": (None, 3.0)}
    assert evaluation.returns == (1.0, 2.0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"return": [1.0, math.nan]}, "'return' must hold finite numbers"),
        ({"return": []}, "'return' holds no episode"),
        ({"episode_length": [25]}, "'episode_length' must be a list of 2"),
        ({"metrics": {"collisions": [1.0]}}, "'metrics.collisions' must be a list of 2"),
        ({"step": 1.5}, "'step' has the wrong type"),
        ({"training": {"loss": "high"}}, "'training' must hold finite numbers"),
    ],
)
def test_a_wrong_evaluation_is_refused_before_it_is_written(
    tmp_path: Path, wrong: dict[str, object], says: str
) -> None:
    folder = write_run(tmp_path, run_content(), (1.0,), "running")
    with pytest.raises(RecordError) as error:
        folder.append(evaluation_content(100, 0.0) | wrong)
    assert says in one_line(error)
    assert len(read_runs(tmp_path)[0].evaluations) == 1


def test_a_run_with_a_missing_field_is_refused(tmp_path: Path) -> None:
    content = run_content()
    del content["evaluation"]["score_last"]
    with pytest.raises(RecordError, match=r"'evaluation\.score_last' is missing"):
        folder_of(tmp_path, content).start(content)


def test_a_torn_last_line_is_left_out_and_reported_and_the_next_append_mends_it(tmp_path: Path) -> None:
    folder = write_run(tmp_path, run_content(), (1.0,), "running")
    path = folder.path / "evaluations.jsonl"
    with path.open("a") as file:
        file.write('{"step":100,"upda')
    (run,) = read_runs(tmp_path)
    assert run.torn
    assert [item.step for item in run.evaluations] == [50]
    folder.append(evaluation_content(100, 3.0))
    (run,) = read_runs(tmp_path)
    assert not run.torn
    assert [item.mean_return for item in run.evaluations] == [1.0, 3.0]


@pytest.mark.parametrize(
    ("bad_line", "says"),
    [
        ('{"step":100,"upda', "line 2"),
        ("[1, 2]", "expected a JSON object"),
        (json.dumps(evaluation_content(50, 0.0)), "step 50 does not follow step 50"),
        (json.dumps(evaluation_content(100, 0.0) | {"return": [math.nan, 1.0]}), "NaN is not JSON"),
        ("\x00\x00", "line 2"),
    ],
)
def test_a_corrupt_line_is_one_clear_error(tmp_path: Path, bad_line: str, says: str) -> None:
    folder = write_run(tmp_path, run_content(), (1.0,), "running")
    path = folder.path / "evaluations.jsonl"
    with path.open("a") as file:
        file.write(bad_line + "\n")
    with pytest.raises(RecordError) as error:
        read_runs(tmp_path)
    text = one_line(error)
    assert says in text
    assert f"{path} line 2" in text
    assert f"remove {folder.path} and repeat the run" in text


@pytest.mark.parametrize("text", ["", "{", '{"format": 1}', '{"format": 99}'])
def test_a_corrupt_run_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    folder = write_run(tmp_path, run_content())
    (folder.path / "run.json").write_text(text)
    with pytest.raises(RecordError) as error:
        read_runs(tmp_path)
    assert str(folder.path / "run.json") in one_line(error)


def test_a_copied_run_is_not_counted_twice(tmp_path: Path) -> None:
    folder = write_run(tmp_path, run_content(seed=0))
    copy = folder.path.with_name("seed_1")
    copy.mkdir()
    (copy / "run.json").write_bytes((folder.path / "run.json").read_bytes())
    with pytest.raises(RecordError, match=r"says that it belongs in .*seed_0"):
        read_runs(tmp_path)


def test_suites_are_told_apart_and_misspelt_ones_get_a_hint(tmp_path: Path) -> None:
    write_run(tmp_path, run_content(suite="coordination"))
    write_run(tmp_path, run_content(suite="other"))
    assert [run.suite for run in read_runs(tmp_path)] == ["coordination", "other"]
    assert [run.suite for run in read_runs(tmp_path, "other")] == ["other"]
    with pytest.raises(RecordError, match="did you mean 'coordination'"):
        read_runs(tmp_path, "cordination")
    with pytest.raises(RecordError, match="there is no results folder"):
        read_runs(tmp_path / "nowhere")


def test_an_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    with pytest.raises(RecordError) as error:
        write_run(tmp_path / "results", run_content())
    assert "cannot write" in one_line(error)
    assert "choose another folder" in one_line(error)


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    write_atomically(path, "old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize("again", ["cut", "clear"])
def test_what_a_killed_write_has_left_goes_when_the_run_goes_on_or_begins_anew(
    tmp_path: Path, again: str
) -> None:
    folder = write_run(tmp_path, run_content(), (7.0,), "running")
    killed = (
        "import os, sys; from pathlib import Path; from coordbench.analysis.files import write_atomically;"
        "os.replace = lambda *paths: os._exit(9); write_atomically(Path(sys.argv[1]), b'half')"
    )
    for name in ("best.safetensors", "of_somebody_else"):
        process = subprocess.run([sys.executable, "-c", killed, str(folder.path / name)], check=False)
        assert process.returncode == 9
    assert len(list(folder.path.glob(".*.tmp"))) == 2
    folder.cut(folder.cursor()) if again == "cut" else folder.clear()
    assert [path.name.split(".")[1] for path in folder.path.glob(".*.tmp")] == ["of_somebody_else"]
