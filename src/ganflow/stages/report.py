"""report: figures, tables and one self-contained page over all runs of params.yaml."""

from ganflow.artifacts import discard_scratch
from ganflow.config import Experiment
from ganflow.progress import log
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs, parted
from ganflow.reporting.study_figures import load_findings
from ganflow.stages.execution import device_of, outputs
from ganflow.stages.graph import RESULTS
from ganflow.stages.units import unit_of


def run(experiment: Experiment) -> None:
    """Writes results/<experiment>/report: index.html, figures, tables, curves and a manifest; says how many trainings
    diverged."""
    unit = unit_of(experiment, device_of(experiment), "report")
    runs = load_runs(experiment, RESULTS)
    with outputs(unit) as folder:
        write_report(experiment, runs, folder, load_findings(experiment, RESULTS))
    if diverged := parted(runs)[1]:
        names = "`python -m ganflow status --brief` names them"
        log(f"report: {len(diverged)} of {len(runs)} trainings diverged and have no score; {names}")
    for run in runs:  # DVC has recorded the runs now; before that, a kill could delete their outputs
        discard_scratch("train", run.manifest["fingerprint"])
