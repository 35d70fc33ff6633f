"""Scores: the run's return, the fixed references, their file."""

import math
from pathlib import Path

import pytest
from coordbench.analysis import (
    RecordError,
    TaskReference,
    read_runs,
    reference_scores,
    write_reference_scores,
)
from coordbench.analysis.scores import run_return
from record_factory import NAVIGATION, REFERENCES, run_content, write_run


def test_score_is_0_for_random_1_for_the_reference_and_not_clipped() -> None:
    reference = REFERENCES.tasks[NAVIGATION]
    assert [reference.score(value) for value in (-50.0, -10.0, -40.0, -60.0, 0.0)] == [
        0,
        1,
        0.25,
        -0.25,
        1.25,
    ]
    assert math.isnan(reference.score(math.nan))


@pytest.mark.parametrize(
    ("returns", "score_last", "expected"),
    [((-40.0, -30.0, -20.0), 2, -25.0), ((-40.0, -30.0), 10, -35.0), ((-40.0,), 1, -40.0), ((), 3, math.nan)],
)
def test_return_of_a_run_is_the_mean_of_its_last_evaluations(
    tmp_path: Path, returns: tuple[float, ...], score_last: int, expected: float
) -> None:
    write_run(tmp_path, run_content(score_last=score_last), returns, "running")
    assert run_return(read_runs(tmp_path)[0]) == pytest.approx(expected, nan_ok=True)


def test_the_evaluation_before_training_counts_only_when_it_is_alone(tmp_path: Path) -> None:
    folder = write_run(tmp_path, run_content(score_last=5), (), "running")
    line = (
        '{"step":%d,"updates":0,"seconds":0,"return":[%f],"episode_length":[1],"metrics":{},"training":{}}\n'
    )
    path = folder.path / "evaluations.jsonl"
    path.write_text(line % (0, -90.0))
    assert run_return(read_runs(tmp_path)[0]) == -90.0
    path.write_text(line % (0, -90.0) + line % (50, -30.0))
    assert run_return(read_runs(tmp_path)[0]) == -30.0


def test_reference_scores_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "references.json"
    write_reference_scores(path, REFERENCES.tasks, version=3)
    assert reference_scores(path) == REFERENCES


def test_the_packaged_file_is_understood() -> None:
    assert reference_scores().version >= 0


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 1}', '{"version": 1, "tasks": {"a-v1": {"random": 1}}}']
)
def test_a_corrupt_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "references.json"
    path.write_text(text)
    with pytest.raises(RecordError, match="holds no reference scores") as error:
        reference_scores(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(RecordError, match="cannot read the reference scores"):
        reference_scores(tmp_path / "none.json")


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0)])
def test_a_reference_no_better_than_random_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"must do better|must be finite"):
        TaskReference(low, high, 10, {}, 0)
