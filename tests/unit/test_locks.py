"""Locks: one process at a time, told by its number, and a dead one is no obstacle."""

import errno
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from disk_order import open_files
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


def test_who_is_refused_has_not_slept_and_who_waits_sleeps_between_looks(tmp_path, monkeypatch):
    lock, slept = tmp_path / "lock", []
    with held(lock, "first"):
        before = open_files()
        monkeypatch.setattr(locks.time, "sleep", lambda seconds: slept.append(seconds) or lock.unlink())
        with pytest.raises(UserError, match="second: process"), held(lock, "second", patience=0):
            raise AssertionError("two at once")
        assert not slept and open_files() == before
        with held(lock, "second", patience=60):  # the first one's file is deleted while it sleeps
            assert slept == [locks.POLL]
        assert open_files() == before


def test_a_lock_file_that_is_deleted_while_it_is_taken_is_made_again(tmp_path, monkeypatch):
    lock, flock = tmp_path / "lock", locks.fcntl.flock

    def delete_and_lock(file, operation):
        monkeypatch.setattr(locks.fcntl, "flock", flock)
        lock.unlink()
        flock(file, operation)

    monkeypatch.setattr(locks.fcntl, "flock", delete_and_lock)
    with held(lock, "the work"):
        assert holder(lock) is not None


def test_a_lock_file_says_who_holds_it_and_nothing_of_before(tmp_path):
    lock, before = tmp_path / "locks/lock", open_files()
    lock.parent.mkdir()
    lock.write_text("an older and much longer content, of another program\n" * 9)
    with held(lock, "the work"):
        assert re.fullmatch(rf"{os.getpid()} \S+ \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\n", lock.read_text())
    with pytest.raises(ZeroDivisionError), held(lock, "the work"):
        raise ZeroDivisionError
    assert lock.read_text() == "" and holder(lock) is None and open_files() == before


def test_a_holder_on_another_machine_is_told_with_its_name(tmp_path, holding):
    lock = tmp_path / "lock"
    lock.write_text("12 elsewhere 2026-01-02 03:04:05\n")
    said = "process 12 on elsewhere, since 2026-01-02 03:04:05"
    assert holder(lock) == said
    with (
        pytest.raises(UserError, match=f"{said}, is at it; .* end it with `kill 12` on elsewhere, and run"),
        held(lock, "train", patience=0),
    ):
        raise AssertionError("two at once")
    lock.write_text(f"12 {platform.node()} 2026-01-02 03:04:05\n")
    with pytest.raises(UserError, match="end it with `kill 12`, and run"), held(lock, "train", patience=0):
        raise AssertionError("two at once")
    lock.write_text("no number\n")
    assert holder(lock) == "another process"


def test_a_lock_that_nobody_made_is_held_by_nobody(tmp_path):
    assert holder(tmp_path / "absent") is None and not (tmp_path / "absent").exists()


def test_a_lock_file_that_vanishes_while_its_holder_is_named_names_nobody(tmp_path, monkeypatch, holding):
    lock = tmp_path / "lock"
    named = locks._named
    monkeypatch.setattr(locks, "_named", lambda path: path.unlink(missing_ok=True) or named(path))
    assert holder(lock) == "another process"


def test_a_disk_that_fails_is_not_taken_for_one_without_locks(tmp_path, monkeypatch):
    def fail(file, operation):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = open_files()
    monkeypatch.setattr(locks.fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output error") as failed, held(tmp_path / "lock", "train"):
        raise AssertionError("held")
    del failed
    assert open_files() == before


def test_who_waits_is_told_once_and_not_before_its_patience_ends(tmp_path, monkeypatch):
    lock, told, clock = tmp_path / "lock", [], [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += 0.25
        if clock[0] == 4:
            lock.unlink()

    monkeypatch.setattr(locks, "PATIENCE", 2.0)
    with held(lock, "first"):
        monkeypatch.setattr(locks.time, "monotonic", lambda: clock[0])
        monkeypatch.setattr(locks.time, "sleep", sleep)
        with held(lock, "second", lambda words: told.append((clock[0], words))):
            assert [when for when, _ in told] == [2.25] and "it can be ended with `kill " in told[0][1]
        lock.touch()
        with held(lock, "third"), pytest.raises(UserError, match="fourth: process"), held(lock, "fourth"):
            raise AssertionError("two at once")


@pytest.mark.parametrize("another", [False, True])
def test_a_lock_file_that_its_holder_deletes_in_between_is_made_anew(tmp_path, monkeypatch, another):
    """Opened before its holder deletes it, and locked afterwards: the lock of a file that others no longer find, or in
    whose place there is another one."""
    lock, flock, times = tmp_path / "lock", locks.fcntl.flock, []

    def late(file, operation):
        if not times:
            lock.unlink()
            if another:
                (tmp_path / "new").touch()
                (tmp_path / "new").rename(lock)
        times.append(operation)
        flock(file, operation)

    monkeypatch.setattr(locks.fcntl, "flock", late)
    with held(lock, "train", patience=5):
        assert len(times) == 2 and holder(lock)
