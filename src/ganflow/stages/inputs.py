"""Inputs are read and held against their manifests before a stage opens them: what a manifest vouches for is what was
read, and not what a neighbouring file says."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ganflow.artifacts import MANIFEST, cure, file_fault, read_manifest
from ganflow.errors import UserError
from ganflow.progress import Progress
from ganflow.stages.units import Unit

SHOWN = 1 << 30  # bytes of inputs, from which on reading them shows progress
BESIDE = {MANIFEST, ".snakemake_timestamp"}  # files of a finished folder that its manifest does not name


def check_inputs(unit: Unit) -> None:
    """Reads every file of a unit's inputs; raises UserError for the first folder that is not what its manifest says."""
    manifests = {folder: read_manifest(folder) for folder in unit.inputs}
    size = sum(entry["bytes"] for about in manifests.values() for entry in about["outputs"].values())
    with Progress(f"{unit}, checking inputs", size, "B") if size >= SHOWN else nullcontext() as progress:
        for folder, about in manifests.items():
            for name, fault in faults(folder, about, progress):
                raise UserError(f"{unit}: its input {folder / name} {fault}; {cure(folder)}")


def faults(folder: Path, about: dict[str, Any], progress: Progress | None = None) -> Iterator[tuple[str, str]]:
    """(name, what is wrong with it) of the files of a folder that its manifest does not describe, or not so."""
    for name, entry in about["outputs"].items():
        if fault := file_fault(folder / name, entry):
            yield name, fault
        if progress:
            progress.advance(entry["bytes"])
    for name in strays(folder, about):
        yield name, "is not in its manifest"


def strays(folder: Path, about: dict[str, Any]) -> list[str]:
    """Files in a folder that its manifest does not name."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return sorted(found - BESIDE - set(about["outputs"]))
