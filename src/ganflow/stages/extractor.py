"""extractor: the published weights of the feature extractor."""

from ganflow.config import Experiment
from ganflow.evaluation.interfaces import WEIGHTS, extractor_of
from ganflow.stages.execution import device_of, outputs
from ganflow.stages.units import unit_of


def run(experiment: Experiment) -> None:
    """Writes data/extractor: weights.pth, verified, and a manifest; without an extractor only a manifest."""
    unit = unit_of(experiment, device_of(experiment), "extractor")
    chosen = experiment.evaluation.extractor
    with outputs(unit) as folder:
        if chosen:
            extractor_of(chosen).provide(folder / WEIGHTS)
