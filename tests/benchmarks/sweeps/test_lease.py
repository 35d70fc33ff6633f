"""Leases: one holder at a time, whoever dies, sleeps or races."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from coordbench.benchmarks.sweeps.heartbeat import Heartbeat
from coordbench.benchmarks.sweeps.holder import Holder
from coordbench.benchmarks.sweeps.lease import (
    Lease,
    LeaseLost,
    Sighting,
    Watch,
    claim,
    claim_all,
    look,
    release_all,
)

CLAIM = """
import sys
from pathlib import Path
from coordbench.benchmarks.sweeps.heartbeat import Heartbeat
from coordbench.benchmarks.sweeps.holder import Holder
from coordbench.benchmarks.sweeps.lease import claim
assert claim(Path(sys.argv[1]), Holder.this_process("child"))
print("held", flush=True)
sys.stdin.read()
"""


def me(token: str = "me") -> Holder:
    return Holder.this_process(token)


def stranger(token: str = "stranger") -> Holder:
    """A process of another machine, whose death cannot be seen from here."""
    return replace(me(token), host="elsewhere")


def seen(folder: Path) -> Sighting:
    found = look(folder)
    assert found is not None
    return found


def taken(lease: Lease | None) -> Lease:
    assert lease is not None
    return lease


def test_a_lease_keeps_others_out_until_it_is_given_back(tmp_path: Path) -> None:
    assert look(tmp_path / "run") is None
    mine = taken(claim(tmp_path / "run", me()))
    assert claim(tmp_path / "run", me("other")) is None
    held = seen(tmp_path / "run")
    assert (held.holder and held.holder.pid, held.number) == (os.getpid(), 1)
    mine.release()
    assert look(tmp_path / "run") is None
    assert claim(tmp_path / "run", me("other")) is not None


def test_a_dead_process_of_this_machine_is_known_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert claim(tmp_path, me()) is None
        assert Watch().is_alive(seen(tmp_path))
        child.kill()
    assert not Watch().is_alive(seen(tmp_path))
    taken(claim(tmp_path, me()))
    assert [path.name for path in tmp_path.iterdir()] == ["lease.2"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc: pids alone tell processes apart")
def test_a_pid_that_is_used_again_is_another_process() -> None:
    assert not me().is_gone
    assert replace(me(), born="1").is_gone
    assert not replace(me(), born="1", host="elsewhere").is_gone
    assert not replace(me(), born="1", realm="another container").is_gone


def test_a_holder_elsewhere_is_judged_by_signs_of_life_not_by_clocks(tmp_path: Path) -> None:
    lease = taken(claim(tmp_path, stranger()))
    now = [0.0]
    watch = Watch(patience=60, clock=lambda: now[0])
    os.utime(lease.path, (0, 0))  # its clock, or the file server's, is decades late
    assert watch.is_alive(seen(tmp_path))
    now[0] = 59
    assert watch.is_alive(seen(tmp_path))
    os.utime(lease.path, (9e9, 9e9))  # and jumps ahead
    now[0] = 100
    assert watch.is_alive(seen(tmp_path))
    now[0] = 159
    assert watch.is_alive(seen(tmp_path))
    os.utime(lease.path, (5, 5))  # and back
    now[0] = 200
    assert watch.is_alive(seen(tmp_path))
    now[0] = 261
    assert not watch.is_alive(seen(tmp_path))


def test_only_what_was_found_dead_is_taken_over(tmp_path: Path) -> None:
    first = taken(claim(tmp_path, stranger("first")))
    name = seen(tmp_path).name
    assert claim(tmp_path, me(), {"1:another"}) is None
    second = taken(claim(tmp_path, stranger("second"), {name}))
    assert claim(tmp_path, me(), {name}) is None
    with pytest.raises(LeaseLost):
        first.beat()
    first.release()
    assert second.is_mine
    second.beat()


def test_a_lease_that_is_just_being_written_counts_as_held(tmp_path: Path) -> None:
    (tmp_path / "lease.1").write_text("")
    now = [0.0]
    watch = Watch(patience=60, clock=lambda: now[0])
    assert claim(tmp_path, me()) is None
    assert watch.is_alive(seen(tmp_path))
    now[0] = 61
    assert not watch.is_alive(seen(tmp_path))
    assert claim(tmp_path, me(), {seen(tmp_path).name}) is not None


def test_several_leases_or_none(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    other = taken(claim(folders[2], stranger()))
    assert claim_all(folders, me()) == ([], folders[2])
    assert look(folders[0]) is None
    other.release()
    leases, refused = claim_all(folders, me())
    assert (len(leases), refused) == (3, None)
    release_all(leases)
    assert [look(folder) for folder in folders] == [None, None, None]


def test_a_heartbeat_shows_life_and_notices_a_takeover(tmp_path: Path) -> None:
    lease = taken(claim(tmp_path, stranger()))
    os.utime(lease.path, (0, 0))
    lost = threading.Event()
    with Heartbeat([lease], lost.set, seconds=0.02):
        deadline = time.monotonic() + 20
        while seen(tmp_path).beat == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert seen(tmp_path).beat > 0
        assert not lost.is_set()
        taken(claim(tmp_path, me(), {seen(tmp_path).name}))
        assert lost.wait(20)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot write .*lease\.1: .*; mend its rights"):
        claim(tmp_path / "file" / "run", me())


@pytest.mark.parametrize("seed", range(3))
def test_never_two_at_once_whoever_dies(tmp_path: Path, seed: int) -> None:
    """Threads claim, work, and leave or die; everybody knows at once who is dead, which provokes races."""
    dead: set[str] = set()
    inside: list[str] = []
    clashes: list[tuple[str, ...]] = []
    n_taken = [0]

    def live(number: int) -> None:
        dice = random.Random(f"{seed} {number}")
        for turn in range(60):
            token = f"{number}-{turn}"
            lease = claim(tmp_path, stranger(token), frozenset(dead))
            if lease is None:
                continue
            inside.append(token)
            n_taken[0] += 1
            if len(inside) > 1:
                clashes.append(tuple(inside))
            time.sleep(dice.random() * 1e-3)
            inside.remove(token)
            if dice.random() < 0.5:
                dead.add(f"{lease.path.suffix[1:]}:{token}")
            else:
                lease.release()

    threads = [threading.Thread(target=live, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []
    assert n_taken[0] > 6
