"""Whether what was made here equals what the repository publishes: the outputs in dvc.lock at the last commit."""

import os
import subprocess
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from ganflow import arithmetic
from ganflow.artifacts import MANIFEST
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.progress import Progress
from ganflow.stages.dvc_lock import LOCK, dvc_digest, locked
from ganflow.stages.execution import PLAN
from ganflow.stages.graph import RESULTS
from ganflow.stages.units import Unit

SHOWN = 3  # units that differ first


class Comparison(NamedTuple):
    """Units that were compared with the published ones, by what was found."""

    commit: str
    equal: list[Unit]
    unequal: list[Unit]
    unfinished: list[Unit]
    edited: set[str]  # names of units whose parameters, sources or versions are not those of the published ones


def compare_with_published(experiment: Experiment, units: list[Unit], brief: bool) -> int:
    """Prints which units differ from the published ones first, and why that may be, and in one sentence how many are
    equal; unless `brief`, also a line for the table of docs/exactness.md. Returns 0 if all are equal, 1 if not."""
    found = _compared(experiment, units)
    for unit in first(found.unequal)[:SHOWN]:
        print(f"{unit}: differs first: {_reason(experiment, unit, found)}")
    print(_sentence(units, found))
    if not brief:
        print(f"docs/exactness.md: {_row(experiment, units, found)}")
    return int(len(found.equal) < len(units))


def _compared(experiment: Experiment, units: list[Unit]) -> Comparison:
    """Compares the bytes of every unit's outputs with the published digests; raises UserError if none are."""
    commit, stages = published()
    if (other := _published_experiment(stages)) not in (None, experiment.experiment):
        raise UserError(
            f"{LOCK} of commit {commit} publishes the experiment {other!r}, and params.yaml is of "
            f"{experiment.experiment!r}, so there is nothing to compare; to publish it, commit {LOCK} with params.yaml"
        )
    entries = {str(unit): stages.get(unit.kind.address(*unit.axes)) for unit in units}
    if not any(entries.values()):
        raise UserError(
            f"{LOCK} of commit {commit} publishes nothing of this experiment; to publish it, commit it with params.yaml"
        )
    found = Comparison(commit, [], [], [], set())
    with Progress("comparing with the published artifacts", len(units), "units") as progress:
        for unit in units:
            entry = entries[str(unit)]
            if entry is None or locked_digest(entry, unit) != unit.digest:
                found.edited.add(str(unit))
            if not (unit.output / MANIFEST).is_file():
                found.unfinished.append(unit)
            elif entry and {out["path"]: out["md5"] for out in entry["outs"]} == {
                unit.output.as_posix(): dvc_digest(unit.output)
            }:
                found.equal.append(unit)
            else:
                found.unequal.append(unit)
            progress.advance(1)
    return found


def published() -> tuple[str, dict[str, Any]]:
    """The last commit that this folder is at, and the stages of its dvc.lock; raises UserError if there is none."""
    shown = [_git("rev-parse", "--short", "HEAD"), _git("show", f"HEAD:./{LOCK}")]
    if None in shown:
        raise UserError(f"{LOCK}: the last commit of this folder has none, so nothing is published; commit {LOCK}")
    commit, text = (str(said).strip() for said in shown)
    return commit, locked(f"{text}\n".encode(), f"{LOCK} of commit {commit}", f"run `dvc repro` and commit {LOCK}")


def _published_experiment(stages: dict[str, Any]) -> str | None:
    """The name of the experiment that a lock is of; None if it has no report."""
    paths = [PurePosixPath(out["path"]) for out in stages.get("report", {}).get("outs", ())]
    return next((path.parts[1] for path in paths if path.parts[0] == RESULTS.name), None)


def first(units: list[Unit]) -> list[Unit]:
    """Those of some units that none of the others comes before."""
    made = {unit.output for unit in units}
    return [unit for unit in units if not made & set(unit.inputs)]


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def locked_digest(entry: dict[str, Any], unit: Unit) -> str | None:
    """The digest of a unit's parameters, code and versions by which an artifact in dvc.lock was made."""
    key = ".".join(["units", unit.stage, *unit.axes])
    return entry.get("params", {}).get(PLAN.as_posix(), {}).get(key)


def _reason(experiment: Experiment, unit: Unit, found: Comparison) -> str:
    if str(unit) in found.edited:
        return "its parameters, sources or versions are not those of the published one"
    if experiment.compute.device != "cpu" and unit.kind.gpu:
        return "computed on a GPU, where bits depend on its model and driver"
    if experiment.compute.arithmetic == "native":
        return "native arithmetic rounds as this type of CPU does; `compute: {arithmetic: portable}` does not"
    return f"nothing that is recorded differs, so this machine rounds otherwise ({_machine()}): please report it"


def _sentence(units: list[Unit], found: Comparison) -> str:
    said = f"{len(found.equal)} of {len(units)} artifacts equal those published in {LOCK} (commit {found.commit})"
    if found.unfinished:
        said += f"; {len(found.unfinished)} are not finished: `dvc repro` goes on"
    if found.unequal:
        said += f'; to look closer: `python -m ganflow verify --rerun "{first(found.unequal)[0]}"`'
    return said


def _row(experiment: Experiment, units: list[Unit], found: Comparison) -> str:
    about = [_machine(), experiment.compute.arithmetic, experiment.experiment, found.commit]
    return f"| {' | '.join(about)} | {len(found.equal)} of {len(units)} |"


def _machine() -> str:
    """CPU, widest vectors, cores and C library of this machine."""
    name, flags = arithmetic.cpu()
    widest = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{name}, {widest}, {os.cpu_count()} cores, {os.confstr('CS_GNU_LIBC_VERSION')}"
