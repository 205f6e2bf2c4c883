"""Sets the dates of outputs by `dvc status` before Snakemake plans: it compares dates, DVC contents."""

import os
import shutil
from pathlib import Path

import networkx as nx
from dvc.lock import LockError
from dvc.repo import Repo
from snakemake.settings.types import DeploymentMethod
from snakemake.workflow import Workflow
from snakemake_interface_common.exceptions import WorkflowError

from ganflow.config import load
from ganflow.errors import UserError
from ganflow.locks import holder
from ganflow.stages import runs
from ganflow.stages.execution import LOCKS
from workflow.folders import ORIGIN

BASE = 10**9  # seconds since the epoch, before any real file; Snakemake ignores dates near zero


def require_conda(workflow: Workflow) -> None:
    """Raises WorkflowError if environments are requested and conda is missing."""
    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method and not shutil.which("conda"):
        raise WorkflowError("there is no conda on PATH; install it, or leave out --use-conda and run in .venv")


def list_runs() -> None:
    """Updates workflow/runs.yaml; raises WorkflowError for an error in params.yaml."""
    try:
        runs.run(load())
    except UserError as error:
        raise WorkflowError(f"ganflow: {error}") from None


def align() -> bool:
    """Dates outputs of changed stages before their inputs, and all others after them; False if the plan is to be made
    again before. Raises WorkflowError while another process makes outputs, such as one of a killed engine."""
    with Repo() as repo:
        try:
            stale, graph = set(repo.status()), repo.index.graph  # edges point from a stage to those it depends on
        except LockError as error:
            raise WorkflowError(_at_work(error)) from None
        if "plan" in stale:
            return False
        _date(Path(ORIGIN), BASE)
        for rank, stage in enumerate(reversed(list(nx.topological_sort(graph))), start=1):
            for out in stage.outs:
                _date(Path(str(out)), BASE - 1 if stage.addressing in stale else BASE + rank)
    return True


def _at_work(error: LockError) -> str:
    """Who makes outputs, by the locks of units; by DVC's own words if none is held."""
    held = {lock.stem: found for lock in sorted(LOCKS.glob("*.lock")) if (found := holder(lock))}
    who = "; ".join(f"{unit}: {process}" for unit, process in held.items()) or " ".join(str(error).split())
    return f"ganflow: {who}, is at it; wait until it is done, or end that process with `kill`, and run this again"


def _date(path: Path, when: int) -> None:
    """Dates a file, or a folder as Snakemake sees it; files inside keep theirs, so DVC need not hash them again."""
    for entry in (path, path / ".snakemake_timestamp"):
        if entry.exists() and entry.stat().st_mtime != when:
            os.utime(entry, (when, when))
