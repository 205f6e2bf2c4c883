"""status: which units are done, running, out of date and to do, from the manifests, without an engine."""

import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganflow.artifacts import CHECKPOINTS, MANIFEST, SCRATCH, read_manifest
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.locks import holder
from ganflow.reporting.runs import flat
from ganflow.stages.dvc_lock import recorded_by_dvc
from ganflow.stages.execution import device_of, fingerprint, lock_path
from ganflow.stages.leftovers import leftovers
from ganflow.stages.outcomes import say_divergences
from ganflow.stages.units import Unit, units

DONE, CHANGED, DAMAGED, UNDER_WAY, TO_DO = "done", "out of date", "damaged", "under way", "to do"
SHOWN = 6  # differences of one unit
LARGE = 1e9  # bytes of leftovers that are spoken of


def run(experiment: Experiment, brief: bool) -> int:
    """Prints the state of every unit of work, the reasons if it is out of date, the next command, and which trainings
    diverged; or, if `brief`, the last alone. Returns DIVERGED if one did."""
    known = list(units(experiment, device_of(experiment)))
    if not brief:
        _print(experiment, known)
    return say_divergences(known)


def _print(experiment: Experiment, known: list[Unit]) -> None:
    standing = standings(known)
    print(f"experiment {experiment.experiment}: {len(standing)} units of work")
    for kind in (DONE, UNDER_WAY, CHANGED, DAMAGED, TO_DO):
        those = [(unit, words) for unit, found, words in standing if found == kind]
        if not those:
            continue
        counted = ", ".join(f"{count} {stage}" for stage, count in Counter(unit.stage for unit, _ in those).items())
        print(f"{kind:>12} {len(those):4}  {counted}")
        for unit, words in those:
            if words:
                print(f"{'':19}{unit}: {words}")
    try:
        recorded_by_dvc()
    except UserError as damage:
        print(damage)
    if edited := _edited():
        print(f"not committed: {', '.join(edited[:SHOWN])}{f' and {len(edited) - SHOWN} more' * (len(edited) > SHOWN)}")
    old = leftovers([unit for unit, *_ in standing], {unit.output for unit, kind, _ in standing if kind == DONE})
    if (freed := sum(leftover.bytes for leftover in old)) >= LARGE:
        print(f"left over: {size(freed)} that nothing needs any more; `python -m ganflow clean` says what")
    if all(kind == DONE for _, kind, _ in standing):
        print("nothing to do; `python -m ganflow verify` checks every byte")
    else:
        print("next: `dvc repro`, or `snakemake --cores N`; `python -m ganflow plan --cost` estimates the cost")


def standings(known: list[Unit]) -> list[tuple[Unit, str, str]]:
    """(unit, state, details) of units, which are in an order in which they can run."""
    found = []
    ready: set[Path] = set()
    for unit in known:
        kind, words = _standing(unit, [folder for folder in unit.inputs if folder not in ready])
        found.append((unit, kind, words))
        if kind == DONE:
            ready.add(unit.output)
    return found


def _standing(unit: Unit, missing: list[Path]) -> tuple[str, str]:
    if not (unit.output / MANIFEST).is_file():
        return (TO_DO, "") if missing else _unfinished(unit)
    try:
        manifest = read_manifest(unit.output)
    except UserError as damage:
        return DAMAGED, str(damage)
    if reasons := list(changes(unit, manifest)):
        return CHANGED, "; ".join(reasons[:SHOWN]) + ("; ..." if len(reasons) > SHOWN else "")
    return (CHANGED, f"its input {missing[0]} is out of date") if missing else (DONE, "")


def changes(unit: Unit, manifest: dict[str, Any]) -> Iterator[str]:
    """The differences between an artifact's origin and the current state; nothing if it is up to date."""
    if not isinstance(manifest, dict) or not {"parameters", "versions", "code", "inputs"} <= manifest.keys():
        yield f"its {MANIFEST} is damaged"
        return
    for what, now in (("", unit.parameters), ("version of ", unit.versions), ("code of ", unit.code)):
        before = flat(manifest[{"": "parameters", "version of ": "versions", "code of ": "code"}[what]])
        now = flat(now)
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                said = "" if what == "code of " else f" {before.get(key, 'absent')} -> {now.get(key, 'absent')}"
                yield f"{what}{key}{said}"
    if any(not (folder / MANIFEST).is_file() for folder in unit.inputs):
        yield "its inputs are missing"
    else:
        try:
            now = unit.input_digests()
        except UserError as damage:
            yield f"of its inputs, {str(damage).partition('; ')[0]}"
            return
        yield from (f"{folder} changed" for folder in now if manifest["inputs"].get(folder) != now[folder])


def _unfinished(unit: Unit) -> tuple[str, str]:
    """The state of a unit without outputs: under way if a process works on it, and a training with checkpoints."""
    try:
        newest = _newest_checkpoint(unit)
    except UserError:  # an input's manifest is damaged, and told there
        newest = None
    process = holder(lock_path(unit))
    said = []
    if newest:
        total, ago = unit.parameters["training"]["iterations"], time.time() - newest.stat().st_mtime
        said = [f"iteration {iteration_of(unit):,} of {total:,}, the last checkpoint {duration(ago)} ago"]
    said += [process] if process else []
    return (UNDER_WAY, ", ".join(said)) if said else (TO_DO, "")


def iteration_of(unit: Unit) -> int:
    """The iteration from which an unfinished training resumes."""
    newest = _newest_checkpoint(unit)
    return int(newest.name.partition("-")[0]) if newest else 0


def _newest_checkpoint(unit: Unit) -> Path | None:
    if unit.stage != "train" or any(not (folder / MANIFEST).is_file() for folder in unit.inputs):
        return None
    checkpoints = (SCRATCH / "train" / fingerprint(unit)[:32]).glob(CHECKPOINTS)
    return max(checkpoints, default=None)


def duration(seconds: float) -> str:
    """A duration in days, hours, minutes or seconds."""
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{max(seconds, 0):.0f} seconds"


def size(count: float) -> str:
    """A size in decimal units."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count / 1e3:.0f} kB"


def _edited() -> list[str]:
    """Tracked files that differ from the last commit."""
    if shutil.which("git") is None:
        return []
    done = subprocess.run(["git", "diff", "--name-only", "HEAD"], capture_output=True, text=True)
    return done.stdout.splitlines()
