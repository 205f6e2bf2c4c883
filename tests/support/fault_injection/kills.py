"""Kills at events: a command dies at the k-th time that it changes a file, is started again without a manual step, and
must leave the bytes of an undisturbed run.

Of writes to one file that follow each other, the first, the middle and the last are taken.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from served.programs import Done

from fault_injection.events import WRITE
from fault_injection.trials import (
    DIFFERS,
    EQUAL,
    STUCK,
    TORN,
    TRACEBACK,
    Experiment,
    Trial,
    begin_anew,
    last_words,
    spread,
)
from fault_injection.units import Unit

Event = tuple[str, str, str]  # kind, path, place in the code


@dataclass(frozen=True)
class Engine:
    """How an engine is run, and how it is made to make one unit."""

    name: str
    plain: str
    one: str  # with the unit's address
    keeps: bool  # makes a unit whose output is there

    def making(self, unit: Unit) -> str:
        """The command by which it makes a unit of a finished experiment."""
        return self.one.format(unit.address)


DVC = Engine("DVC", "dvc repro", "dvc repro --force --single-item {}", keeps=True)
SNAKEMAKE = Engine("Snakemake", "snakemake --cores 1 --quiet rules", "snakemake --cores 1 --quiet rules", keeps=False)
OVER, ANEW = "over its finished output", "without an output"


def places(events: list[Event], known: set[tuple[str, str]] | None = None) -> list[int]:
    """The numbers, from 1, of the first event of each kind at each place in the code, unless they are known; these are
    then known."""
    known, found = set() if known is None else known, []
    for number, (kind, _, place) in enumerate(events, start=1):
        if (kind, place) not in known:
            known.add((kind, place))
            found.append(number)
    return found


def each(events: list[Event]) -> list[int]:
    """The numbers, from 1, of all events but the inner ones of a series of writes to one file."""
    found: list[int] = []
    numbered = enumerate(events, start=1)
    for (kind, _), group in itertools.groupby(numbered, key=lambda event: event[1][:2]):
        numbers = [number for number, _ in group]
        found += spread(numbers, 3) if kind == WRITE else numbers
    return found


def kill_stage(experiment: Experiment, folder: Path, unit: Unit, at: list[int], over: bool) -> Iterator[Trial]:
    """A trial for each event at which the unit's command dies, in one copy of the experiment: each ends as it began."""
    programs, attack = experiment.programs, f"kill: {unit.stage}, {OVER if over else ANEW}"
    for number in at:
        begin_anew(folder, unit, over)
        killed = programs.run(folder, f"ganflow {unit.name}", {"events": {"kill_at": number}})
        torn = experiment.torn(folder, unit) or (over and not experiment.whole(folder, unit))
        again = programs.run(folder, f"ganflow {unit.name}") if killed.killed else killed
        outcome = TORN if torn else _outcome(again, experiment.unequal(folder, [unit]))
        yield Trial(attack, unit.name, f"event {number}", outcome, last_words(again))
        if outcome != EQUAL:
            experiment.restore(folder)


def kill_engine(experiment: Experiment, folder: Path, engine: Engine, unit: Unit, at: list[int]) -> Iterator[Trial]:
    """An engine dies at its own events while it makes one unit; then `ganflow runs`, and the engine's plain command."""
    run = experiment.programs.run
    for number in at:
        begin_anew(folder, unit, engine.keeps)
        killed = run(folder, engine.making(unit), {"events": {"kill_at": number}})
        again = killed
        if killed.killed:
            run(folder, "ganflow runs")
            again = run(folder, engine.plain)
        outcome = _outcome(again, experiment.unequal(folder))
        if outcome == EQUAL and (again := run(folder, "dvc status --quiet")).code:
            outcome = DIFFERS
        yield Trial(f"kill: own writes of {engine.name}", unit.name, f"event {number}", outcome, last_words(again))
        if outcome != EQUAL:
            experiment.restore(folder)


def _outcome(done: Done, unequal: list[str]) -> str:
    if done.code:
        return TRACEBACK if "Traceback" in done.said else STUCK
    return DIFFERS if unequal else EQUAL
