"""The earth mover's distance (Wasserstein-1, Euclidean) between two sets of points: exact optimal transport by POT's
network simplex in float64. Two finite sets of one distribution have a distance too: the floor."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.optimal_transport import transport_plan


class ExactEM(Metric):
    """The first points of each set, each of the same mass."""

    compares: ClassVar = "points"
    better: ClassVar = {"exact_em": "lower"}
    worsened_by: ClassVar = {"exact_em": ("noise", "outliers")}
    most: int = Field(2000, ge=2, le=10_000, description="points of each set at most; time grows as its cube")

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        return {"points": real.values[: self.most]}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """In the unit of the points."""
        return {"exact_em": transport_plan(prepared["points"].numpy(), samples.values[: self.most].numpy())[1]}
