"""The evaluation section for one dataset: the metrics that apply to its images or points.

Only the modules of named metrics are loaded, so that other units are planned without torch.
"""

from ganflow.components import component_names, named_class
from ganflow.config import Choice, Evaluation, Experiment
from ganflow.errors import UserError


def evaluation_for(experiment: Experiment, dataset: str) -> Evaluation:
    """The evaluation section with the metrics, the curve and the extractor that apply to a dataset."""
    evaluation, points = experiment.evaluation, experiment.datasets[dataset].dimension is not None
    curve = evaluation.curve
    return evaluation.model_copy(
        update={
            "metrics": tuple(metric for metric in evaluation.metrics if (_compares(metric) == "points") == points),
            "curve": curve if curve and (_compares(curve.metric) == "points") == points else None,
            "extractor": None if points else evaluation.extractor,
        }
    )


def check_evaluation(experiment: Experiment) -> None:
    """Raises UserError for a metric without a dataset or extractor, and for a dataset without a metric."""
    evaluation = experiment.evaluation
    kinds = {name: dataset.dimension is not None for name, dataset in experiment.datasets.items()}
    named = [(f"metrics: {metric.name!r}", metric) for metric in evaluation.metrics]
    named += [(f"curve.metric = {evaluation.curve.metric.name!r}", evaluation.curve.metric)] if evaluation.curve else []
    for where, metric in named:
        compared = _compares(metric)
        if (compared == "points") not in kinds.values():
            right, wrong = ("points", "images") if compared == "points" else ("images", "points")
            raise UserError(
                f"params.yaml: evaluation.{where}: compares {right}, and all datasets have {wrong}; remove it, or add "
                f"a dataset of {right}"
            )
        if compared == "features" and evaluation.extractor is None:
            raise UserError(
                f"params.yaml: evaluation.{where}: compares features, and evaluation.extractor is absent; name one of "
                f"{', '.join(component_names('evaluation.extractors'))}"
            )
    fitting = {_compares(metric) == "points" for metric in evaluation.metrics}
    for name, points in kinds.items():
        if points not in fitting:
            raise UserError(
                f"params.yaml: evaluation.metrics: none compares {'points' if points else 'images'}, which "
                f"datasets.{name} has; add one"
            )


def _compares(metric: Choice) -> str:
    compared: str = named_class("evaluation.metrics", metric.name, "evaluation.metrics").compares
    return compared
