"""Which device a job computes on, and how many jobs share a GPU.

Every place where a job can run, a slot, has an environment of its own: the caps on threads and, for GPU work,
the one GPU that its process sees. So a job only ever says `cuda`, and no two processes argue over `cuda:0`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import SuiteError
from ..startup import ONE_THREAD

_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Placement:
    """Where the jobs of one machine go.

    Attributes:
        device: torch device that a job is told: `cpu` or `cuda`, or another kind as the user gave it.
        slots: one environment for each job that can run at once.
    """

    device: str
    slots: tuple[Mapping[str, str], ...]


def place(
    device: str, n_workers: int | None, per_gpu: int = 1, gpus: Sequence[str] | None = None
) -> Placement:
    """Deal the jobs of this machine to its devices.

    Args:
        device: `cpu`, `cuda` (all GPUs), `cuda:1` (that one), `auto` (GPUs if there are any), or torch's.
        n_workers: most jobs at once; one a core, or all that the GPUs take, if None.
        per_gpu: most jobs at once on a GPU.
        gpus: names for CUDA_VISIBLE_DEVICES; those of this machine if None.

    Raises:
        SuiteError: a GPU that is not there.
    """
    kind, index = split_device(device)
    if kind not in ("cuda", "auto"):
        return Placement(device, (ONE_THREAD,) * (n_workers or cores()))
    gpus = visible_gpus() if gpus is None else gpus
    if kind == "auto" and not gpus:
        return place("cpu", n_workers)
    if not gpus:
        raise SuiteError(f"cannot use --device {device}: no GPU is visible to torch; cpu always works")
    if index is not None and index >= len(gpus):
        raise SuiteError(
            f"cannot use --device {device}: there are GPUs 0 to {len(gpus) - 1}; cpu always works"
        )
    used = list(gpus) if index is None else [gpus[index]]
    n_slots = min(n_workers or len(used) * per_gpu, len(used) * per_gpu)
    slots = tuple({**ONE_THREAD, _VISIBLE: used[slot % len(used)]} for slot in range(n_slots))
    return Placement("cuda", slots)


def split_device(device: str) -> tuple[str, int | None]:
    """Kind and index: `cuda:1` is `("cuda", 1)`.

    Raises:
        SuiteError: no such form.
    """
    found = re.fullmatch(r"([a-z]+)(?::([0-9]+))?", device)
    if not found or (found[1] in ("auto", "cpu") and found[2]):
        raise SuiteError(f"cannot read --device {device!r}; write cpu, cuda, cuda:1 or auto")
    return found[1], None if found[2] is None else int(found[2])


def visible_gpus() -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them; those that are hidden already stay so."""
    import torch

    n_gpus = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
    return named[:n_gpus] if named else [str(index) for index in range(n_gpus)]


def resolve_device(device: str) -> str:
    """The torch device in this process: `auto` becomes `cuda` where a GPU is visible, else `cpu`."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def cores() -> int:
    """Cores that this process may use: affinity and container limits count."""
    import loky

    return loky.cpu_count()
