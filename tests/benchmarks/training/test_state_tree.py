"""States go through JSON and bytes and come back as they were; nothing else does."""

from __future__ import annotations

import json
import os
import random
from collections import deque
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from coordbench.benchmarks.training.state_tree import Encoder, decode
from torch import nn


class Pair(NamedTuple):
    left: Any
    right: Any


def there_and_back(value: Any, change: Any = lambda tree: tree) -> Any:
    encoder = Encoder(value)
    stream = BytesIO(b"".join(bytes(part) for part in encoder.parts()))
    back = decode(change(json.loads(json.dumps(encoder.tree))), stream.readinto)
    assert stream.read() == b"", "every byte is read"
    return back


def alike(first: Any, second: Any) -> bool:
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor):
        same = first.dtype == second.dtype and first.shape == second.shape
        return same and first.detach().numpy().tobytes() == second.detach().numpy().tobytes()
    if isinstance(first, np.ndarray | np.generic):
        return first.dtype == second.dtype and first.tobytes() == second.tobytes()
    if isinstance(first, dict):
        return list(first) == list(second) and all(alike(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple | deque):
        return len(first) == len(second) and all(map(alike, first, second))
    return first == second or (first != first and second != second)


VALUES = {
    "plain": [None, True, 3, 2**80, -0.0, 0.1, float("nan"), float("-inf"), "ä\n", b"\x00\xff", 1 + 2j],
    "keys": {0: "number", (1, "a"): "tuple", None: [], "state": {}},
    "containers": [(), (1,), {1, 2}, frozenset("ab"), deque([1, 2], maxlen=3), deque(), range(1, 9, 2)],
    "named tuples": [Pair(1, Pair(torch.ones(2), None))],
    "torch": [torch.float16, torch.device("cpu"), torch.Size([2, 3])],
    "tensors": [
        torch.arange(6.0).view(2, 3).T,
        torch.tensor(3, dtype=torch.int64),
        torch.empty(0, 4),
        torch.randn(3, 2).to(torch.float64),
        torch.rand(5) > 0.5,
        torch.Generator().get_state(),
    ],
    "arrays": [np.arange(6).reshape(2, 3).T, np.array("text"), np.zeros(()), np.ones((0, 2), bool)],
    "scalars": [np.float32(1.5), np.int64(-1), np.bool_(True)],
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_values_come_back(value):
    assert alike(there_and_back(value), value)


def test_what_torch_calls_bfloat16_comes_back():
    value = torch.randn(4).bfloat16()
    back = there_and_back(value)
    assert back.dtype == torch.bfloat16
    assert torch.equal(back, value)


def test_generators_go_on_where_they_were():
    numbers, plain = np.random.default_rng(5), random.Random(5)
    old = np.random.Generator(np.random.MT19937(5))
    for generator in (numbers, plain, old):
        generator.random()
    first, second, third = there_and_back([numbers, plain, old])
    assert first.random() == numbers.random()
    assert second.gauss(0, 1) == plain.gauss(0, 1)
    assert third.random() == old.random()


def test_modules_and_optimisers_take_their_states_back():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    states = there_and_back({"net": net.state_dict(), "optimizer": optimizer.state_dict()})
    assert states["net"]._metadata == net.state_dict()._metadata
    other = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    other.load_state_dict(states["net"])
    assert all(map(torch.equal, other.state_dict().values(), net.state_dict().values()))
    fresh = torch.optim.Adam(other.parameters())
    fresh.load_state_dict(states["optimizer"])
    assert alike(fresh.state_dict(), optimizer.state_dict())


def test_a_large_view_is_not_copied_whole(monkeypatch):
    monkeypatch.setattr("coordbench.benchmarks.training.state_tree._PART_BYTES", 400)
    memory = torch.arange(3000).view(3, 50, 20)
    view, turned = memory[:, :30], memory.transpose(0, 2)
    sizes = [part.nbytes for part in Encoder(view).parts()]
    assert sizes == [30 * 20 * 8] * 3, "each part lies in one piece in the memory"
    assert max(part.nbytes for part in Encoder(turned).parts()) <= 400
    assert torch.equal(there_and_back(view), view)
    assert torch.equal(there_and_back(turned), turned)
    (part,) = Encoder(memory[1]).parts()
    assert np.frombuffer(part, np.int64).base is not None
    memory[1, 0, 0] = -7
    assert np.frombuffer(part, np.int64)[0] == -7, "a view of the memory itself"


def test_large_tensors_are_read_into_files_without_a_name_if_the_disk_has_room(tmp_path, monkeypatch):
    monkeypatch.setattr("coordbench.benchmarks.training.state_tree._LARGE_BYTES", 4096)
    value = torch.randn(30, 50)
    encoder = Encoder(value)
    content = b"".join(bytes(part) for part in encoder.parts())

    def read_back() -> tuple[torch.Tensor, bool]:
        back = decode(encoder.tree, BytesIO(content).readinto, folder=tmp_path)
        mapped = str(tmp_path) in Path("/proc/self/maps").read_text()
        return back, mapped

    if hasattr(os, "posix_fallocate") and Path("/proc/self/maps").exists():
        back, mapped = read_back()
        assert mapped
        assert torch.equal(back, value)
        back += 1.0  # writable
        assert not list(tmp_path.iterdir())
        del back

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", full)
    back, mapped = read_back()
    assert not mapped
    assert torch.equal(back, value)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": [lambda: 0]}, r"state\['a'\]\[0\] is a function"),
        ({"a": np.array([None])}, "an array of object"),
        ([torch.eye(2).to_sparse()], "layout torch.sparse"),
        ([object()], "a object"),
    ],
)
def test_what_cannot_be_saved_is_named(value, named):
    with pytest.raises(TypeError, match=named):
        list(Encoder(value).parts())


@pytest.mark.parametrize(
    "tree",
    [
        {"named tuple": ["os", "system", ["command"], ["true"]]},
        {"named tuple": ["subprocess", "Popen", [], []]},
        {"named tuple": ["no.such.module", "Pair", [], []]},
        {"named tuple": [__name__, "Pair", ["left"], [1]]},
        {"pickle": "gASVAAAA"},
        {"tensor": ["nn", [1], False, False]},
        {"generator": {"bit_generator": "Generator"}},
    ],
)
def test_a_file_decides_nothing_about_code(tree):
    with pytest.raises(ValueError, match="a state holds"):
        decode(tree, lambda view: None)
