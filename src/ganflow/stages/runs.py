"""runs: what comes before an engine, without torch. It writes workflow/runs.yaml, the list of trainings for dvc.yaml
and the Snakefile, and mends what a killed DVC left cut off."""

from pathlib import Path

from ganflow.artifacts import write_file
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.stages import dvc_lock
from ganflow.stages.graph import STAGES
from ganflow.stages.place import check_place

RUNS = Path("workflow/runs.yaml")
HEADER = "# The trainings of params.yaml, for dvc.yaml and the Snakefile; written by `python -m ganflow runs`.\n"


def run(experiment: Experiment) -> None:
    """Writes workflow/runs.yaml if it differs from params.yaml; mends what a killed DVC left cut off.

    Raises UserError if the engines can't work in this folder.
    """
    check_place()
    dvc_lock.mend()
    _write(experiment)


def _write(experiment: Experiment) -> None:
    if not RUNS.exists() or RUNS.read_text(encoding="utf-8") != as_yaml(experiment):
        write_file(RUNS, as_yaml(experiment))


def listed(experiment: Experiment) -> dict[str, dict[str, str | int]]:
    """What workflow/runs.yaml says of an experiment, by DVC's names of the stages."""
    return {STAGES["train"].key(run.dataset, run.variant, str(run.seed)): run._asdict() for run in experiment.runs}


def as_yaml(experiment: Experiment) -> str:
    """The list of runs as a YAML mapping, by DVC's names of their stages."""
    lines = [
        f'  {key}: {{dataset: "{run["dataset"]}", variant: "{run["variant"]}", seed: {run["seed"]}}}\n'
        for key, run in listed(experiment).items()
    ]
    return f"{HEADER}runs:\n{''.join(lines)}"


def check(experiment: Experiment) -> None:
    """Updates workflow/runs.yaml; raises UserError if it changed, as DVC has read dvc.yaml with the old list, or if the
    engines can't work in this folder."""
    check_place()
    before = RUNS.read_text(encoding="utf-8") if RUNS.exists() else ""
    _write(experiment)
    if before != as_yaml(experiment):
        raise UserError(f"{RUNS}: the list of runs changed with params.yaml and is now written; run `dvc repro` again")
