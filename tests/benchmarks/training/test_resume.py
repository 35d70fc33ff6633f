"""Stopping and going on changes nothing: records and the whole final state agree bit for bit."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coordbench import agents, envs
from coordbench.analysis.records import RecordError, read_runs
from coordbench.benchmarks.suites.stack import cell_folder
from coordbench.benchmarks.training.checkpoint import CheckpointError, find_checkpoints
from coordbench.benchmarks.training.train import Training, train
from resuming import SEEDS, records, tiny_cell, train_stopping

CONTINUOUS, DISCRETE = "predator_prey_2-v1", "climbing-v1"
STOPS = (1, 9, 20)
"""Right after the first step, in the middle of episodes, and when the memory is full."""


def plays() -> list[tuple[str, str]]:
    """Every agent on a task of every kind of actions that it plays."""
    kinds = {"continuous": CONTINUOUS, "discrete": DISCRETE}
    return [(name, kinds[kind]) for name in agents.names() for kind in agents.load(name).action_kinds]


def agree(monkeypatch: pytest.MonkeyPatch, folder: Path, cell, stops=STOPS) -> None:
    whole, state = train_stopping(monkeypatch, cell, folder / "whole")
    resumed, resumed_state = train_stopping(monkeypatch, cell, folder / "resumed", stops)
    assert resumed == whole
    assert resumed_state == state
    assert find_checkpoints(cell_folder(cell, folder / "resumed")) == {}


@pytest.mark.parametrize(("agent", "task"), plays())
def test_every_agent_goes_on_as_if_nothing_had_happened(agent, task, tmp_path, monkeypatch):
    agree(monkeypatch, tmp_path, tiny_cell(agent, task))


def families() -> list[str]:
    """One task of each family, multi-walker apart."""
    found = {task.partition("-")[0].partition("_")[0]: task for task in reversed(envs.names())}
    return sorted(task for family, task in found.items() if family != "multiwalker")


@pytest.mark.parametrize("task", families())
def test_every_kind_of_task_goes_on_as_if_nothing_had_happened(task, tmp_path, monkeypatch):
    agree(monkeypatch, tmp_path, tiny_cell("maddpg", task))


def test_multiwalker_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    pytest.importorskip("Box2D", reason="needs the extra multiwalker")
    agree(monkeypatch, tmp_path, tiny_cell("ma_ac", "multiwalker_3-v1"))


VARIANTS = {
    "shared networks": {"share_parameters": True},
    "attention": {"critic": "attention"},
    "state": {"critic_input": "state"},
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_other_networks_go_on_too(settings, tmp_path, monkeypatch):
    agree(monkeypatch, tmp_path, tiny_cell("vm3ac", CONTINUOUS, settings))


def test_an_agent_for_one_seed_goes_on_too(tmp_path, monkeypatch):
    agree(monkeypatch, tmp_path, tiny_cell("plain_agent:PlainAgent", CONTINUOUS))


def test_sigterm_stops_at_a_checkpoint_and_the_handler_is_given_back(tmp_path, monkeypatch):
    cell, before = tiny_cell("maddpg", CONTINUOUS), signal.getsignal(signal.SIGTERM)
    whole, _ = train_stopping(monkeypatch, cell, tmp_path / "whole")
    advance = Training.advance

    def advance_then_term(self: Training) -> None:
        advance(self)
        if self.step == 40:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "advance", advance_then_term)
        assert train(cell, SEEDS, tmp_path / "stopped") == "stopped"
    assert signal.getsignal(signal.SIGTERM) is before
    assert list(find_checkpoints(cell_folder(cell, tmp_path / "stopped"))) == [SEEDS]
    assert {run.status for run in read_runs(tmp_path / "stopped")} == {"running"}
    assert train(cell, SEEDS, tmp_path / "stopped") == "finished"
    assert records(tmp_path / "stopped") == whole


def test_lines_after_the_checkpoint_are_cut_a_torn_one_too_and_time_goes_on(tmp_path, monkeypatch):
    cell = tiny_cell("maddpg", CONTINUOUS)
    whole, _ = train_stopping(monkeypatch, cell, tmp_path / "whole")
    advance = Training.advance

    def advance_then_die(self: Training) -> None:
        advance(self)
        if self.step == 100:
            raise MemoryError

    def stop_once(self: Training) -> None:
        advance(self)
        if self.step == 60:
            os.kill(os.getpid(), signal.SIGTERM)

    results = tmp_path / "stopped"
    monkeypatch.setattr(Training, "advance", stop_once)
    train(cell, SEEDS, results)
    monkeypatch.setattr(Training, "advance", advance_then_die)
    with pytest.raises(MemoryError):
        train(cell, SEEDS, results)
    (lost, *_) = results.rglob("seed_3/evaluations.jsonl")
    steps = [json.loads(line)["step"] for line in lost.read_text().splitlines()]
    assert steps == [0, 44, 88], "the last is beyond the checkpoint"
    with lost.open("a") as file:
        file.write('{"step": 100, "upd')
    monkeypatch.setattr(Training, "advance", advance)
    assert train(cell, SEEDS, results) == "finished"
    assert records(results) == whole
    for run in read_runs(results):
        seconds = [evaluation.seconds for evaluation in run.evaluations]
        assert seconds == sorted(seconds)
        done = json.loads((run.path / "done.json").read_text())
        assert done["resumed_at"] == [60]


def test_runs_that_are_done_or_failed_keep_their_records_when_the_stack_goes_on(tmp_path, monkeypatch):
    cell = tiny_cell("maddpg", CONTINUOUS)
    whole, _ = train_stopping(monkeypatch, cell, tmp_path / "whole")
    advance, results = Training.advance, tmp_path / "stopped"

    def stop_once(self: Training) -> None:
        advance(self)
        if self.step == 60:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "advance", stop_once)
        train(cell, SEEDS, results)
    first, second = Training(cell, SEEDS, results).records.folders
    first.fail("the machine burnt down", 60)
    before = first.path.joinpath("evaluations.jsonl").read_bytes()
    assert train(cell, SEEDS, results) == "finished"
    assert first.status == "failed"
    assert first.path.joinpath("evaluations.jsonl").read_bytes() == before
    assert second.status == "done"
    mine = {name: part for name, part in records(results).items() if "seed_0" in name}
    assert mine == {name: part for name, part in whole.items() if "seed_0" in name}
    again = records(results)
    assert train(cell, SEEDS[1:], results) == "finished"
    assert records(results) == again, "a run that is done is not trained again"


def test_a_failed_run_that_is_reopened_goes_on(tmp_path, monkeypatch):
    cell = tiny_cell("maddpg", CONTINUOUS)
    whole, _ = train_stopping(monkeypatch, cell, tmp_path / "whole")
    advance, results = Training.advance, tmp_path / "stopped"

    def stop_once(self: Training) -> None:
        advance(self)
        if self.step == 60:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "advance", stop_once)
        train(cell, SEEDS, results)
    (folder, _) = Training(cell, SEEDS, results).records.folders
    folder.fail("out of memory", 60)
    folder.reopen()
    assert train(cell, SEEDS, results) == "finished"
    assert records(results) == whole


def stopped(cell, results, monkeypatch) -> Path:
    """A checkpoint at step 40."""
    advance = Training.advance

    def stop(self: Training) -> None:
        advance(self)
        if self.step == 40:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "advance", stop)
        assert train(cell, SEEDS, results) == "stopped"
    return find_checkpoints(cell_folder(cell, results))[SEEDS]


def test_what_does_not_fit_the_checkpoint_is_said_in_one_line(tmp_path, monkeypatch):
    cell = tiny_cell("maddpg", CONTINUOUS)
    folder = stopped(cell, tmp_path, monkeypatch)

    def refused() -> str:
        with pytest.raises(CheckpointError) as caught:
            train(cell, SEEDS, tmp_path)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "load_state_dict", lambda *_: (_ for _ in ()).throw(KeyError("networks")))
        assert "networks" in refused()
    other = cell_folder(replace(cell, steps=400), tmp_path)
    other.mkdir(parents=True)
    folder.rename(other / folder.name)
    with pytest.raises(CheckpointError, match="was written for settings"):
        train(replace(cell, steps=400), SEEDS, tmp_path)
    (other / folder.name).rename(folder)
    (cell_folder(cell, tmp_path) / "seed_0" / "evaluations.jsonl").write_text("")
    assert "records are missing" in refused()
    assert "remove that folder to start its runs over" in refused()


def test_an_environment_that_cannot_be_brought_back_is_noticed(tmp_path, monkeypatch):
    cell = tiny_cell("maddpg", CONTINUOUS)
    stopped(cell, tmp_path, monkeypatch)
    kind = type(envs.make(cell.task))
    observe = kind.observe
    monkeypatch.setattr(kind, "observe", lambda self: (observe(self)[0] + 1.0, observe(self)[1]))
    with pytest.raises(CheckpointError, match="shows something else here"):
        train(cell, SEEDS, tmp_path)


def test_without_checkpoints_a_stopped_run_starts_over(tmp_path, monkeypatch):
    cell = tiny_cell("maddpg", CONTINUOUS)
    whole, _ = train_stopping(monkeypatch, cell, tmp_path / "whole")
    advance = Training.advance

    def stop(self: Training) -> None:
        advance(self)
        if self.step == 60:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "advance", stop)
        assert train(cell, SEEDS, tmp_path / "stopped", checkpoint_minutes=0) == "stopped"
    assert find_checkpoints(cell_folder(cell, tmp_path / "stopped")) == {}
    assert train(cell, SEEDS, tmp_path / "stopped") == "finished"
    assert records(tmp_path / "stopped") == whole


def test_a_seed_that_failed_stays_failed_and_the_others_go_on(tmp_path, monkeypatch):
    cell = tiny_cell("maddpg", CONTINUOUS)
    observe = Training.advance

    def poison(self: Training) -> None:
        observe(self)
        if self.step == 60:
            for network in self.agent.networks().values():  # type: ignore[attr-defined]
                for parameter in network.parameters:
                    parameter[:, 0] = np.nan

    monkeypatch.setattr(Training, "advance", poison)
    whole, _ = train_stopping(monkeypatch, cell, tmp_path / "whole")
    resumed, _ = train_stopping(monkeypatch, cell, tmp_path / "resumed", (10, 22))
    assert resumed == whole
    assert [run.status for run in read_runs(tmp_path / "resumed")] == ["done", "failed"]


def test_a_disk_that_is_full_stops_nothing_until_a_record_is_due(tmp_path, monkeypatch, capfd):
    """A checkpoint that cannot be written is said once; a record ends the run, until there is room."""
    cell = tiny_cell("maddpg", CONTINUOUS)
    whole, _ = train_stopping(monkeypatch, cell, tmp_path / "whole")
    results = tmp_path / "full"
    stopped(cell, results, monkeypatch)
    capfd.readouterr()
    fsync = os.fsync

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordError, match="No space left"):
        train(cell, SEEDS, results, checkpoint_minutes=1e-9)
    said = [line for line in capfd.readouterr().err.splitlines() if "checkpoint" in line]
    assert len(said) == 1
    assert "No space left on device; the last one stays" in said[0]
    monkeypatch.setattr(os, "fsync", fsync)
    assert train(cell, SEEDS, results) == "finished"
    assert records(results) == whole
