"""The earth mover's distance (Wasserstein-1, Euclidean) between two sets of points: exact optimal transport by POT's
network simplex in float64. It is not 0 between two finite sets of one distribution."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.optimal_transport import transport_plan


class ExactEM(Metric):
    """Between the first points of each set, with equal weights."""

    compares: ClassVar = "points"
    better: ClassVar = {"exact_em": "lower"}
    worsened_by: ClassVar = {"exact_em": ("noise", "outliers")}
    max_points: int = Field(2000, ge=2, le=10_000, description="points of each set at most; time grows cubically")

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        return {"points": real.values[: self.max_points]}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """In the units of the points."""
        return {"exact_em": transport_plan(prepared["points"].numpy(), samples.values[: self.max_points].numpy())[1]}
