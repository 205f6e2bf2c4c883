"""accept: keeps the outputs of units whose code changed, if a recomputed sample of them is equal byte for byte.

The sample of a training consists of all files up to its first checkpoint: journal, sample grids, snapshots; that of
shards is the first shard of each split; all other units are recomputed completely. Manifests and dvc.lock are then
updated to the current code. Finished outputs of the current code that dvc.lock has lost are recorded in it again, if
every byte is what their manifests say.
"""

import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ganflow.artifacts import (
    CHECKPOINTS,
    MANIFEST,
    SCRATCH,
    change_manifest,
    cure,
    digest_file,
    read_manifest,
)
from ganflow.config import Experiment
from ganflow.data import SPLITS
from ganflow.errors import UserError
from ganflow.stages.dvc_lock import dvc_digest, recorded_by_dvc
from ganflow.stages.execution import device_of, fingerprint, only_writer
from ganflow.stages.inputs import faults
from ganflow.stages.recompute import recomputed
from ganflow.stages.status import changes
from ganflow.stages.train import journal_text
from ganflow.stages.units import Unit, units
from ganflow.stages.verify import named
from ganflow.tensor_metadata import header
from ganflow.training.written_files import FOLDERS

FIRST = "000000.json"  # the record of a split's first shard, written after it
SAMPLE_FILES = {"train": f"{SCRATCH}/train/*/{CHECKPOINTS}", "shard": f"{SCRATCH}/shard/*/{SPLITS[0]}/{FIRST}"}
CODE = "code of "


def run(experiment: Experiment, names: list[str]) -> int:
    """Accepts the named units, or all that are out of date only by their code, if their samples are equal, and those
    that dvc.lock lost, if their files are whole; returns 1 without any change if one differs.

    Raises UserError for a unit that is not finished, or with changes other than its code.
    """
    known = {str(unit): unit for unit in units(experiment, device_of(experiment))}
    recorded = recorded_by_dvc()
    named_ones = named(known, names, "accept") if names else list(known.values())
    lost = [unit for unit in named_ones if unit.output.as_posix() not in recorded and _up_to_date(unit)]
    chosen = named_ones if names else [unit for unit in named_ones if _changed_by_code_only(unit)]
    chosen = [unit for unit in chosen if _changed(unit)]
    with ExitStack() as writing:
        for unit in [*lost, *chosen]:
            writing.enter_context(only_writer(unit))
        for unit in [*lost, *chosen]:
            if fault := _damage(unit, recorded, unit in lost) or (None if unit in lost else _difference(unit)):
                print(f"{unit}: {fault}; nothing is accepted")
                return 1
            print(f"{unit}: {'as its manifest says' if unit in lost else 'equal'}", flush=True)
        if lost or chosen:
            _sign(chosen, lost)
    print(f"{len(lost) + len(chosen)} units accepted" + ("; commit dvc.lock" if lost or chosen else ""))
    return 0


def _up_to_date(unit: Unit) -> bool:
    """Whether a unit is finished, by today's parameters, code, versions and inputs."""
    return (unit.output / MANIFEST).is_file() and not list(changes(unit, read_manifest(unit.output)))


def _changed(unit: Unit) -> bool:
    """Whether the code of a unit changed; raises UserError for other changes, or if it is not finished."""
    if not (unit.output / MANIFEST).is_file():
        raise UserError(f"{unit}: is not finished, nothing to accept; run `dvc repro`")
    reasons = list(changes(unit, read_manifest(unit.output)))
    if other := [reason for reason in reasons if not reason.startswith(CODE)]:
        raise UserError(f"{unit}: other changes than its code: {other[0]}; run `dvc repro`")
    return bool(reasons)


def _changed_by_code_only(unit: Unit) -> bool:
    manifest = unit.output / MANIFEST
    reasons = list(changes(unit, read_manifest(unit.output))) if manifest.is_file() else []
    return bool(reasons) and all(reason.startswith(CODE) for reason in reasons)


def _damage(unit: Unit, recorded: dict[str, str], lost: bool) -> str | None:
    """How a unit's outputs differ from its manifest and, unless it lost them, dvc.lock; None if they are equal."""
    about = read_manifest(unit.output)
    for name, fault in faults(unit.output, about):
        return f"{unit.output / name} {fault}"
    if not lost and recorded.get(unit.output.as_posix()) != dvc_digest(unit.output):
        return f"{unit.output}: is not what dvc.lock records; {cure(unit.output)}"
    return None


def _difference(unit: Unit) -> str | None:
    """How the recomputed sample of a unit differs from its outputs; None if it is equal."""
    again = recomputed(unit, SAMPLE_FILES.get(unit.stage, ""))
    expected = read_manifest(unit.output)
    if (again / unit.output / MANIFEST).exists():
        found = read_manifest(again / unit.output)
        names = [name for name in found["outputs"] if expected["outputs"].get(name) != found["outputs"][name]]
        unequal = names or ([MANIFEST] if expected["content"] != found["content"] else [])
    else:
        unequal = (
            _unequal_shards(again, expected)
            if unit.stage == "shard"
            else _unequal_training_files(unit, again, expected)
        )
    shutil.rmtree(again)
    return f"{unequal[0]}: differs when recomputed, so the change has an effect" if unequal else None


def _unequal_shards(again: Path, expected: dict[str, Any]) -> list[str]:
    """The first shards of both splits that differ; one without a record was cut off when there was enough."""
    written = [path for path in again.glob(f"{SCRATCH}/shard/*/*/*-000000.tar") if (path.parent / FIRST).exists()]
    found = {f"{path.parent.name}/{path.name}": path for path in written}
    return [name for name, path in found.items() if not _is(expected, name, path)]


def _unequal_training_files(unit: Unit, again: Path, expected: dict[str, Any]) -> list[str]:
    """The files of a training up to its first checkpoint that differ, including the journal."""
    newest = max(again.glob(SAMPLE_FILES["train"]))
    written = [path for folder in FOLDERS for path in newest.parent.glob(f"{folder}/**/*") if path.is_file()]
    found = {path.relative_to(newest.parent).as_posix(): path for path in written if path.suffix != ".partial"}
    unequal = [name for name, path in found.items() if not _is(expected, name, path)]
    journal = (unit.output / "journal.csv").read_text(encoding="utf-8")
    return unequal if journal.startswith(journal_text(header(newest)["journal"])) else ["journal.csv", *unequal]


def _is(expected: dict[str, Any], name: str, path: Path) -> bool:
    return name in expected["outputs"] and expected["outputs"][name]["sha256"] == digest_file(path)


def _sign(chosen: list[Unit], lost: list[Unit]) -> None:
    """Updates manifests and dvc.lock to the current code, and records in dvc.lock what it lost."""
    for unit in chosen:
        origin = {"code": unit.code, "digest": unit.digest, "fingerprint": fingerprint(unit)}
        change_manifest(unit.output, origin)
    _dvc("repro", "--single-item", "plan")
    _dvc("commit", "--force", *(unit.kind.address(*unit.axes) for unit in [*lost, *chosen]))


def _dvc(*arguments: str) -> None:
    done = subprocess.run(["dvc", "--wait-for-lock", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"accept: `dvc {' '.join(arguments)}` failed: {done.stderr.strip()}")
