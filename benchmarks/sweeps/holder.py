"""Who holds a lease: a process, told apart from all others, also from later ones with its pid."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Holder:
    """A process that holds leases.

    Attributes:
        token: of the job, unique.
        host: name of the machine.
        realm: tells machines (and containers) of one name apart; pids have a meaning inside it alone.
        pid: of the process.
        born: when the process started, in the kernel's ticks, as pids are used again; empty if unknown.
        since: when it took the lease, seconds since 1970 by its own clock; only for people to read.
    """

    token: str
    host: str
    realm: str
    pid: int
    born: str
    since: float

    @classmethod
    def this_process(cls, token: str) -> Self:
        """This process, about to do a job."""
        return cls(token, platform.node(), _realm(), os.getpid(), _born(os.getpid()), time.time())

    @property
    def is_gone(self) -> bool:
        """Whether it ran on this machine and no longer exists; False where that cannot be known."""
        if os.name == "nt" or (self.host, self.realm) != (platform.node(), _realm()):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        born = _born(self.pid)
        return bool(self.born and born and self.born != born)


@cache
def _realm() -> str:
    """Of this machine: its boot and its space of process ids; the name alone where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _born(pid: int) -> str:
    """When a process started, in ticks since the machine did (proc(5), field 22); empty if unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
