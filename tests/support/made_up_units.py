"""A finished experiment in which nothing was computed: every unit's output holds a few files, with a true manifest."""

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from repository import TOP
from safetensors.numpy import save_file

from ganflow import config
from ganflow.stages.dvc_lock import LOCK, dvc_digest
from ganflow.stages.execution import outputs
from ganflow.stages.units import Unit, units

TINY = (TOP / "profiles/tiny.yaml").read_text()


def finished_in(folder: Path) -> tuple[Path, dict[str, Unit]]:
    """Makes it in a folder, with dvc.lock; the folder, and its units by name."""
    with contextlib.chdir(folder):
        return folder, _finish()


def copied(made: tuple[Path, dict[str, Unit]], folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Unit]:
    """A copy of it as the current folder of a test; its units by name."""
    shutil.copytree(made[0], folder)
    patch.chdir(folder)
    return made[1]


def _finish() -> dict[str, Unit]:
    Path("params.yaml").write_text(TINY)
    known = {str(unit): unit for unit in units(config.load(), "cpu")}
    for name, unit in known.items():
        with outputs(unit) as partial:
            (partial / "inner").mkdir()
            (partial / "inner/note.txt").write_text(f"{name}\n" * 3000)
            (partial / "journal.csv").write_text("iteration,loss\n1,0.5\n2,0.25\n")
            save_file({"weight": np.arange(4, dtype=np.float32)}, partial / "weights.safetensors")
    record(list(known.values()))
    return known


def record(done: list[Unit]) -> None:
    """Writes dvc.lock, as it is when DVC has recorded these units and no others."""
    entries = "".join(
        f"  {unit.kind.address(*unit.axes)}:\n    cmd: python -m ganflow {unit}\n    outs:\n"
        f"    - path: {unit.output}\n      hash: md5\n      md5: {dvc_digest(unit.output)}\n"
        for unit in done
    )
    LOCK.write_text(f"schema: '2.0'\nstages:\n{entries}")
