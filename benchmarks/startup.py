"""What a training process sets before it computes: threads, matrix products, the allocator.

Matrix products: see `agents.precision`. An allocator that keeps its blocks saves page faults.
"""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
"""Constants of glibc's malloc.h."""
ONE_THREAD: dict[str, str] = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "LOKY_MAX_CPU_COUNT",
    ),
    "1",
)
"""Environment of the workers and, inherited, of pools inside them: two processes of one thread each beat one
of two threads."""
_LIBRARIES = ("coordbench", "torch", "numpy", "numba", "gymnasium")


def prepare_worker(threads: int = 1, device: str = "cpu") -> dict[str, str]:
    """Set up this process for training on a device; what was set, for the records.

    On a GPU "medium" would mean TensorFloat-32 with its ten bits: there products stay fp32, as on the CPU.
    """
    import numba
    import torch

    from ..agents.precision import use_fast_products

    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.get_num_threads()))
    if device == "cpu":
        use_fast_products()
    else:
        torch.set_float32_matmul_precision("highest")
    return {
        "threads": str(threads),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "malloc": _keep_blocks(),
        "device": _device(device),
    }


def provenance(device: str = "cpu") -> dict[str, str]:
    """Versions, machine and settings of this process, as they stand in `run.json`."""
    found = {f"version_{name}": version(name) for name in _LIBRARIES}
    return {
        **found,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "git_revision": _revision(),
        **prepare_worker(device=device),
    }


def _device(device: str) -> str:
    """The device with its name and driver's version, where it is a GPU."""
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda})"


@cache
def _keep_blocks() -> str:
    """Raise glibc's thresholds, so that memory of one update serves the next without page faults."""
    if not sys.platform.startswith("linux"):
        return "default"
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library: nothing to raise
        return "default"
    megabyte = 2**20
    wanted = {_M_MMAP_THRESHOLD: 32 * megabyte, _M_TRIM_THRESHOLD: 2**31 - 1, _M_TOP_PAD: 64 * megabyte}
    return "raised" if all(mallopt(key, value) for key, value in wanted.items()) else "default"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{found[0] if found else platform.machine()} x {os.cpu_count()}"


@cache
def _revision() -> str:
    """Git revision of the checkout that this file lies in, with a + if it has been changed."""
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return "none"
    try:
        run = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
        return subprocess.run(run, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
