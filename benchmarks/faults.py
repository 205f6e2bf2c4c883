"""Faults in commands of a finished experiment: kills, full disks, limits, damaged files, and several at once.

`make faults` runs all of it with these defaults; `--record` writes benchmarks/faults.json, of which `ganflow schema`
makes the tables in docs/faults.md. `--sources` attacks the sources of another clone, such as those before a change.
"""

import argparse
import itertools
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
from importlib.metadata import version
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "src"), str(TOP / "tests/support")]

from fault_injection import corruption, costs, kills, rivals, shortage, together  # noqa: E402 (beside these scripts)
from fault_injection.commands import Unit, programs  # noqa: E402
from fault_injection.trials import GOOD, Experiment, Trial, counted, spread  # noqa: E402
from repository import Clone, environment_of  # noqa: E402

from ganflow import arithmetic  # noqa: E402

RECORD = Path(__file__).with_suffix(".json")
PACKAGES = ("torch", "safetensors", "dvc", "snakemake", "mlflow", "webdataset")
LOADED = 120  # damaged files of each kind for each loader, which takes milliseconds
Job = Callable[[Path], Iterator[Trial]]  # in a folder of its own


def kill_jobs(experiment: Experiment, options: argparse.Namespace) -> Iterator[Job]:
    """Every stage, publishing, and both engines, each at its own events."""

    def of_unit(unit: Unit) -> Job:
        def run(folder: Path) -> Iterator[Trial]:
            experiment.copy(folder)
            events = kills.each(experiment.events(folder, unit))
            yield from kills.kill_stage(experiment, folder, unit, list(spread(events, options.events)), over=True)
            yield from kills.kill_stage(experiment, folder, unit, list(spread(events, options.events // 6)), over=False)

        return run

    def of_engine(engine: kills.Engine, unit: Unit) -> Job:
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
    yield of_publish
    yield from (of_engine(engine, scored) for engine in (kills.SNAKEMAKE, kills.DVC))
    yield from (of_unit(unit) for unit in reversed(experiment.units))


def damage_jobs(experiment: Experiment, options: argparse.Namespace) -> Iterator[Job]:
    """Every kind of damage: who names it; and the same commands on what is untouched."""

    def commands(kind: str) -> Job:
        def run(folder: Path) -> Iterator[Trial]:
            experiment.copy(folder)
            yield from corruption.damage_files(experiment, folder, kind, chosen(kind, options.files))

        return run

    def engine(kind: str, command: str, most: int) -> Job:
        def run(folder: Path) -> Iterator[Trial]:
            experiment.copy(folder)
            yield from corruption.under_engine(experiment, folder, kind, command, chosen(kind, most, read=True))

        return run

    def loaders(folder: Path) -> Iterator[Trial]:
        files = rivals.loader_files(experiment, folder)
        for kind in corruption.DAMAGE:
            yield from rivals.loaders(files, kind, LOADED)

    def untouched(folder: Path) -> Iterator[Trial]:
        experiment.copy(folder)
        yield from corruption.false_alarms(experiment, folder, -(-options.files // len(experiment.units)))

    def chosen(kind: str, most: int, read: bool = False) -> list[tuple[Unit, str, int]]:
        """Files and rounds, drawn evenly over the experiment."""
        found = corruption.files(experiment, corruption.DAMAGE[kind])
        kept = (item for item in found if not read or corruption.reader(experiment, item[0]))
        listed = list(itertools.islice(kept, 4 * most + 400))
        once = sum(number == 0 for _, _, number in listed)
        return random.Random(kind).sample(listed[: max(once, most)], min(most, len(listed)))

    yield untouched
    yield loaders
    for kind in corruption.DAMAGE:
        yield engine(kind, kills.SNAKEMAKE.plain, options.files // 4)
        yield engine(kind, kills.DVC.plain, options.files)
        yield commands(kind)


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

    def shut(mode: int) -> Job:
        def run(folder: Path) -> Iterator[Trial]:
            experiment.copy(folder)
            known: set[str] = set()
            for unit in firsts:
                new = [name for name in shortage.folders_of(folder, unit) if name not in known]
                known.update(new)
                yield from shortage.shut_folders(experiment, folder, unit, mode, new)

        return run

    yield from (full, limits, small, shut(0o555), shut(0))


def together_jobs(experiment: Experiment, options: argparse.Namespace) -> Iterator[Job]:
    """Two processes of every unit, two engines, eight publishers, and publishing while training."""

    def engines(folder: Path) -> Iterator[Trial]:
        yield from together.two_engines(experiment, experiment.copy(folder), 2)

    def publishers(folder: Path) -> Iterator[Trial]:
        experiment.copy(folder)
        experiment.programs.run(folder, "ganflow publish")
        expected = together.published(folder)
        yield from together.publishers(experiment, folder, expected, 8)
        yield from together.publish_while_training(experiment, folder, expected)

    def pairs(folder: Path) -> Iterator[Trial]:
        experiment.copy(folder)
        for unit in experiment.units:
            for delay in (0.0, 0.3):
                yield from together.two_of_one_unit(experiment, folder, unit, delay)

    yield from (engines, publishers, pairs)


PARTS = {"damage": damage_jobs, "kills": kill_jobs, "shortage": shortage_jobs, "together": together_jobs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, "costs"], default=[*PARTS, "costs"])
    parser.add_argument("--events", type=int, default=30, help="kills of each command, spread over its events; 0: all")
    parser.add_argument("--files", type=int, default=110, help="damaged files of each kind; a quarter under Snakemake")
    parser.add_argument("--processes", type=int, default=2, help="attacks at once")
    parser.add_argument("--sources", type=Path, default=TOP, help="the clone whose sources are attacked")
    parser.add_argument("--experiment", type=Path, help="a clone in which it is finished, instead of a new one")
    parser.add_argument("--finished", type=Path, help="a clone with a finished quickstart, for the costs")
    parser.add_argument("--record", type=Path, nargs="?", const=RECORD, help=f"where to ({RECORD.name}), by parts")
    options = parser.parse_args()
    arithmetic.configure(1, "portable")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through all that must be put back
    began, found, broken = time.monotonic(), list[Trial](), list[BaseException]()
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
            with ThreadPoolExecutor(options.processes) as pool:
                running = [pool.submit(lambda job, at: list(job(at)), job, top / f"{n}") for n, job in enumerate(jobs)]
                for number, done in enumerate(as_completed(running), start=1):
                    if error := done.exception():
                        broken.append(error)
                        traceback.print_exception(error)
                    else:
                        found += done.result()
                    seconds = f"{time.monotonic() - began:.0f} s, {served.seconds:.0f} s of a core"
                    told = f"{number} of {len(jobs)} parts, {len(found)} trials, {seconds}"
                    print(told, file=sys.stderr, flush=True)
    attacks = counted(found)
    for attack, about in sorted(attacks.items()):
        print(f"{attack}: {about['n']}: {', '.join(f'{o} {n}' for o, n in sorted(about['outcomes'].items()))}")
        for example in about["harm"]:
            print("   ", " | ".join(example))
    measured = costs.of_inputs(options.finished.resolve()) if "costs" in options.parts and options.finished else None
    if measured:
        print(json.dumps(measured, indent=1))
    if options.record:
        record(options.record, attacks, measured, round(time.monotonic() - began))
    sys.exit(bool(broken))


def record(path: Path, attacks: dict, measured: dict | None, seconds: int) -> None:
    """Writes the counts; those of other attacks, of parts that were not run, stay."""
    before = json.loads(path.read_text()) if path.exists() else {"attacks": {}}
    about = {"cpu": arithmetic.cpu()[0], "python": platform.python_version(), "seconds": seconds, "experiment": "tiny"}
    about |= {"versions": {package: version(package).partition("+")[0] for package in PACKAGES}}
    kept = {"about": about, "attacks": dict(sorted((before["attacks"] | attacks).items())), "good": list(GOOD)}
    if cost := measured or before.get("costs"):
        kept["costs"] = cost
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
