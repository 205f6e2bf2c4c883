"""verify: is every artifact what its manifest and dvc.lock say, does computing it again give the same bytes, and are
they the published ones?

With portable arithmetic bits are equal on every x86-64 CPU with AVX2; with native arithmetic, and on GPUs, on the same
type of CPU or GPU. Elsewhere sums are rounded in another order: downloads and shards are still equal, statistics and
short trainings are close (largest difference at most CLOSE of a file's largest number), and long trainings are not even
that, for rounding grows with every update: then only scores can be compared, within their spread over seeds.
"""

import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ganflow.artifacts import MANIFEST, cure, file_fault, read_manifest
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.stages.dvc_lock import LOCK, dvc_digest, recorded_by_dvc
from ganflow.stages.execution import device_of, only_writer
from ganflow.stages.inputs import strays
from ganflow.stages.outcomes import say_divergences
from ganflow.stages.published import compare_with_published
from ganflow.stages.recompute import recomputed
from ganflow.stages.status import changes
from ganflow.stages.units import Unit, units

CLOSE = 1e-3
NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")


def run(
    experiment: Experiment,
    subset: float,
    rerun: list[str] | None,
    published: bool,
    brief: bool,
    repair: list[str] | None,
) -> int:
    """Checks files, after a `repair` if asked; or with `rerun` computes again; or compares with what is `published`.

    `rerun` and `repair` name units, or paths in their folders; empty: all. Returns 0 if all is equal, 1 if not. Says
    which trainings diverged, unless `brief`, and returns DIVERGED for 0 then.
    """
    known = {str(unit): unit for unit in units(experiment, device_of(experiment))}
    if published:
        differing = compare_with_published(experiment, list(known.values()), brief)
    elif repair is not None:
        from ganflow.stages import repair as repairing  # imports DVC

        chosen = named(known, repair, "verify") if repair else list(known.values())
        repairing.repair(experiment, chosen, everything=not repair)
        differing = _check_files(chosen, subset)
    elif rerun is None:
        differing = _check_files(list(known.values()), subset)
    else:
        return _compute_again(named(known, rerun, "verify") if rerun else list(known.values()))
    diverged = 0 if brief else say_divergences(list(known.values()))
    return differing or diverged


def named(known: dict[str, Unit], names: list[str], command: str) -> list[Unit]:
    """Units by their names, or by their folders or paths inside; raises UserError for one that there is not."""
    folders = {unit.output: unit for unit in known.values()}
    found = {}
    for name in names:
        path = Path(os.path.relpath(name))
        unit = known.get(name) or next((folders[at] for at in (path, *path.parents) if at in folders), None)
        if unit is None:
            raise UserError(f"{command}: there is no unit {name!r}; there is: {'; '.join(known)}")
        found[str(unit)] = unit
    return [unit for name, unit in known.items() if name in found]


def _check_files(checked: list[Unit], subset: float) -> int:
    problems, files, read = [], 0, 0
    recorded: dict[str, str] = {}
    whole = LOCK.exists()
    try:
        recorded = recorded_by_dvc()
    except UserError as damage:
        problems.append(str(damage))
        whole = False
    for unit in checked:
        if not (unit.output / MANIFEST).is_file():
            problems.append(f"{unit}: {unit.output}: not there or not finished; run `dvc repro`")
            continue
        try:
            about = read_manifest(unit.output)
            problems += [f"{unit}: {problem}" for problem in _differences(unit, about)]
        except UserError as damage:  # of its manifest, or of one of its inputs
            problems.append(f"{unit}: {damage}")
            continue
        chosen = _sample(about["outputs"], subset)
        problems += [
            f"{unit}: {unit.output / name} {fault}; {cure(unit.output)}"
            for name in chosen
            if (fault := file_fault(unit.output / name, about["outputs"][name]))
        ]
        files += len(chosen)
        read += sum(about["outputs"][name]["bytes"] for name in chosen)
        expected = recorded.get(unit.output.as_posix())
        if whole and expected is None:
            problems.append(f"{unit}: {unit.output}: is not in {LOCK}; run `dvc repro`, which records it")
        elif subset == 1 and expected not in (None, dvc_digest(unit.output)):
            problems.append(f"{unit}: {unit.output}: is not what {LOCK} records ({expected}); {cure(unit.output)}")
    for problem in problems:
        print(problem)
    print(f"{len(checked)} units, {files} files, {read / 1e6:.1f} MB read: {_verdict(len(problems))}")
    return int(bool(problems))


def _differences(unit: Unit, about: dict[str, Any]) -> list[str]:
    """How a unit's manifest differs from what params.yaml, the source and the inputs on disk would give now."""
    problems = [f"{unit.output / name}: not in the manifest" for name in strays(unit.output, about)]
    reasons = list(changes(unit, about))
    if about.get("digest") != unit.digest or reasons:
        why = f" ({'; '.join(reasons[:3])})" if reasons else ""
        problems.append(f"not what today's parameters, code, versions and inputs would make{why}; run `dvc repro`")
    return problems


def _sample(outputs: dict[str, dict[str, Any]], subset: float) -> list[str]:
    """Files, drawn afresh each time, that hold at least the asked share of the bytes."""
    names = random.sample(sorted(outputs), len(outputs))
    wanted, chosen, size = subset * sum(entry["bytes"] for entry in outputs.values()), [], 0
    for name in names:
        if size >= wanted and subset < 1:
            break
        chosen.append(name)
        size += outputs[name]["bytes"]
    return chosen


def _compute_again(chosen: list[Unit]) -> int:
    unequal = 0
    for unit in chosen:
        with only_writer(unit):
            folder = recomputed(unit)
            expected, found = (read_manifest(top / unit.output)["outputs"] for top in (Path(), folder))
            altered = {name for name, entry in expected.items() if file_fault(unit.output / name, entry)}
            names = sorted(altered | {name for name in expected | found if expected.get(name) != found.get(name)})
            unequal += bool(names)
            said = [_how_far(name, unit.output / name, folder / unit.output / name) for name in names]
            print(f"{unit}: {'differs: ' + ', '.join(said) if said else 'equal'}", flush=True)
            shutil.rmtree(folder)
    print(f"{len(chosen)} units computed again: {_verdict(unequal)}")
    return int(bool(unequal))


def _how_far(name: str, one: Path, other: Path) -> str:
    """A file's name, and how far the numbers in two of its versions are apart."""
    if not (one.is_file() and other.is_file()):
        return f"{name} (in one of the two only)"
    first, second = _numbers(one), _numbers(other)
    if first is None or second is None or not first.size or first.shape != second.shape:
        return name
    apart = float(np.abs(first - second).max() / max(np.abs(first).max(), np.finfo(float).tiny))
    return f"{name} (by {apart:.1e} of its largest number: {'close' if apart <= CLOSE else 'not close'})"


def _numbers(path: Path) -> np.ndarray | None:
    """All numbers in a file of weights, a journal or a score, as float64; None for another kind of file."""
    if path.suffix == ".safetensors":
        try:
            tensors = load_file(path)
        except SafetensorError:
            return None
        return np.concatenate([tensors[name].astype(np.float64).ravel() for name in sorted(tensors)])
    if path.suffix in (".csv", ".json"):
        return np.array([float(number) for number in NUMBER.findall(path.read_text())])
    return None


def _verdict(differing: int) -> str:
    return f"{differing} differ" if differing else "all equal"
