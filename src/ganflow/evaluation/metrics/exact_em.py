"""The earth mover's distance (Wasserstein-1, Euclidean) between two sets of points: exact optimal transport by POT's
network simplex in float64. Two finite sets of one distribution have a distance too: the floor."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.evaluation.interfaces import Metric
from ganflow.training.transport import plan


class ExactEM(Metric):
    """The first points of each set, each of the same mass."""

    points: ClassVar = True
    most: int = Field(2000, ge=2, le=10_000, description="points of each set at most; time grows as its cube")

    def statistics(self, samples: Tensor) -> dict[str, Tensor]:
        return {"points": samples[: self.most]}

    def score(self, real: dict[str, Tensor], generated: dict[str, Tensor]) -> float:
        """In the unit of the points."""
        return plan(real["points"].numpy(), generated["points"].numpy())[1]
