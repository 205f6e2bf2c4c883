"""What a metric is: statistics of a set of images, computed once a set, and a score of one set's against another's."""

from abc import abstractmethod

from torch import Tensor

from ganflow.components import Component, component
from ganflow.config import Evaluation
from ganflow.errors import UserError
from ganflow.evaluation import metrics


class Metric(Component):
    """A distance between two sets of images; lower is better."""

    @abstractmethod
    def statistics(self, images: Tensor) -> dict[str, Tensor]:
        """What the score needs to know of uint8 images, (n, 3, H, W)."""

    @abstractmethod
    def score(self, real: dict[str, Tensor], generated: dict[str, Tensor]) -> float:
        """The distance between two sets by their statistics."""


def metrics_of(evaluation: Evaluation) -> dict[str, Metric]:
    """{name: metric} as params.yaml asks for them; raises UserError for an unknown or repeated one."""
    found: dict[str, Metric] = {}
    for index, choice in enumerate(evaluation.metrics):
        where = f"evaluation.metrics.{index}"
        if choice.name in found:
            raise UserError(f"params.yaml: {where} = {choice.name!r}: stands there twice; keep one")
        found[choice.name] = component(metrics, Metric, choice, where)
    return found
