"""TensorBoard and Weights & Biases from the records: every evaluation once, whatever happens to a run."""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fake_training as fake
import pytest
from click.testing import CliRunner
from coordbench.analysis.records import RunFolder
from coordbench.benchmarks.cli import main
from coordbench.benchmarks.commands import loggers
from coordbench.benchmarks.commands.loggers import RecordLog, scalars


class Notebook:
    """Remembers what it is told."""

    opened: list[Notebook] = []  # noqa: RUF012

    def __init__(self, path: Path, meta: Mapping[str, Any]) -> None:
        self.path, self.meta = path, meta
        self.steps: list[int] = []
        self.is_closed = False
        self.opened.append(self)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        self.steps.append(step)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def notebooks(monkeypatch) -> list[Notebook]:
    Notebook.opened = []
    monkeypatch.setattr(loggers, "_opener", lambda kind: Notebook)
    return Notebook.opened


def a_run(results: Path, seed: int = 0) -> RunFolder:
    return fake.start(fake.cells()[0], seed, results)


def test_lines_are_logged_as_they_come_and_a_cut_run_doubles_nothing(tmp_path, notebooks) -> None:
    folder = a_run(tmp_path)
    log = RecordLog(["any"])
    log.follow(folder)
    log.follow(folder)
    assert log.poll() == 1
    assert log.poll() == 0
    cursor = folder.cursor()
    fake.append(folder, 240, 1.0)
    fake.append(folder, 360, 1.0)
    assert log.poll() == 2
    folder.cut(cursor)  # killed, and resumed from an older checkpoint
    assert log.poll() == 0
    fake.append(folder, 240, 1.0)
    assert log.poll() == 0
    for step in (360, 480):
        fake.append(folder, step, 1.0)
    assert log.poll() == 1
    (notebook,) = notebooks
    assert notebook.steps == [120, 240, 360, 480]
    assert notebook.meta["seed"] == 0
    folder.finish(480, 1, 1.0)
    log.poll()
    assert notebook.is_closed


def test_a_line_that_is_being_written_waits(tmp_path, notebooks) -> None:
    folder = a_run(tmp_path)
    log = RecordLog(["any"])
    log.follow(folder)
    with (folder.path / "evaluations.jsonl").open("a") as file:
        file.write('{"step": 240, "upd')
    assert log.poll() == 1
    fake.append(folder, 240, 1.0)
    assert log.poll() == 1
    log.close()
    assert notebooks[0].steps == [120, 240]
    assert notebooks[0].is_closed


def test_a_run_that_has_not_begun_is_waited_for(tmp_path, notebooks) -> None:
    cell = fake.cells()[0]
    log = RecordLog(["any"])
    log.follow(fake.folder_of(cell, 0, tmp_path))
    assert log.poll() == 0
    a_run(tmp_path)
    assert log.poll() == 1


def test_missing_values_are_left_out() -> None:
    found = scalars(
        {
            "return": [1.0, 3.0],
            "episode_length": [10, 20],
            "metrics": {"hits": [None, 4.0], "never": [None, None]},
            "training": {"loss": None, "return": 5.0},
            "updates": 7,
            "seconds": 1.5,
        }
    )
    assert found == {
        "evaluation/return": 2.0,
        "evaluation/episode_length": 15.0,
        "evaluation/hits": 4.0,
        "training/return": 5.0,
        "updates": 7.0,
        "seconds": 1.5,
    }


def track(*arguments: str | Path) -> Any:
    return CliRunner().invoke(main, ["track", *map(str, arguments)])


def two_runs(results: Path) -> None:
    for seed in (0, 1):
        folder = a_run(results, seed)
        fake.append(folder, 240, 20.0 + seed)
        if seed == 0:
            folder.finish(240, 1, 1.0)


def test_tensorboard_reads_back_what_the_records_hold_however_often_it_is_written(tmp_path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    two_runs(tmp_path)
    for _ in range(2):
        result = track("--results", tmp_path, "--to", "tensorboard")
        assert result.exit_code == 0, result.output
        assert "4 evaluations of 2 runs" in result.output
    folders = sorted((tmp_path / "tiny" / "tensorboard").glob("*/*/seed_*"))
    assert [folder.name for folder in folders] == ["seed_0", "seed_1"]
    for seed, folder in enumerate(folders):
        events = EventAccumulator(str(folder))
        events.Reload()
        found = [(event.step, event.value) for event in events.Scalars("evaluation/return")]
        assert found == [(120, 11.0 + seed), (240, 21.0 + seed)]
        assert "run.json/text_summary" in events.Tags()["tensors"]


def wandb_records(content: bytes) -> Iterator[bytes]:
    """The records of a file of W&B: 7 bytes, then a LevelDB log of blocks of 32 KiB."""
    place, whole = 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # the whole record, or its last part
            yield whole
            whole = b""


def test_wandb_offline_holds_what_the_records_hold(tmp_path, monkeypatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    two_runs(tmp_path)
    assert track("--results", tmp_path, "--to", "wandb").exit_code == 0
    time.sleep(1.1)  # W&B names its folders by the second
    assert track("--results", tmp_path, "--to", "wandb").exit_code == 0
    files = list((tmp_path / "tiny" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2, "one a run, also after the second time"
    expected = {(120, 11.0), (240, 21.0), (120, 12.0), (240, 22.0)}
    until = time.monotonic() + 30
    while (returns := wandb_returns(files)) != expected and time.monotonic() < until:
        time.sleep(0.5)  # W&B writes from a process of its own
    assert returns == expected


def wandb_returns(files) -> set[tuple[int, float]]:
    from wandb.proto import wandb_internal_pb2

    returns = set()
    for file in files:
        for data in wandb_records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            if "evaluation/return" in items:
                returns.add((int(items["_step"]), float(items["evaluation/return"])))
    return returns


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_missing_extra_is_one_line_with_the_remedy(kind: str, tmp_path, monkeypatch) -> None:
    module = "torch.utils.tensorboard" if kind == "tensorboard" else "wandb"
    monkeypatch.setitem(sys.modules, module, None)
    two_runs(tmp_path)
    result = track("--results", tmp_path, "--to", kind)
    assert result.exit_code == 2
    assert f'{kind} is not installed: pip install "coordbench[{kind}]"' in result.output
    assert result.output.count("\n") == 1


def test_bad_choices_are_one_line(tmp_path) -> None:
    for arguments, message in (
        (("--results", tmp_path / "none", "--to", "wandb"), "there is no results folder"),
        (("--results", tmp_path, "--to", "paper"), "unknown log 'paper'; known: tensorboard, wandb"),
        (("--results", tmp_path, "--to", ","), "name a log"),
        (("--results", tmp_path, "--to", "tensorboard"), "holds no records"),
    ):
        result = track(*arguments)
        assert result.exit_code == 2
        assert message in result.output
