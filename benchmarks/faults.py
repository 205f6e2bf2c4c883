"""Faults in commands of a finished experiment: kills, full disks, limits, damaged files, and several at once.

`make faults` runs all of it with these defaults; `--record` writes benchmarks/faults.json, of which `ganflow schema`
makes the tables in docs/faults.md. `--sources` attacks the sources of another clone, such as those before a change.
"""

import argparse
import json
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "src"), str(TOP / "tests/support")]

from fault_injection import corruption, costs, kills, rivals, shortage, together  # noqa: E402 (beside these scripts)
from fault_injection.trials import GOOD, Experiment, Trial, counted, spread  # noqa: E402
from fault_injection.units import Unit  # noqa: E402
from repository import Clone, environment_of  # noqa: E402
from served.programs import programs  # noqa: E402

from ganflow import arithmetic  # noqa: E402

RECORD = Path(__file__).with_suffix(".json")
PACKAGES = ("torch", "safetensors", "dvc", "snakemake", "mlflow", "webdataset")
LOADED = 120  # damaged files of each kind for each loader, which takes milliseconds
Attack = Callable[[Path], Iterator[Trial]]  # in a folder of its own, which is not there yet
Job = tuple[str, Attack]  # with a name to choose it by


def kill_jobs(experiment: Experiment, options: argparse.Namespace) -> Iterator[Job]:
    """Every stage, publishing, and both engines, each at its own events."""

    def of_unit(unit: Unit) -> Attack:
        def run(folder: Path) -> Iterator[Trial]:
            experiment.copy(folder)
            events = kills.each(experiment.events(folder, unit))
            yield from kills.kill_stage(experiment, folder, unit, list(spread(events, options.events)), over=True)
            yield from kills.kill_stage(experiment, folder, unit, list(spread(events, options.events // 6)), over=False)

        return run

    def of_engine(engine: kills.Engine, unit: Unit) -> Attack:
        def run(folder: Path) -> Iterator[Trial]:
            experiment.copy(folder)
            events = kills.each(experiment.events_of_engine(folder, engine.making(unit), unit, engine.keeps))
            yield from kills.kill_engine(experiment, folder, engine, unit, list(spread(events, options.events)))

        return run

    def of_publish(folder: Path) -> Iterator[Trial]:
        experiment.copy(folder)
        events = kills.each(experiment.programs.events(folder, "ganflow publish"))
        yield from together.kill_publisher(
            experiment, folder, together.published(folder), list(spread(events, options.events))
        )

    scored = experiment.of_stage("evaluate")[-1]
    yield from ((f"kill: {unit.name}", of_unit(unit)) for unit in experiment.units)
    yield "kill: publish", of_publish
    yield from ((f"kill: {engine.name}", of_engine(engine, scored)) for engine in (kills.DVC, kills.SNAKEMAKE))


def damage_jobs(experiment: Experiment, options: argparse.Namespace) -> Iterator[Job]:
    """Every kind of damage: who names it; and the same commands on what is untouched."""

    def of_command(kind: str, who: str) -> Attack:
        def run(folder: Path) -> Iterator[Trial]:
            experiment.copy(folder)
            files = chosen(kind, lambda unit: who in corruption.watchers(experiment, unit))
            yield from corruption.damage_files(experiment, folder, kind, who, files)

        return run

    def of_engine(kind: str, engine: kills.Engine) -> Attack:
        def run(folder: Path) -> Iterator[Trial]:
            experiment.copy(folder)
            files = chosen(kind, lambda unit: corruption.reader(experiment, unit) is not None)
            yield from corruption.under_engine(experiment, folder, kind, engine.plain, files)

        return run

    def loaders(folder: Path) -> Iterator[Trial]:
        files = rivals.loader_files(experiment, folder)
        for kind in corruption.DAMAGE:
            yield from rivals.loaders(files, kind, LOADED)

    def untouched(folder: Path) -> Iterator[Trial]:
        experiment.copy(folder)
        stages = [f"ganflow {unit.name}" for unit in experiment.units]
        for commands, who in ((["ganflow verify"], "verify"), (stages, "the next stage")):
            yield from corruption.false_alarms(experiment, folder, commands, who, options.files)
        for engine in engines:
            yield from corruption.false_alarms(experiment, folder, [engine.plain], engine.name, options.files)

    def chosen(kind: str, wanted: Callable[[Unit], bool]) -> list[tuple[Unit, str, int]]:
        """So many files of wanted units, each as often as any other or once more, with the number of the round."""
        found = [item for item in corruption.files(experiment, corruption.DAMAGE[kind]) if wanted(item[0])]
        rounds, rest = divmod(options.files, len(found))
        drawn = random.Random(kind).sample(found, rest)
        return [(*item, number) for number in range(rounds) for item in found] + [(*item, rounds) for item in drawn]

    engines = (kills.DVC, kills.SNAKEMAKE)
    yield "untouched", untouched
    yield "loaders", loaders
    yield from ((f"{kind}: {who}", of_command(kind, who)) for kind in corruption.DAMAGE for who in corruption.WATCHERS)
    for engine in engines:
        for kind in corruption.DAMAGE:
            yield f"{kind}: {engine.name}", of_engine(kind, engine)


def shortage_jobs(experiment: Experiment, options: argparse.Namespace) -> Iterator[Job]:
    """Full disks, ulimits, and folders with other modes."""
    firsts = [experiment.of_stage(stage)[-1] for stage in dict.fromkeys(unit.stage for unit in experiment.units)]

    def full(folder: Path) -> Iterator[Trial]:
        experiment.copy(folder)
        known: set[tuple[str, str]] = set()
        for unit in experiment.units:
            at = shortage.taking_space(experiment.events(folder, unit), known)
            yield from shortage.full_disk(experiment, folder, unit, at)

    def small(folder: Path) -> Iterator[Trial]:
        with shortage.mounted(folder, 512) as mounted:
            for unit in firsts if mounted else ():
                copy = experiment.copy(folder / "copy")
                yield from shortage.small_disk(experiment, copy, unit, 5)
                shutil.rmtree(copy)

    def limits(folder: Path) -> Iterator[Trial]:
        experiment.copy(folder)
        for unit in firsts:
            yield from shortage.limited(experiment, folder, unit)

    def shut(mode: int) -> Attack:
        def run(folder: Path) -> Iterator[Trial]:
            experiment.copy(folder)
            known: set[str] = set()
            for unit in firsts:
                new = [name for name in shortage.folders_of(folder, unit) if name not in known]
                known.update(new)
                yield from shortage.shut_folders(experiment, folder, unit, mode, new)

        return run

    yield from (("disk full", full), ("ulimit", limits), ("small file system", small))
    yield from (("read-only folder", shut(0o555)), ("folder without permission", shut(0)))


def together_jobs(experiment: Experiment, options: argparse.Namespace) -> Iterator[Job]:
    """Two processes of every unit, two engines, eight publishers, and publishing while training."""

    def engines(folder: Path) -> Iterator[Trial]:
        yield from together.two_engines(experiment, experiment.copy(folder), options.rounds)

    def publishers(folder: Path) -> Iterator[Trial]:
        experiment.copy(folder)
        experiment.programs.run(folder, "ganflow publish")
        expected = together.published(folder)
        for _ in range(options.rounds):
            yield from together.publishers(experiment, folder, expected, 8)
        for _ in range(options.rounds):
            yield from together.publish_while_training(experiment, folder, expected)

    def pairs(folder: Path) -> Iterator[Trial]:
        experiment.copy(folder)
        for unit in experiment.units:
            for delay in (0.0, 0.3):
                yield from together.two_of_one_unit(experiment, folder, unit, delay)

    yield from (("two engines", engines), ("publishers", publishers), ("two processes", pairs))


PARTS = {"damage": damage_jobs, "kills": kill_jobs, "shortage": shortage_jobs, "together": together_jobs}


@dataclass
class Found:
    """The trials so far, with the seconds of each attack; recorded again and again, so that a stop loses little."""

    path: Path | None
    trials: list[Trial] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    costs: dict[str, Any] | None = None
    lock: Lock = field(default_factory=Lock)
    stopped: bool = False

    def __post_init__(self) -> None:
        there = self.path is not None and self.path.exists()
        self.before = json.loads(self.path.read_text()) if self.path and there else {"attacks": {}}

    def collect(self, attack: Attack, folder: Path) -> None:
        """Runs an attack to its end, or until all are stopped, and removes its folder; keeps the trials before an
        error, too."""
        began = time.monotonic()
        try:
            for trial in attack(folder):
                now = time.monotonic()
                with self.lock:
                    self.trials.append(trial)
                    self.seconds[trial.attack] = self.seconds.get(trial.attack, 0.0) + now - began
                began = now
                if self.stopped:
                    break
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def attacks(self) -> dict[str, Any]:
        """{attack: its counts} of the trials so far."""
        with self.lock:
            return {
                attack: about | {"seconds": round(self.seconds[attack])}
                for attack, about in sorted(counted(self.trials).items())
            }

    def record(self) -> None:
        """Writes the counts; those of other attacks, of parts that were not run, stay."""
        if self.path is None:
            return
        about = {"cpu": arithmetic.cpu()[0], "python": platform.python_version(), "experiment": "tiny"}
        about |= {"versions": {package: version(package).partition("+")[0] for package in PACKAGES}}
        attacks = dict(sorted((self.before["attacks"] | self.attacks()).items()))
        kept = {"about": about, "attacks": attacks, "good": list(GOOD)}
        if costs := self.costs or self.before.get("costs"):
            kept["costs"] = costs
        self.path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, "costs"], default=[*PARTS, "costs"])
    parser.add_argument("--only", nargs="+", default=[""], help="of these, jobs whose names contain one of these texts")
    parser.add_argument("--events", type=int, default=30, help="kills of each command, spread over its events; 0: all")
    parser.add_argument("--files", type=int, default=110, help="damaged files of each kind, for each that reads them")
    parser.add_argument("--rounds", type=int, default=2, help="of two engines at once, and of publishers")
    parser.add_argument("--processes", type=int, default=2, help="attacks at once")
    parser.add_argument("--sources", type=Path, default=TOP, help="the clone whose sources are attacked")
    parser.add_argument("--experiment", type=Path, help="a clone in which it is finished, instead of a new one")
    parser.add_argument("--finished", type=Path, help="a clone with a finished quickstart, for the costs")
    parser.add_argument("--record", type=Path, nargs="?", const=RECORD, help=f"where to ({RECORD.name}), by attacks")
    options = parser.parse_args()
    arithmetic.configure(1, "portable")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through all that must be put back
    began, found, broken = time.monotonic(), Found(options.record), list[BaseException]()
    with tempfile.TemporaryDirectory(prefix="ganflow-faults-") as name:
        top = Path(name)
        if options.experiment:
            clone = Clone(options.experiment.resolve(), environment_of(top / "cache"))
        else:
            clone = Clone.fresh(top / "finished", environment_of(top / "cache"), options.sources.resolve())
            clone.run("dvc repro")
        with programs(clone.folder / "src", clone.environment) as served:
            experiment = Experiment(clone.folder, served)
            jobs = [job for part in options.parts if part in PARTS for job in PARTS[part](experiment, options)]
            jobs = [(name, attack) for name, attack in jobs if any(text in name for text in options.only)]
            with ThreadPoolExecutor(options.processes) as pool:
                running = {
                    pool.submit(found.collect, attack, top / f"{number}"): name
                    for number, (name, attack) in enumerate(jobs)
                }
                try:
                    for number, done in enumerate(as_completed(running), start=1):
                        if error := done.exception():
                            broken.append(error)
                            traceback.print_exception(error)
                        found.record()
                        seconds = f"{time.monotonic() - began:.0f} s, {served.seconds:.0f} s of a core"
                        told = f"{number} of {len(jobs)}, {running[done]}: {len(found.trials)} trials, {seconds}"
                        print(told, file=sys.stderr, flush=True)
                finally:
                    found.stopped = True
                    pool.shutdown(cancel_futures=True)
                    found.record()
    for attack, about in found.attacks().items():
        print(f"{attack}: {about['n']}: {', '.join(f'{o} {n}' for o, n in sorted(about['outcomes'].items()))}")
        for example in about["harm"]:
            print("   ", " | ".join(example))
    if "costs" in options.parts and options.finished:
        found.costs = costs.of_inputs(options.finished.resolve())
        print(json.dumps(found.costs, indent=1))
        found.record()
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
