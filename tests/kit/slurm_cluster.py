"""A Slurm cluster of one node on this machine: munge, slurmctld, slurmd, each with files of its own."""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
# low and high: jobs of the second drive out those of the first, which get GraceTime for their checkpoint
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=10
KillWait=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=high Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF
"""


def why_not() -> str | None:
    """Why there can be no cluster here, None if there can."""
    missing = [name for name in PROGRAMS if _path(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: slurmctld slurmd slurm-client munge)"
    if sys.platform != "linux" or os.geteuid() != 0:
        return "Slurm's daemons start as root only"
    return None


@contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """Start a cluster; the path of its `slurm.conf`, for the variable SLURM_CONF."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    host = platform.node().split(".")[0]
    conf = folder / "slurm.conf"
    ports = _free_ports(2)
    conf.write_text(CONF.format(folder=folder, host=host, ports=ports))
    munge = [f"--{name}={folder}/munge.{end}" for name, end in _MUNGE]
    commands = (
        [_path("munged"), "--foreground", "--force", f"--key-file={key}", *munge],
        [_path("slurmctld"), "-D", "-f", conf],
        [_path("slurmd"), "-D", "-f", conf],
    )
    env = {**os.environ, "SLURM_CONF": str(conf)}
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"daemon_{number}.log").open("wb") as log:
                daemons.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
            time.sleep(0.5)
        end = time.monotonic() + 30
        while "idle" not in _ask(env, "sinfo", "--noheader", "--format=%T"):
            if time.monotonic() > end:
                logs = [path.read_text(errors="replace")[-500:] for path in folder.glob("daemon_*.log")]
                raise RuntimeError("the cluster does not start:\n" + "\n---\n".join(logs))
            time.sleep(0.2)
        yield conf
    finally:
        _ask(env, "scancel", "--full", "--user=root")
        end = time.monotonic() + 10
        while _ask(env, "squeue", "--noheader").strip() and time.monotonic() < end:
            time.sleep(0.2)
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(20)


def hurry(job_id: str) -> None:
    """Let a job that queues again start: Slurm makes it wait for two minutes."""
    env = dict(os.environ)
    end = time.monotonic() + 60
    while _ask(env, "squeue", "--noheader", "--format=%T", "--jobs", job_id).strip() != "PENDING":
        if time.monotonic() > end:
            raise TimeoutError(f"job {job_id} does not queue again")
        time.sleep(0.1)
    subprocess.check_call(["scontrol", "update", f"jobid={job_id}", "starttime=now"])


_MUNGE = (("socket", "sock"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed"))


def _path(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _ask(env: dict[str, str], *command: str) -> str:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
