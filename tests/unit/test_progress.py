"""Progress: a bar on a terminal, one at a time; lines elsewhere; all of it in the log file."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from repository import TOP

from ganflow import progress
from ganflow.progress import Progress

WORK = """
import sys, time
from pathlib import Path
from ganflow import progress
progress.SECONDS_BETWEEN_LINES = 0.05
progress.log_to(Path(f"logs/{sys.argv[1]}.log"))
while len(list(Path("logs").iterdir())) < int(sys.argv[3]):  # those that start together begin together
    time.sleep(0.01)
with progress.Progress(sys.argv[1], 40, "images", done=int(sys.argv[2])) as bar:
    for step in range(int(sys.argv[2]), 40):
        time.sleep(0.05)
        bar.advance(1, f"loss {step}")
"""


def on_a_terminal(folder: Path, *works: str) -> str:
    """What a terminal shows of several processes at once."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))  # rows, columns
    environment = {**os.environ, "PYTHONPATH": str(TOP / "src"), "TERM": "xterm"}
    started = [
        subprocess.Popen([sys.executable, "-c", WORK, *work.split()], cwd=folder, stderr=there, env=environment)
        for work in works
    ]
    os.close(there)
    shown = b""
    while True:
        try:
            block = os.read(here, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block
    os.close(here)
    assert [process.wait() for process in started] == [0] * len(works)
    return shown.decode()


def test_of_two_on_one_terminal_one_draws_a_bar(tmp_path):
    shown = on_a_terminal(tmp_path, "one 0 2", "two 0 2")
    bars = {name for name in ("one", "two") if re.search(rf"\r{name}: +\d+%\|", shown)}
    [drawn] = bars
    [other] = {"one", "two"} - bars
    assert re.search(rf"{drawn}: +\d+%\|.*images/s, loss \d+\]", shown)
    assert re.search(rf"{other}: \d+ images \(\d+%\), [\d.]+ images/s, \d\d:\d\d left loss \d+", shown)
    for name in ("one", "two"):  # the log is the same, whoever drew
        log = (tmp_path / f"logs/{name}.log").read_text()
        assert re.search(rf"{name}: \d+ images \(\d+%\), [\d.]+ images/s", log) and f"{name}: 40 images in" in log


def test_a_resumed_count_says_where_it_goes_on(tmp_path):
    on_a_terminal(tmp_path, "one 30 1")
    log = (tmp_path / "logs/one.log").read_text().splitlines()
    assert "one: resuming from 30 images" in log[0] and "one: 10 images in" in log[-1]


def test_lines_now_and_then_where_there_is_no_terminal(monkeypatch, capfd):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Progress("work", 5, "steps") as bar:
        for _ in range(5):
            bar.advance()
    lines = capfd.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 4 and all("\r" not in line for line in lines) and lines[-1].startswith("work: 5 steps in")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_log_on_a_full_disk_ends_nothing(monkeypatch, capfd):
    monkeypatch.setattr(progress, "_log", None)
    progress.log_to(Path("/dev/full"))
    progress.log("said all the same")
    assert capfd.readouterr().err == "said all the same\n"
