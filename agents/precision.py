"""Matrix products of float32 on CPUs: fast ones, as long as they are accurate to float32."""

from __future__ import annotations

import os

import torch

_LAST_BEFORE_AMX = "AVX512_CORE_FP16"
"""Value of ONEDNN_MAX_CPU_ISA; oneDNN reads it at its first product."""
_TOLERANCE = 1e-4
"""Float32 products of 64 numbers about 1 are off by 1e-5, those of bfloat16 by 1e-1."""


def use_fast_products() -> str:
    """Let torch take oneDNN's products ("medium") where they are float32's; the precision that is set.

    oneDNN avoids MKL's slow path on AMD and gives every seed of a stack the same bits. On processors with AMX
    it would compute in bfloat16, so it is kept from AMX. Where it is too late for that (this process has
    multiplied before), products are torch's own ("highest"), whose last bits may depend on the stack.
    """
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", _LAST_BEFORE_AMX)
    torch.set_float32_matmul_precision("medium")
    if not products_are_accurate():
        torch.set_float32_matmul_precision("highest")
    return torch.get_float32_matmul_precision()


def products_are_accurate() -> bool:
    """Whether products as they are set now have float32's accuracy."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 2, 64, 64, generator=generator)
    return (torch.bmm(a, b).double() - torch.bmm(a.double(), b.double())).abs().max().item() < _TOLERANCE
