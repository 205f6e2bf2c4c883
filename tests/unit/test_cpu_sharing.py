"""Sharing cores: a second pool of OpenMP threads comes while a process is interrupted, and goes afterwards."""

import json
import subprocess
import sys
import threading
import time

import pytest
from repository import TOP

from ganflow import cpu_sharing

COUNT_THREADS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from ganflow import arithmetic, cpu_sharing
arithmetic.configure(2, "portable")
import torch
parallel = lambda: torch.ones(2**20).add_(1)
def threads():
    return len(os.listdir("/proc/self/task"))
parallel()
counts = [threads()]
for _ in range(3):
    pool = cpu_sharing.IdlePool(parallel)
    pool._closed.wait(0.5)
    counts.append(threads())
    pool.close()
    while threads() > counts[0]:  # the system takes them down a moment after they end
        pass
    counts.append(threads())
print(counts)
"""


@pytest.mark.slow
def test_a_pool_adds_one_openmp_thread_to_two_and_its_owner_and_takes_them_away():
    done = subprocess.run(
        [sys.executable, "-c", COUNT_THREADS, TOP / "src"], capture_output=True, text=True, timeout=60, check=True
    )
    first, *others = json.loads(done.stdout)
    assert others == [first + 2, first] * 3


def test_interruptions_bring_a_pool_and_quiet_ends_it(monkeypatch):
    counted, pools = [0], []

    class Pool:
        def __init__(self, parallel):
            pools.append("made")

        def close(self):
            pools.append("closed")

    def wait_for(expected):
        end = time.monotonic() + 10
        while pools != expected and time.monotonic() < end:
            time.sleep(0.001)
            counted[0] += rate
        assert pools == expected

    monkeypatch.setattr(cpu_sharing, "INTERVAL", 0.02)
    monkeypatch.setattr(cpu_sharing, "_interruptions", lambda: counted[0])
    monkeypatch.setattr(cpu_sharing, "IdlePool", Pool)
    cpu_sharing.share_cores(1, list)
    assert not [thread for thread in threading.enumerate() if thread.name == "cpu_sharing"]
    cpu_sharing.share_cores(2, list)
    rate = 20
    wait_for(["made"])
    rate = 0
    wait_for(["made", "closed"])
    rate = 20
    wait_for(["made", "closed", "made"])
    monkeypatch.setattr(cpu_sharing, "INTERVAL", 3600.0)


def test_memory_settings_are_accepted_and_missing_ones_are_no_error(monkeypatch):
    cpu_sharing.keep_freed_memory()
    monkeypatch.setattr(cpu_sharing.ctypes, "CDLL", lambda name: object())
    cpu_sharing.keep_freed_memory()
