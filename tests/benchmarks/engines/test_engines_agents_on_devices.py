"""Agents make their tensors on the device they are given; here by watching that they always name one."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import fake_training as fake
import pytest
import torch
from coordbench.benchmarks.suites.suite_file import parse_suite
from coordbench.benchmarks.training.train import train
from torch.overrides import TorchFunctionMode

FACTORIES = {
    *(torch.tensor, torch.as_tensor, torch.zeros, torch.ones, torch.full, torch.empty, torch.eye),
    *(torch.arange, torch.linspace, torch.rand, torch.randn, torch.randint, torch.randperm),
}


class Watch(TorchFunctionMode):
    """Notes where code of `agents` makes a tensor without saying on which device."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in FACTORIES and kwargs.get("device") is None:
            last = next(f for f in reversed(traceback.extract_stack()[:-1]) if "torch/" not in f.filename)
            path = Path(last.filename)
            if "agents" in path.parts[-3:-1] and path.name != "precision.py":  # which probes the CPU
                self.places.add(f"{path.name}:{last.lineno}: {last.line}")
        return func(*args, **kwargs)


@pytest.mark.parametrize("name", ["maddpg", "ma_ac", "ma_sac", "maven_ac", "si_moa", "vm3ac"])
def test_every_tensor_of_an_agent_names_its_device(tmp_path: Path, name: str) -> None:
    text = fake.TINY.replace('["maddpg", "vm3ac"]', f'["{name}"]').replace("steps = 240", "steps = 120")
    (cell,) = parse_suite(text, "tiny.toml").cells()
    with Watch() as watch:
        train(cell, (0, 1), tmp_path)
    assert watch.places == set()


def test_the_watch_sees_what_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    made = compile("import torch\nx = torch.zeros(2)\n", "/somewhere/agents/careless.py", "exec")
    with Watch() as watch:
        exec(made, {})
    assert [place.partition(": ")[0] for place in watch.places] == ["careless.py:2"]
