"""Checkpoints on the disk: only what changed is written, damage is passed over, other stacks' are refused."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from coordbench.benchmarks.training import checkpoint as module
from coordbench.benchmarks.training import chunk_store
from coordbench.benchmarks.training.checkpoint import (
    CheckpointError,
    Checkpoints,
    checkpoint_folder,
    find_checkpoints,
    remove_checkpoint,
)

IDENTITY = {"agent": "maddpg", "settings": "0123456789", "seeds": [0, 1]}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_store, "CHUNK_BYTES", 1024)


def checkpoints(folder: Path, identity: Any = IDENTITY, clock: Any = time.monotonic) -> Checkpoints:
    return Checkpoints(folder, identity, 10.0, clock)


def memory(changed: int = 0) -> dict[str, Any]:
    """16 chunks of their own, and something small before them; the first chunks have changed."""
    large = torch.arange(4096, dtype=torch.float32)
    large[: changed * 256] += 0.5
    return {"note": "x" * changed, "small": torch.ones(3 + changed), "large": large}


def chunks(folder: Path) -> set[str]:
    return {path.name for path in (folder / "chunks").iterdir()}


def test_only_what_changed_is_written_and_two_generations_are_kept(tmp_path):
    writer = checkpoints(tmp_path / "c")
    assert writer.write(1, lambda: memory())
    first = chunks(tmp_path / "c")
    assert len(first) == 17
    for step in (2, 3, 4):
        assert writer.write(step, lambda step=step: memory(step))
    assert len(list(tmp_path.glob("c/generation_*"))) == 2
    kept = chunks(tmp_path / "c")
    assert len(kept) == 12 + 3 + 2 + 2, "12 of the first, 3 of the third, and what the last two have alone"
    back = checkpoints(tmp_path / "c").read()
    assert torch.equal(back["large"], memory(4)["large"])
    assert back["note"] == "xxxx"


def test_the_same_state_is_written_once(tmp_path, monkeypatch):
    writer = checkpoints(tmp_path)
    assert writer.write(1, lambda: memory())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "chunks").iterdir()}
    assert writer.write(2, lambda: memory())
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "chunks").iterdir()}


def newest_list(folder: Path) -> Path:
    return max(folder.glob("generation_*.json"))


def own_chunk(folder: Path) -> Path:
    """A chunk that only the newest generation has."""
    lists = [path.read_bytes().partition(b"\n")[2] for path in sorted(folder.glob("generation_*.json"))]
    old, new = ({digest for digest, _ in json.loads(body)["chunks"]} for body in lists)
    return folder / "chunks" / min(new - old)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("which", [newest_list, own_chunk])
@pytest.mark.parametrize("damage", [cut_short, flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_one_is_passed_over_and_said_once(which, damage, tmp_path, capfd):
    writer = checkpoints(tmp_path)
    for step in (10, 20):
        assert writer.write(step, lambda step=step: memory(step // 10))
    path = which(tmp_path)
    damage(path)
    again = checkpoints(tmp_path)
    assert again.read()["note"] == "x"
    said = capfd.readouterr().err.splitlines()
    if path.exists() or which is own_chunk:
        assert len(said) == 1
        assert said[0].startswith(f"bench: checkpoint {tmp_path}: ")
        assert said[0].endswith("going on from the one before, at step 10")
    assert again.write(30, lambda: memory(3))
    assert checkpoints(tmp_path).read()["note"] == "xxx"


def test_if_none_is_whole_the_runs_start_over(tmp_path, capfd):
    writer = checkpoints(tmp_path)
    assert writer.write(1, lambda: memory())
    newest_list(tmp_path).write_text("nothing")
    assert checkpoints(tmp_path).read() is None
    assert capfd.readouterr().err.count("and there is no other; its runs start over\n") == 1
    assert checkpoints(tmp_path / "none").read() is None
    assert capfd.readouterr().err == ""


def test_a_torn_chunk_that_both_share_is_mended_by_the_next_write(tmp_path):
    writer = checkpoints(tmp_path)
    assert writer.write(1, lambda: memory())
    torn = max((tmp_path / "chunks").iterdir(), key=lambda path: path.stat().st_size)
    cut_short(torn)
    assert writer.write(2, lambda: memory())
    assert torch.equal(checkpoints(tmp_path).read()["large"], memory()["large"])


def test_a_full_disk_leaves_the_last_one_and_no_rubbish_and_is_said_once(tmp_path, monkeypatch, capfd):
    writer = checkpoints(tmp_path)
    assert writer.write(1, lambda: memory())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    replace, calls = os.replace, 0

    def full(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls % 4 == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(*arguments)

    monkeypatch.setattr(os, "replace", full)
    for step in (2, 3):
        assert not writer.write(step, lambda: memory(8))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    line = f"bench: checkpoint {tmp_path}: cannot be written: No space left on device; the last one stays\n"
    assert capfd.readouterr().err == line
    monkeypatch.undo()
    assert writer.write(4, lambda: memory(8))
    assert checkpoints(tmp_path).read()["note"] == "x" * 8


def test_rubbish_of_killed_writes_is_never_trusted_and_goes(tmp_path):
    writer = checkpoints(tmp_path)
    assert writer.write(1, lambda: memory())
    wanted = chunks(tmp_path)
    assert writer.write(2, lambda: memory(1))
    planted = (chunks(tmp_path) - wanted).pop()  # as if it had been renamed, but never reached the disk
    newest_list(tmp_path).unlink()
    content = (tmp_path / "chunks" / planted).read_bytes()
    (tmp_path / "chunks" / planted).write_bytes(bytes(len(content)))
    (tmp_path / "chunks" / ".77.tmp").write_bytes(b"half")
    (tmp_path / ".generation_000002.json.77.tmp").write_bytes(b"half")
    assert checkpoints(tmp_path).write(2, lambda: memory(1))
    assert checkpoints(tmp_path).read()["note"] == "x"
    assert not list(tmp_path.rglob(".*.tmp"))


def test_a_state_that_cannot_be_saved_is_said_and_training_can_go_on(tmp_path, capfd):
    writer = checkpoints(tmp_path)
    for _ in range(2):
        assert not writer.write(1, lambda: {"agent": {"hook": print}})
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "state['agent']['hook'] is a builtin_function_or_method" in said
    assert checkpoints(tmp_path).read() is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"agent": "vm3ac"}, "was written for agent maddpg, not vm3ac"),
        ({"settings": "9876543210"}, "was written for settings 0123456789, not 9876543210"),
        ({"seeds": [1, 0]}, r"was written for seeds \[0, 1\], not \[1, 0\]"),
    ],
)
def test_another_stacks_checkpoint_is_refused(change, named, tmp_path):
    assert checkpoints(tmp_path).write(1, lambda: memory())
    with pytest.raises(CheckpointError, match=f"{named}; remove that folder to start its runs over"):
        checkpoints(tmp_path, {**IDENTITY, **change}).read()


def test_other_versions_are_refused_with_both_remedies(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "version", lambda name: "0.0.1" if name == "torch" else "1")
        assert checkpoints(tmp_path).write(1, lambda: memory())
        patch.setattr(module, "version", lambda name: "0.0.2" if name == "torch" else "1")
        with pytest.raises(CheckpointError) as caught:
            checkpoints(tmp_path).read()
    said = str(caught.value)
    assert "was written with torch 0.0.1, and 0.0.2 may give other numbers" in said
    assert "install torch==0.0.1 to go on, or remove that folder" in said
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    with pytest.raises(CheckpointError, match="has format 1, this version of coordbench reads 2"):
        checkpoints(tmp_path).read()


def test_the_pauses_bound_the_cost_and_no_clock_of_the_day_counts(tmp_path, monkeypatch):
    clock = Clock()
    writer = checkpoints(tmp_path, clock=clock)
    clock.now += 599
    assert not writer.is_due
    clock.now += 1
    assert writer.is_due

    def slow() -> Any:
        clock.now += 100
        return memory()

    assert writer.write(1, slow)
    clock.now += module.PAUSES * 100 - 1
    assert not writer.is_due, "less than 5 % of the time goes into checkpoints"
    clock.now += 1
    assert writer.is_due
    real = checkpoints(tmp_path)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert not real.is_due
    assert real.write(2, lambda: memory(1))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert real.write(3, lambda: memory(2))
    for path in tmp_path.glob("generation_*"):
        os.utime(path, (4e9 - int(path.stem[-6:]),) * 2)  # newer files look older
    assert real.read()["note"] == "xx"
    assert not Checkpoints(tmp_path, IDENTITY, 0.0).is_due


def test_checkpoints_are_found_by_their_names(tmp_path):
    assert find_checkpoints(tmp_path / "nowhere") == {}
    for seeds in ((0, 1, 2, 3), (4,), (7, 5), (10, 12)):
        assert checkpoints(checkpoint_folder(tmp_path, seeds)).write(1, lambda: memory())
    (tmp_path / "seed_0").mkdir()
    (tmp_path / "checkpoint_8-9" / "chunks").mkdir(parents=True)  # killed inside its first write
    assert {seeds: path.name for seeds, path in find_checkpoints(tmp_path).items()} == {
        (0, 1, 2, 3): "checkpoint_0-3",
        (4,): "checkpoint_4",
        (7, 5): "checkpoint_7,5",
        (10, 12): "checkpoint_10,12",
    }
    remove_checkpoint(tmp_path / "checkpoint_0-3")
    assert not (tmp_path / "checkpoint_0-3").exists()
    assert (4,) in find_checkpoints(tmp_path)
