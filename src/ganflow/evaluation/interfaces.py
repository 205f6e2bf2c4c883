"""What a metric is: statistics of a set of samples, computed once a set, and a score of one set's against another's."""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from ganflow.components import Component, component
from ganflow.config import Evaluation
from ganflow.errors import UserError
from ganflow.evaluation import metrics


class Metric(Component):
    """A distance between two sets of images, or of points; lower is better."""

    points: ClassVar[bool] = False  # whether it compares points, and not images
    needs_labels: ClassVar[bool] = False  # whether it says nothing of data whose real samples have none

    @abstractmethod
    def statistics(self, samples: Tensor) -> dict[str, Tensor]:
        """What the score needs to know of images, uint8 (n, 3, H, W), or points, float32 (n, d)."""

    def of_real(self, samples: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        """What the score needs to know of the real samples that others are compared with."""
        return self.statistics(samples)

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
