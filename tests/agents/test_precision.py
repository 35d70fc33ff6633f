"""Products in training are accurate to float32 on every processor, also on those with bfloat16 units."""

import os
import subprocess
import sys

import pytest
import torch
from coordbench.agents import precision


@pytest.fixture(autouse=True)
def as_before():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(("is_intel", "chosen"), [(True, "highest"), (False, "medium")])
def test_products_in_a_fresh_process_are_float32s(is_intel, chosen):
    code = (
        f"from coordbench.agents import precision; precision.made_by_intel = lambda: {is_intel};"
        "from coordbench.benchmarks.startup import prepare_worker;"
        "print(prepare_worker()['matmul_precision']); print(precision.products_are_accurate())"
    )
    env = {name: value for name, value in os.environ.items() if name != "ONEDNN_MAX_CPU_ISA"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert run.stdout.split() == [chosen, "True"]


def test_inaccurate_products_are_given_up(monkeypatch):
    monkeypatch.setattr(precision, "made_by_intel", lambda: False)
    monkeypatch.setattr(precision, "products_are_accurate", lambda: False)
    assert precision.use_fast_products() == "highest"


def test_bfloat16s_products_count_as_inaccurate(monkeypatch):
    bmm = torch.bmm

    def rough(a, b):
        return bmm(a.bfloat16(), b.bfloat16()).to(a.dtype) if a.dtype == torch.float32 else bmm(a, b)

    assert precision.products_are_accurate()
    monkeypatch.setattr(torch, "bmm", rough)
    assert not precision.products_are_accurate()
