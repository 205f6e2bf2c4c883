"""report: figures, tables and one self-contained page over all runs that params.yaml names."""

from ganflow.config import Experiment
from ganflow.reporting.page import write_report
from ganflow.reporting.runs import load_runs
from ganflow.stages.execution import RESULTS, device_of, outputs, run_folder, score_folder
from ganflow.stages.units import unit_of


def run(experiment: Experiment) -> None:
    """Writes results/<experiment>/report: index.html, figures, tables, curves and a manifest."""
    runs = load_runs(experiment, RESULTS)
    axes = [(run.dataset, run.variant, str(run.seed)) for run in runs]
    inputs = tuple(place(experiment, *unit) for unit in axes for place in (run_folder, score_folder))
    unit = unit_of(experiment, device_of(experiment), "report")
    with outputs(unit, RESULTS / experiment.experiment / "report", inputs) as folder:
        write_report(experiment, runs, folder)
