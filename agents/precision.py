"""Matrix products of float32 on CPUs: fast ones, as long as they are accurate to float32."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import torch

_LAST_BEFORE_AMX = "AVX512_CORE_FP16"
"""Value of ONEDNN_MAX_CPU_ISA; oneDNN reads it at its first product."""
_TOLERANCE = 1e-4
"""Float32 products of 64 numbers about 1 are off by 1e-5, those of bfloat16 by 1e-1."""


def use_fast_products() -> str:
    """Let torch take the faster one of MKL ("highest") and oneDNN ("medium"); the precision that is set.

    MKL is faster on Intel processors and slow on others; there it and elsewhere oneDNN give every seed of a
    stack the same bits (`stacked.bmm`). With AMX oneDNN would compute in bfloat16, so it is kept from AMX;
    where it is too late for that (this process has multiplied before), products are MKL's, whose last bits
    may then depend on the stack.
    """
    if made_by_intel():
        torch.set_float32_matmul_precision("highest")
        return "highest"
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", _LAST_BEFORE_AMX)
    torch.set_float32_matmul_precision("medium")
    if not products_are_accurate():
        torch.set_float32_matmul_precision("highest")
    return torch.get_float32_matmul_precision()


@cache
def made_by_intel() -> bool:
    """Whether the processor is Intel's; False where the system does not say."""
    try:
        return "GenuineIntel" in Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False


def products_are_accurate() -> bool:
    """Whether products as they are set now have float32's accuracy."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 2, 64, 64, generator=generator)
    return (torch.bmm(a, b).double() - torch.bmm(a.double(), b.double())).abs().max().item() < _TOLERANCE
