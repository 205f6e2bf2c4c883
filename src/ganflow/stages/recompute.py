"""Doing a unit, or the beginning of one, again in a scratch folder by the same parameters, plan, code and inputs."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from ganflow.artifacts import SCRATCH
from ganflow.errors import UserError
from ganflow.locks import held
from ganflow.stages.digests import PACKAGE
from ganflow.stages.execution import PLAN, lock_path
from ganflow.stages.units import Unit

POLL = 0.1  # seconds


def recomputed(unit: Unit, enough: str = "") -> Path:
    """A folder in which the unit was done again, at `unit.output`, or until a file there matched the pattern `enough`.

    Raises UserError if that fails.
    """
    folder = SCRATCH / "recompute" / "-".join([unit.stage, *unit.axes])
    with held(folder / lock_path(unit), f"{unit}, computed again"):  # by a killed `verify`, its child may go on
        shutil.rmtree(folder, ignore_errors=True)
    seen = {path: path for path in (Path("params.yaml"), PLAN, Path("local"), *unit.inputs)} | {
        Path("ganflow"): PACKAGE
    }
    for path, target in seen.items():
        if target.exists():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(target.resolve())
    said = folder / "said.txt"
    with said.open("w") as log:
        command = [sys.executable, "-m", "ganflow", unit.stage, *unit.axes]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            while process.poll() is None and not (enough and any(folder.glob(enough))):
                time.sleep(POLL)
        finally:
            stopped = process.poll() is None
            process.terminate()
            process.wait()
    if process.returncode and not stopped:
        raise UserError(f"{unit}: failed when done again in {folder}: {said.read_text().strip()}")
    return folder
