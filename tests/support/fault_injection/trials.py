"""Trials: what was done to what, and how it ended; and the finished experiment that each is compared with."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from served.programs import Done, Programs

from fault_injection.units import Unit, units_of

PLACES = re.compile(r"/(?:[^/\s]+/)+(?=ganflow/|site-packages/|data/|results/)")  # what a path has of this machine
EQUAL, NAMED, HARMLESS, PUT_RIGHT = "equal", "named", "harmless", "put right"
SILENT, TRACEBACK, LOST, STUCK, DIFFERS, TORN = "silent", "traceback", "lost", "stuck", "differs", "torn"
MISNAMED, CRASHED = "misnamed", "crashed"
GOOD = (EQUAL, NAMED, HARMLESS, PUT_RIGHT)
BESIDE = {".snakemake_timestamp"}


@dataclass(frozen=True)
class Trial:
    """One fault: the attack, what it was on, where it struck, its outcome, and what was said."""

    attack: str
    subject: str
    at: str
    outcome: str
    said: str = ""


@dataclass
class Experiment:
    """A finished experiment to attack: a clone that is only copied, its units, and the bytes of their outputs."""

    folder: Path
    programs: Programs
    units: list[Unit] = field(init=False)
    bytes: dict[str, dict[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.units = units_of(self.folder, self.programs.environment)
        self.bytes = {unit.output: contents(self.folder / unit.output) for unit in self.units}

    def copy(self, folder: Path) -> Path:
        """A copy to attack, with dates as they are."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--archive", self.folder, folder], check=True)
        return folder

    def restore(self, folder: Path) -> None:
        """Puts a copy back to what it was."""
        shutil.rmtree(folder)
        self.copy(folder)

    def of_stage(self, stage: str) -> list[Unit]:
        """The units of a stage."""
        return [unit for unit in self.units if unit.stage == stage]

    def events(self, folder: Path, unit: Unit) -> list[tuple[str, str, str]]:
        """The events of a unit's command over its finished output, with nothing to resume from."""
        return self.events_of_engine(folder, f"ganflow {unit.name}", unit, keep_output=True)

    def events_of_engine(self, folder: Path, command: str, unit: Unit, keep_output: bool) -> list[tuple[str, str, str]]:
        """The events of an engine itself while it makes a unit."""
        begin_anew(folder, unit, keep_output)
        return self.programs.events(folder, command)

    def unequal(self, folder: Path, units: Iterable[Unit] | None = None) -> list[str]:
        """The outputs in a copy that are not the undisturbed ones, byte by byte, and what else lies beside them."""
        found = []
        for unit in self.units if units is None else units:
            output = folder / unit.output
            if contents(output) != self.bytes[unit.output]:
                found.append(unit.output)
            found += [str(rest.relative_to(folder)) for rest in output.parent.glob(f".{output.name}.*")]
        return found

    def torn(self, folder: Path, unit: Unit) -> bool:
        """Whether an output looks finished and is not whole."""
        output = folder / unit.output
        return (output / "manifest.json").exists() and contents(output) != self.bytes[unit.output]

    def whole(self, folder: Path, unit: Unit) -> bool:
        """Whether the finished output of a unit is still there, in its place or renamed aside."""
        output = folder / unit.output
        places = (output, output.with_name(f".{output.name}.old"))
        return any(contents(place) == self.bytes[unit.output] for place in places)


def contents(folder: Path) -> dict[str, str]:
    """{name: sha256} of the files under a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in BESIDE
    }


def begin_anew(folder: Path, unit: Unit, keep_output: bool) -> None:
    """Nothing to resume from, and the unit's output there or not."""
    shutil.rmtree(folder / "build/scratch", ignore_errors=True)
    if not keep_output:
        shutil.rmtree(folder / unit.output, ignore_errors=True)


def last_words(done: Done) -> str:
    """What a command said at its end, without the places of the clone and the environment."""
    lines = [line for line in done.said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("ganflow: ")]
    return PLACES.sub("", (told or lines or [""])[-1])[:300]


def counted(trials: Iterable[Trial]) -> dict[str, Any]:
    """{attack: {n, outcomes: {outcome: count}, harm: examples}} of trials."""
    found: dict[str, Any] = {}
    for trial in trials:
        about = found.setdefault(trial.attack, {"n": 0, "outcomes": {}, "harm": []})
        about["n"] += 1
        about["outcomes"][trial.outcome] = about["outcomes"].get(trial.outcome, 0) + 1
        if trial.outcome not in GOOD and len(about["harm"]) < 12:
            about["harm"].append([trial.subject, trial.at, trial.outcome, trial.said])
    return found


def spread(things: list[Any], most: int) -> Iterator[Any]:
    """At most so many of a list, evenly from its beginning to its end; all for 0."""
    if not most or len(things) <= most:
        yield from things
    elif most == 1:
        yield things[len(things) // 2]
    else:
        yield from (things[round(index * (len(things) - 1) / (most - 1))] for index in range(most))
