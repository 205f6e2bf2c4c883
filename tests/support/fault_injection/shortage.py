"""Shortages: a full disk, folders that can't be written or read, and ulimits. A command that meets one says so in a
sentence and keeps what was there; without the shortage it ends with the bytes of an undisturbed run."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from served.programs import Done

from fault_injection.events import TAKES_SPACE
from fault_injection.kills import Event, places
from fault_injection.trials import (
    CRASHED,
    DIFFERS,
    EQUAL,
    LOST,
    MISNAMED,
    NAMED,
    SILENT,
    TRACEBACK,
    Experiment,
    Trial,
    begin_anew,
    last_words,
)
from fault_injection.units import Unit

FULL, SMALL = "disk full: from an event on", "disk full: a small file system"
FILES, DESCRIPTORS, ADDRESSES = "ulimit -f", "ulimit -n", "ulimit -v"
READ_ONLY, SHUT = "read-only folder", "folder without permission"
NAMES = {  # what a sentence has that is about the shortage
    FULL: ("make room",),
    SMALL: ("make room",),
    FILES: (FILES,),
    DESCRIPTORS: (DESCRIPTORS,),
    ADDRESSES: ("out of memory",),
    READ_ONLY: ("permission",),
    SHUT: ("permission",),
}


def refusal(attack: str, done: Done) -> str:
    """The outcome of a command that did not end well: whether it said so, and of what."""
    if done.code < 0:
        return CRASHED
    if done.code != 2 or not done.sentence:
        return TRACEBACK
    return NAMED if any(words in done.said for words in NAMES[attack]) else MISNAMED


def short(experiment: Experiment, folder: Path, attack: str, at: str, unit: Unit, done: Done) -> Trial:
    """The outcome of a unit's command, over its finished output, that ended while something was short; without that it
    is run again."""
    outcome = refusal(attack, done) if done.code else EQUAL
    if not experiment.whole(folder, unit):
        outcome = SILENT if done.code == 0 else LOST
    again = experiment.programs.run(folder, f"ganflow {unit.name}")
    if again.code or experiment.unequal(folder, [unit]):
        outcome, done = DIFFERS, again
        experiment.restore(folder)
    return Trial(attack, unit.name, at, outcome, last_words(done))


def full_disk(experiment: Experiment, folder: Path, unit: Unit, at: list[int]) -> Iterator[Trial]:
    """From an event on, nothing more can be written, as the process sees it."""
    for number in at:
        begin_anew(folder, unit, keep_output=True)
        done = experiment.programs.run(folder, f"ganflow {unit.name}", {"events": {"full_from": number}})
        yield short(experiment, folder, FULL, f"event {number}", unit, done)


def taking_space(events: list[Event], known: set[tuple[str, str]]) -> list[int]:
    """The numbers of the first event at each place in the code that takes space."""
    return [number for number in places(events, known) if events[number - 1][0] in TAKES_SPACE]


def small_disk(experiment: Experiment, folder: Path, unit: Unit, shares: int) -> Iterator[Trial]:
    """A file system of its own, with room for a growing share of what the unit writes."""
    size = sum(path.stat().st_size for path in (folder / unit.output).rglob("*") if path.is_file())
    ballast = folder / "ballast"
    for share in range(shares):
        begin_anew(folder, unit, keep_output=True)
        room = os.statvfs(folder)
        fill = room.f_bavail * room.f_frsize - 4096 - 2 * size * share // shares
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(fill, 1))
        done = experiment.programs.run(folder, f"ganflow {unit.name}")
        ballast.unlink()
        yield short(experiment, folder, SMALL, f"{share}/{shares}", unit, done)


@contextmanager
def mounted(folder: Path, mebibytes: int) -> Iterator[bool]:
    """A file system in memory; False where none may be mounted."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)


# (name, limit, values): from far too little to almost enough
LIMITS: list[tuple[str, str, list[int]]] = [
    (FILES, "RLIMIT_FSIZE", [0, 1 << 10, 1 << 12, 1 << 16]),
    (DESCRIPTORS, "RLIMIT_NOFILE", [4, 6, 8, 12]),
]
MEMORY = [1 << 20, 8 << 20, 64 << 20]  # bytes beyond what the process has mapped when it starts


def limited(experiment: Experiment, folder: Path, unit: Unit) -> Iterator[Trial]:
    """Each limit at each of its values."""
    for name, kind, values in LIMITS:
        for value in values:
            yield from limited_once(experiment, folder, unit, name, {"limits": {kind: value}}, str(value))
    for more in MEMORY:
        yield from limited_once(experiment, folder, unit, ADDRESSES, {"memory": more}, f"{more >> 20} MiB more")


def limited_once(
    experiment: Experiment, folder: Path, unit: Unit, name: str, faults: dict[str, Any], at: str
) -> Iterator[Trial]:
    """One limit: of `limits`, or of bytes of `memory` beyond what is mapped."""
    begin_anew(folder, unit, keep_output=True)
    done = experiment.programs.run(folder, f"ganflow {unit.name}", faults)
    yield short(experiment, folder, name, at, unit, done)


def shut_folders(
    experiment: Experiment, folder: Path, unit: Unit, mode: int, shut: list[str] | None = None
) -> Iterator[Trial]:
    """The unit's command without privileges, while one folder that it reads or writes has another mode."""
    attack = READ_ONLY if mode == 0o555 else SHUT
    for name in folders_of(folder, unit) if shut is None else shut:
        begin_anew(folder, unit, keep_output=True)
        (folder / name).chmod(mode)
        done = experiment.programs.run(folder, f"ganflow {unit.name}", {"no_privileges": True})
        (folder / name).chmod(0o755)
        yield short(experiment, folder, attack, name, unit, done)


def folders_of(folder: Path, unit: Unit) -> list[str]:
    """The folders that a unit's command reads or writes: those of its inputs, its output, scratch and logs, and those
    above them."""
    found = {Path()}
    for place in map(Path, (*unit.inputs, unit.output, "build", f"logs/{unit.stage}")):
        if (folder / place).is_dir():
            found |= {place, *place.parents}
    return sorted(str(path) for path in found)
