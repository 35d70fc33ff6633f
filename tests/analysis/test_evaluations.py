"""Reading evaluations quickly takes what the careful way takes, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coordbench.analysis import RecordError, read_runs, reading
from coordbench.analysis.evaluation_files import read_evaluations
from coordbench.analysis.evaluations import Recorded, plain_track, track
from coordbench.analysis.winning import values_of
from hypothesis import given, settings
from hypothesis import strategies as st
from record_factory import evaluation_content, run_content, write_run

ODD: dict[str, Any] = {
    "a word for a number": {"return": ["a", "b"]},
    "a truth for a number": {"return": [True, 1.0]},
    "none for a return": {"return": [None, 1.0]},
    "other numbers of episodes": {"episode_length": [25]},
    "no episode": {"return": [], "episode_length": [], "metrics": {}},
    "a metric that is no list": {"metrics": {"collisions": 1.0}},
    "metrics that are a list": {"metrics": [1.0, 2.0]},
    "a step that is no whole number": {"step": 50.0},
    "a truth for a count": {"updates": True},
    "a word for seconds": {"seconds": "3"},
    "a name that cannot be seen": {"training": {"loss\u202e": 1.0}},
    "a word for a loss": {"training": {"loss": "low"}},
    "a huge number": {"training": {"loss": 1e301}},
    "a huge whole number": {"updates": 2**70},
}


def line(**others: Any) -> bytes:
    return json.dumps({**evaluation_content(50, -20.0), **others}).encode()


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_is_odd_is_left_to_the_careful_check(tmp_path: Path, odd: dict[str, Any]) -> None:
    assert plain_track([line()], None) is not None
    assert plain_track([line(**odd)], None) is None
    path = tmp_path / "evaluations.jsonl"
    path.write_bytes(line(**odd) + b"\n")
    with pytest.raises(RecordError, match="line 1"):
        read_evaluations(path)


@pytest.mark.parametrize(
    "lines",
    [
        [b""],
        [b"[]"],
        [b"nothing"],
        [line() + b" {}"],
        [line()[:-1]],
        [line(), line()],
        [line().replace(b"-21.0", b"NaN")],
        [line().replace(b"-21.0", b"1e999")],
        [b'{"a": {}', b'"b": 1}'],
    ],
)
def test_what_is_no_line_of_json_is_refused(lines: list[bytes], tmp_path: Path) -> None:
    assert plain_track(lines, None) is None
    path = tmp_path / "evaluations.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(RecordError, match="restore the file"):
        read_evaluations(path)


numbers = st.floats(-1e9, 1e9)


@settings(deadline=None)
@given(st.lists(st.lists(numbers, min_size=3, max_size=3), max_size=5), st.none() | numbers)
def test_columns_are_those_of_the_evaluations(returns: list[list[float]], loss: float | None) -> None:
    lines = [
        line(
            step=10 * place,
            **{"return": values, "episode_length": [1, 2, 3]},
            metrics={"wins": [0, 1.0, 1]},
            training={"loss": loss},
        )
        for place, values in enumerate(returns)
    ]
    found = plain_track(lines, "wins")
    assert found is not None
    assert found.step.tolist() == [10 * place for place in range(len(returns))]
    assert found.mean_return.tolist() == [sum(values) / 3 for values in returns]
    assert found.won is not None
    assert found.won.tolist() == [2 / 3] * len(returns)


def test_who_won_must_be_told_of_every_episode() -> None:
    for told in ([1.0, None], [0.0, 2.0], [-1.0, 0.0]):
        assert plain_track([line(metrics={"wins": told})], "wins") is None
        assert plain_track([line(metrics={"wins": told})], None) is not None
    assert plain_track([line()], "wins") is None


def test_the_rest_of_an_evaluation_is_read_when_it_is_looked_at(tmp_path: Path) -> None:
    write_run(tmp_path, run_content(), (-40.0, -30.0))
    (run,) = read_runs(tmp_path)
    assert isinstance(run.evaluations, Recorded)
    assert len(run.evaluations) == 2
    assert run.track.mean_return.tolist() == [-40.0, -30.0]
    assert run.last_step == 100
    assert values_of(run).tolist() == [-40.0, -30.0]
    assert run.evaluations[-1].metrics == {"collisions": (0.0, 2.0)}
    assert run.evaluations[-1].returns == (-31.0, -29.0)
    assert [one.step for one in run.evaluations] == [50, 100]
    again = track(tuple(run.evaluations))
    for name in ("step", "updates", "seconds", "mean_return"):
        assert np.array_equal(getattr(again, name), getattr(run.track, name))
    (run,) = read_runs(tmp_path)
    (run.path / "evaluations.jsonl").write_bytes(b"")
    with pytest.raises(RecordError, match="had 2 lines and has 0 now"):
        run.evaluations[0]


def test_runs_share_what_their_records_have_in_common(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path, run_content(seed=seed))
    one, two = read_runs(tmp_path)
    assert one.meta["agent"] is two.meta["agent"]
    assert (one.seed, two.seed) == (0, 1)
    assert one.meta == {**run_content(seed=0), "format": 1}


def test_several_processes_read_what_one_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(7):
        write_run(tmp_path, run_content(seed=seed), (-40.0 - seed, -30.0))
    alone = read_runs(tmp_path)
    monkeypatch.setattr(reading, "_MANY_RUNS", 2)
    monkeypatch.setattr(reading, "_PIECE", 3)
    monkeypatch.setattr(reading.os, "cpu_count", lambda: 2)
    together = read_runs(tmp_path)
    assert [run.seed for run in together] == list(range(7))
    for one, other in zip(alone, together, strict=True):
        assert (one.path, one.meta, one.status, one.torn) == (
            other.path,
            other.meta,
            other.status,
            other.torn,
        )
        assert np.array_equal(one.track.step, other.track.step)
        assert list(one.evaluations) == list(other.evaluations)
    (together[3].path / "evaluations.jsonl").write_text("{}\n")
    with pytest.raises(RecordError, match=r"seed_3/evaluations.jsonl line 1: "):
        read_runs(tmp_path)
