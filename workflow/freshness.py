"""Sets the dates of outputs by `dvc status` before Snakemake plans: it compares dates, DVC contents."""

import os
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import networkx as nx
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from snakemake.io import _IOFile
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DeploymentMethod
from snakemake.workflow import Workflow
from snakemake_interface_common.exceptions import WorkflowError

from ganflow.config import load
from ganflow.errors import UserError
from ganflow.locks import holder
from ganflow.stages import plan, runs
from ganflow.stages.dvc_lock import locked_stages
from ganflow.stages.execution import LOCKS, PLAN
from ganflow.stages.place import check_place
from ganflow.stages.published import locked_digest
from ganflow.stages.units import Unit
from workflow.command_line import Asked
from workflow.folders import ORIGIN
from workflow.job import causes

BASE = 10**9  # seconds since the epoch, before any real file; Snakemake ignores dates near zero


def refuse(workflow: Workflow, sentence: str) -> NoReturn:
    """Raises WorkflowError, and shows it where Snakemake is told to be quiet about everything."""
    if Quietness.ALL in (workflow.output_settings.quiet or ()) and not workflow.dryrun:
        print(sentence, file=sys.stderr)
    raise WorkflowError(sentence)


def require(workflow: Workflow, asked: Asked) -> None:
    """Raises WorkflowError if environments are requested and conda is missing, and if jobs are forced elsewhere."""
    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method and not shutil.which("conda"):
        refuse(workflow, "there is no conda on PATH; install it, or leave out --use-conda and run in .venv")
    if (asked.all_again or asked.again) and asked.executor not in (None, "local", "dryrun"):
        refuse(
            workflow,
            "jobs of an executor don't learn that they are forced, and DVC keeps what it knows; leave out --forceall "
            "and --forcerun, and run `dvc repro --force --single-item STAGE` before",
        )


def list_runs(workflow: Workflow) -> None:
    """Updates workflow/runs.yaml; raises WorkflowError for an error in params.yaml or dvc.lock."""
    try:
        runs.run(load())
    except UserError as error:
        refuse(workflow, "\n".join(f"ganflow: {line}" for line in str(error).splitlines()))


def align(workflow: Workflow) -> bool:
    """Dates outputs of changed stages before their inputs, and all others after them; False if the plan is to be made
    again before. Raises WorkflowError with DVC's words if it can't read its files, or while another process makes
    outputs, such as one of a killed engine."""
    with _told(workflow), Repo() as repo:
        stale, graph = set(repo.status()), repo.index.graph  # edges point from a stage to those it depends on
        if "plan" in stale:
            return False
        _date(Path(ORIGIN), BASE)
        for rank, stage in enumerate(reversed(list(nx.topological_sort(graph))), start=1):
            for out in stage.outs:
                _date(Path(str(out)), BASE - 1 if stage.addressing in stale else BASE + rank)
    return True


def _at_work() -> str:
    """Who makes outputs, by the locks of units; empty if none is held."""
    held = {lock.stem: found for lock in sorted(LOCKS.glob("*.lock")) if (found := holder(lock))}
    who = "; ".join(f"{unit}: {process}" for unit, process in held.items())
    return (
        who and f"ganflow: {who}, is at it; wait until it is done, or end that process with `kill`, and run this again"
    )


@contextmanager
def _told(workflow: Workflow) -> Iterator[None]:
    """Raises WorkflowError for an error of DVC's."""
    try:
        yield
    except DvcException as error:
        words = f"dvc: {': '.join(causes(error))}"
        refuse(workflow, _at_work() or words if isinstance(error, LockError) else words)


def foresee(workflow: Workflow) -> dict[str, dict[str, str | int]]:
    """For a dry run, which writes nothing: makes Snakemake plan what a run would find changed, and returns the list of
    runs. Raises WorkflowError for an error in params.yaml."""
    try:
        experiment = load()
        check_place()
        units = plan.planned(experiment)[1]
        recorded = locked_stages()
    except UserError as error:
        refuse(workflow, "\n".join(f"ganflow: {line}" for line in str(error).splitlines()))
    with _told(workflow), Repo() as repo:
        stale = {stage for stage, changes in repo.status().items() if not all(map(_is_of_plan, changes))}
    changed = [
        unit
        for unit in units
        if (address := unit.kind.address(*unit.axes)) in stale
        or locked_digest(recorded.get(address, {}), unit) != unit.digest
    ]
    prepare = workflow._prepare_dag

    def prepared(*arguments: Any, **named: Any) -> Any:
        settings = workflow.dag_settings
        outputs = {unit.output.as_posix() for unit in _needed(units, settings.targets) if unit in changed}
        settings.forcerun = frozenset({*settings.forcerun, *outputs})
        settings.rerun_triggers = frozenset()
        return prepare(*arguments, **named)

    async def by_date(*_: Any) -> bool:
        return False  # as after `align`, which dates what is on disk

    workflow._prepare_dag = prepared  # the settings come after the Snakefile was read
    _IOFile.is_newer = by_date
    return runs.listed(experiment)


def _needed(units: list[Unit], targets: Collection[str]) -> list[Unit]:
    """The units that are asked for by rules or outputs, and those before them; all if nothing is."""
    inputs: set[Path] = set()
    found = []
    for unit in reversed(units):
        if not set(targets) - {"all"} or {unit.stage, unit.output.as_posix()} & set(targets) or unit.output in inputs:
            inputs.update(unit.inputs)
            found.append(unit)
    return found


def _is_of_plan(change: Any) -> bool:
    """Whether DVC's reason to run a stage is the plan on disk alone, which a run would make again first."""
    return isinstance(change, dict) and set(change.get("changed deps", {None})) == {PLAN.as_posix()}


def _date(path: Path, when: int) -> None:
    """Dates a file, or a folder as Snakemake sees it; files inside keep theirs, so DVC need not hash them again."""
    for entry in (path, path / ".snakemake_timestamp"):
        if entry.exists() and entry.stat().st_mtime != when:
            os.utime(entry, (when, when))
