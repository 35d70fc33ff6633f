"""Jobs on a Slurm cluster, through submitit: `--engine slurm`, several stacks packed into a Slurm job.

Shortly before a job's time limit and when it is preempted, its stacks stop at a checkpoint and the job queues
again. A job that is gone without a result (a dead node, `scancel`) counts as lost.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import submitit
from submitit.slurm.slurm import SlurmExecutor

from ..errors import SuiteError
from .executors import refuse_unknown, whole_number
from .slurm_jobs import SlurmEngine

DEFAULT_JOBS = 32
"""Slurm jobs at once."""
_OWN = ("cells_per_job", "cluster", "max_requeues", "folder")
_PASSED = (
    *("partition", "account", "qos", "time", "mem", "mem_per_cpu", "cpus_per_task", "gpus_per_node", "gres"),
    *("constraint", "nodelist", "exclude", "exclusive", "comment", "job_name", "signal_delay_s", "setup"),
)
_NUMBERS = ("cpus_per_task", "gpus_per_node", "signal_delay_s")


def make_slurm_engine(
    n_workers: int | None, options: dict[str, str], folder: Path, device: str, per_gpu: int
) -> SlurmEngine:
    """An engine from `--engine-option`s.

    Args:
        n_workers: stacks at once in all jobs; enough for 32 jobs if None.
        options: `cells_per_job`, `max_requeues`, `folder` (of scripts and logs), `cluster` (`slurm`, or
            `local` and `debug` to try without one), and options of sbatch: `partition`, `time` (minutes or
            `[D-]HH:MM:SS`), ...
        folder: where the folder of scripts and logs is made.
        device: of the jobs.
        per_gpu: stacks at once on a GPU.

    Raises:
        SuiteError: a bad option, or no Slurm here.
    """
    refuse_unknown("slurm", options, (*_OWN, *_PASSED))
    per_job = whole_number(options, "cells_per_job", 1)
    max_requeues = whole_number(options, "max_requeues", 100, least=0)
    cluster = options.pop("cluster", "slurm")
    if cluster not in ("slurm", "local", "debug"):
        raise SuiteError(f"--engine-option cluster is slurm, local or debug, not {cluster!r}")
    if cluster == "slurm" and SlurmExecutor.affinity() < 0:
        raise SuiteError("--engine slurm needs sbatch and srun, which are not on this machine's PATH")
    base = Path(options.pop("folder", str(folder / ".slurm"))).resolve()
    logs = base / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    wanted = _parameters(options, per_job)
    limits = {f"{cluster}_max_num_timeout": max_requeues} if cluster != "debug" else {}
    executor = submitit.AutoExecutor(logs, cluster=cluster, **limits)
    if cluster == "slurm":
        executor.update_parameters(**{f"slurm_{key}": value for key, value in wanted.items()})
    else:  # these have no queue: only the time limit means something
        executor.update_parameters(timeout_min=wanted["time"])
    logs.mkdir(parents=True, exist_ok=True)
    return SlurmEngine(executor, logs, n_workers or DEFAULT_JOBS * per_job, per_job, device, per_gpu)


def _parameters(options: dict[str, str], per_job: int) -> dict[str, Any]:
    """Submitit's parameters from sbatch's words."""
    found: dict[str, Any] = {"job_name": "coordbench", "cpus_per_task": per_job, "time": "240", **options}
    found["time"] = minutes(found["time"])
    for key in _NUMBERS:
        if key in options:
            found[key] = whole_number(dict(options), key, 0)
    if "setup" in options:
        found["setup"] = [options["setup"]]
    return found


def minutes(text: str) -> int:
    """Minutes from a number of them or from Slurm's `HH:MM:SS` and `D-HH[:MM[:SS]]`, rounded up.

    Raises:
        SuiteError: another form.
    """
    if text.isascii() and text.isdigit():
        return max(int(text), 1)
    found = re.fullmatch(r"(?:(\d+)-(\d+)(?::(\d+))?(?::(\d+))?|(\d+):(\d+):(\d+))", text, re.ASCII)
    if not found:
        raise SuiteError(f"cannot read --engine-option time={text!r}; write minutes, HH:MM:SS or D-HH:MM:SS")
    d, h, m, s, h2, m2, s2 = (int(part or 0) for part in found.groups())
    return max(-(-(86_400 * d + 3600 * (h + h2) + 60 * (m + m2) + s + s2) // 60), 1)
