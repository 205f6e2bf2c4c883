"""Locks: one process at a time, told by its number, and a dead one is no obstacle."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from repository import TOP

from ganflow import locks
from ganflow.errors import UserError
from ganflow.locks import held, holder

HOLD = "import sys, time; from pathlib import Path; from ganflow.locks import held\n"
HOLD += "with held(Path(sys.argv[1]), 'the work'): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holding(tmp_path):
    """A process that holds the lock of `tmp_path`/lock."""
    command = [sys.executable, "-c", HOLD, tmp_path / "lock"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(TOP / "src")})
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_one_is_refused_with_the_number_of_the_first_and_may_go_on_when_that_is_dead(tmp_path, holding):
    lock = tmp_path / "lock"
    with pytest.raises(UserError) as refused, held(lock, "train a b 0", patience=0.1):
        raise AssertionError("two at once")
    said = str(refused.value)
    assert said.startswith(f"train a b 0: process {holding.pid} on ") and "\n" not in said
    assert str(holding.pid) in holder(lock)
    [kill] = re.findall(r"end it with `(kill \d+)`", said)  # the cure that is told
    subprocess.run(kill.split(), check=True)
    holding.wait()
    assert holder(lock) is None
    with held(lock, "train a b 0", patience=0):
        pass
    assert lock.read_text() == "" and holder(lock) is None


def test_a_lock_of_a_process_that_was_killed_is_no_obstacle(tmp_path, holding):
    lock = tmp_path / "lock"
    holding.send_signal(signal.SIGKILL)
    holding.wait()
    assert lock.read_text().startswith(f"{holding.pid} ") and holder(lock) is None
    with held(lock, "train a b 0", patience=0):
        assert lock.read_text().startswith(f"{os.getpid()} ")


def test_who_waits_is_told_for_whom_and_goes_on_afterwards(tmp_path, holding, monkeypatch):
    lock, told, events = tmp_path / "lock", [], []

    def wait() -> None:
        with held(lock, "publish", told.append, patience=0.05):
            events.append("held")

    waiting = threading.Thread(target=wait)
    waiting.start()
    until = time.monotonic() + 20
    while not told and time.monotonic() < until:
        time.sleep(0.01)
    assert len(told) == 1 and told[0].startswith(f"publish: waiting for process {holding.pid} on ") and not events
    holding.kill()
    waiting.join(20)
    assert events == ["held"] and len(told) == 1


@pytest.mark.parametrize("content", ["", "no number\n", "1 2 3\n", "\x00" * 1000, "9" * 400])
def test_a_lock_file_with_another_content_is_told_without_a_number(tmp_path, holding, content):
    lock = tmp_path / "lock"
    lock.write_text(content)
    said = f"train: another process ({lock}), is at it; wait until it is done"
    with pytest.raises(UserError, match=re.escape(said)), held(lock, "train", patience=0):
        raise AssertionError("two at once")


def test_a_lock_file_that_is_deleted_while_one_waits_is_made_anew(tmp_path):
    lock = tmp_path / "lock"
    with held(lock, "first"):
        lock.unlink()
        with held(lock, "second"):  # of another file: who deletes a lock file holds it and has finished
            assert holder(lock)
    assert holder(lock) is None


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    def refuse(file, operation):
        raise OSError(38, os.strerror(38))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    monkeypatch.chdir(tmp_path)
    said = "build/locks/a.lock: its file system has no locks .* move the clone to a local disk"
    with pytest.raises(UserError, match=said), held(Path("build/locks/a.lock"), "train"):
        raise AssertionError("held")
