"""The earth mover's distance (Wasserstein-1, Euclidean) between two sets of points: exact optimal transport by POT's
network simplex in float64.

It is not 0 between two finite sets of one distribution, and one pair of sets says little: on the Swiss roll, 1,000
points against 1,000, it deviates by a fifth from pair to pair. So the score is a mean over disjoint pairs of sets, with
its deviation, and that of held-out real points is the floor: the mean over pairs of independent draws of the data.
"""

from typing import ClassVar

import numpy as np
from pydantic import Field
from torch import Tensor

from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.optimal_transport import transport_plan


class ExactEM(Metric):
    """Mean over pairs of a part of the real points and a part of the others, with equal weights. No point is in two
    pairs."""

    compares: ClassVar = "points"
    better: ClassVar = {"exact_em": "lower"}
    continuous: ClassVar = ("exact_em",)
    worsened_by: ClassVar = {"exact_em": ("noise", "outliers")}
    draws: int = Field(10, ge=2, le=1000, description="pairs of sets at most, over which the score is a mean")
    max_points: int = Field(
        1000, ge=1, le=10_000, description="points of each set at most; fewer if the real points / `draws` are fewer"
    )

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """`points` (sets, n, d): disjoint sets of n real points."""
        return {"points": self._sets(real.values, min(self.max_points, len(real) // self.draws))}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """In the units of the points; with the standard deviation over pairs (n - 1) if there are two or more."""
        known = prepared["points"][:, : len(samples)]
        pairs = zip(known.numpy(), self._sets(samples.values, known.shape[1]).numpy(), strict=False)
        distances = [transport_plan(one, other)[1] for one, other in pairs]
        spread = {"exact_em_std": float(np.std(distances, ddof=1))} if len(distances) > 1 else {}
        return {"exact_em": float(np.mean(distances))} | spread

    def _sets(self, points: Tensor, size: int) -> Tensor:
        size = max(size, 1)
        count = min(self.draws, len(points) // size)
        return points[: count * size].unflatten(0, (count, size)).contiguous()
