"""studies: runs the numerical studies of the theory; the report plots the results."""

from ganflow import arithmetic
from ganflow.artifacts import write_json
from ganflow.config import Experiment
from ganflow.progress import Progress
from ganflow.stages.execution import device_of, outputs
from ganflow.stages.units import unit_of
from ganflow.studies.interfaces import studies_of


def run(experiment: Experiment) -> None:
    """Writes results/<experiment>/studies: <study>.json, and a manifest."""
    unit = unit_of(experiment, device_of(experiment), "studies")
    chosen = studies_of(experiment.studies)
    if chosen:  # without studies there is nothing to start torch for
        arithmetic.exact(experiment.compute.arithmetic)
    with outputs(unit) as folder, Progress(str(unit), len(chosen), "studies") as progress:
        for name, study in chosen.items():
            write_json(folder / f"{name}.json", study.run().as_json())
            progress.advance(1, name)
