"""Damaged files: every file of a finished experiment in every way, and who names it."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from damage import cut, flip
from served.programs import Done

from fault_injection.trials import (
    HARMLESS,
    NAMED,
    PUT_RIGHT,
    SILENT,
    TRACEBACK,
    Experiment,
    Trial,
    last_words,
)
from fault_injection.units import Unit

WATCHERS = ("the next stage", "verify", "the report")
SHAPES = ("[]", "{}", "null", "NaN", "1" * 400, '{"outputs": {"a": 1}}', '[{"a": [1]}]', '"text"')


def delete(path: Path, number: int = 0) -> None:
    path.unlink()


def directory(path: Path, number: int = 0) -> None:
    """A folder in the place of the file; every second one with a file in it."""
    path.unlink()
    path.mkdir()
    if number % 2:
        (path / "inner").write_text("not ours")


def another_shape(path: Path, number: int = 0) -> None:
    """Valid JSON, but of another shape."""
    before = path.read_text()
    shapes = [shape for shape in SHAPES if shape != before.strip()]
    path.write_text(shapes[number % len(shapes)])


DAMAGE: dict[str, Callable[[Path, int], None]] = {
    "one bit flipped, size and date kept": flip,
    "cut": cut,
    "deleted": delete,
    "a folder in its place": directory,
    "JSON of another shape": another_shape,
}


def applies(damage: Callable[[Path, int], None], path: Path) -> bool:
    return path.stat().st_size > 0 and (damage is not another_shape or path.suffix == ".json")


def means_the_same(one: bytes, other: bytes) -> bool:
    """Whether two JSON files have one value: a bit may turn one space into another."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


class Damaged:
    """A file of a copy, damaged inside the block and as before after it, with its date."""

    def __init__(self, path: Path, damage: Callable[[Path, int], None], number: int):
        self.path, self.damage, self.number = path, damage, number

    def __enter__(self) -> "Damaged":
        self.content, self.date = self.path.read_bytes(), self.path.stat()
        self.damage(self.path, self.number)
        changed = self.path.is_file()
        self.same = (
            changed and self.path.name.endswith(".json") and means_the_same(self.path.read_bytes(), self.content)
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.path.is_dir():
            shutil.rmtree(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(self.content)
        os.utime(self.path, ns=(self.date.st_atime_ns, self.date.st_mtime_ns))


def files(experiment: Experiment, damage: Callable[[Path, int], None]) -> Iterator[tuple[Unit, str]]:
    """(unit that made it, name in the clone) of every file that a kind of damage can be done to."""
    for unit in experiment.units:
        for name in experiment.bytes[unit.output]:
            path = f"{unit.output}/{name}"
            if applies(damage, experiment.folder / path):
                yield unit, path


def reader(experiment: Experiment, maker: Unit) -> Unit | None:
    """The first unit that has the output of another as its input."""
    found = (unit for unit in experiment.units if maker.output in unit.inputs)
    return next(found, None)


def named(done: Done, maker: Unit, path: str) -> bool:
    """Whether a command refused a damaged file by name, or a damaged manifest by its folder's."""
    wanted = maker.output if path.endswith("/manifest.json") else path
    return bool(done.code) and wanted in done.said and "Traceback" not in done.said


def judged(experiment: Experiment, folder: Path, done: Done, damaged: Damaged, maker: Unit, path: str) -> str:
    """The outcome of a command on a damaged file."""
    if named(done, maker, path):
        return NAMED
    if "Traceback" in done.said:
        return TRACEBACK
    return HARMLESS if damaged.same and not done.code else SILENT


def watchers(experiment: Experiment, maker: Unit) -> dict[str, str]:
    """{who should notice, of WATCHERS: command} for a file in the output of a unit."""
    found = {"verify": "ganflow verify"}
    if unit := reader(experiment, maker):
        found |= {"the next stage": f"ganflow {unit.name}"}
    if any(unit.stage == "report" and maker.output in unit.inputs for unit in experiment.units):
        found |= {"the report": "ganflow report"}
    return found


def damage_files(
    experiment: Experiment, folder: Path, kind: str, who: str, chosen: list[tuple[Unit, str, int]]
) -> Iterator[Trial]:
    """A trial of one that should notice for each file."""
    for maker, path, number in chosen:
        with Damaged(folder / path, DAMAGE[kind], number) as damaged:
            done = experiment.programs.run(folder, watchers(experiment, maker)[who])
            outcome = judged(experiment, folder, done, damaged, maker, path)
        yield Trial(f"{kind}: {who}", path, f"round {number}", outcome, last_words(done))
        if done.code == 0 and experiment.unequal(folder):
            experiment.restore(folder)


def false_alarms(experiment: Experiment, folder: Path, commands: list[str], who: str, most: int) -> Iterator[Trial]:
    """So many trials of commands, one after the other, on untouched files."""
    for number in range(most):
        command = commands[number % len(commands)]
        done = experiment.programs.run(folder, command)
        outcome = HARMLESS if done.code == 0 and not experiment.unequal(folder) else SILENT
        yield Trial(f"untouched: {who}", command, f"round {number // len(commands)}", outcome, last_words(done))


def under_engine(
    experiment: Experiment, folder: Path, kind: str, engine: str, chosen: list[tuple[Unit, str, int]]
) -> Iterator[Trial]:
    """The plain command of an engine, where the next stage is to be run: DVC knows nothing of it, and has no run cache.

    DVC checks a file again if its size or date changed, and then takes the right one from its cache: it is put right.
    Before DVC runs, `dvc status` is asked.
    """
    name = engine.partition(" ")[0]
    forget_runs(experiment, folder)
    for maker, path, number in chosen:
        unit = reader(experiment, maker)
        assert unit is not None, f"{path}: no stage reads it"
        lock = (folder / "dvc.lock").read_text()
        with Damaged(folder / path, DAMAGE[kind], number) as damaged:
            if name == "dvc":
                seen = maker.output in experiment.programs.run(folder, "dvc status").said
                yield Trial(f"{kind}: dvc status", path, f"round {number}", NAMED if seen else SILENT)
            (folder / "dvc.lock").write_text(without(lock, unit.address))
            done = experiment.programs.run(folder, engine)
            outcome = judged(experiment, folder, done, damaged, maker, path)
            if outcome in (SILENT, HARMLESS) and not done.code and not experiment.unequal(folder):
                outcome = PUT_RIGHT
        yield Trial(f"{kind}: {name}", path, f"round {number}", outcome, last_words(done))
        if experiment.unequal(folder):
            forget_runs(experiment, folder)
        (folder / "dvc.lock").write_text(lock)


def forget_runs(experiment: Experiment, folder: Path) -> None:
    """The copy as it was, without DVC's run cache, and with DVC's memory of each file's size, date and inode."""
    experiment.restore(folder)
    shutil.rmtree(folder / ".dvc/cache/runs")
    experiment.programs.run(folder, "dvc status --quiet")


def without(lock: str, address: str) -> str:
    """A dvc.lock without one stage."""
    kept, inside = [], False
    for line in lock.splitlines(keepends=True):
        if line.startswith("  ") and not line.startswith("   "):
            inside = line.strip() == f"{address}:"
        if not inside:
            kept.append(line)
    return "".join(kept)
