"""Clones of this repository with an experiment of their own, for the benchmarks that run whole stages."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "src"))  # the package beside these scripts


def clone(folder: Path, params: str) -> Callable[[str], str]:
    """Clones the last commit with these params.yaml and nothing done; returns a shell in it, which returns what a
    command says."""
    subprocess.run(["git", "clone", "--quiet", TOP, folder], check=True)
    (folder / "params.yaml").write_text(params)
    (folder / "dvc.lock").unlink(missing_ok=True)
    programs, path = str(Path(sys.executable).parent), os.environ["PATH"]
    if programs not in path.split(os.pathsep):
        path = f"{programs}{os.pathsep}{path}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": "", "DVC_NO_ANALYTICS": "1"}

    def shell(command: str) -> str:
        done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    shell("python -m ganflow runs")
    return shell
