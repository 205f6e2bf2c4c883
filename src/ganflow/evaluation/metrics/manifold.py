"""Precision and recall (Kynkaanniemi et al., arXiv 1904.06991, equations 1 and 2), density and coverage (Naeem et al.,
arXiv 2002.09797, section 3): a manifold is estimated by balls around samples up to their k-th neighbour."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.distances import distance_blocks, nearest
from ganflow.evaluation.interfaces import Metric, Samples

ROUNDING = 1 + 1e-12  # factor on squared radii, so that the k-th neighbour itself is inside the ball


class Manifold(Metric):
    """All four in one pass over the distances between both sets, whose sizes may differ; balls are closed.

    All depend on both sizes: only scores of equal sizes are comparable.
    """

    compares: ClassVar = "features"
    on_device: ClassVar = True
    better: ClassVar = {"precision": "higher", "recall": "higher", "density": "higher", "coverage": "higher"}
    sensitive_to: ClassVar = {"recall": ("fewer_classes",), "coverage": ("blurred", "noisy", "fewer_classes")}
    worsened_by: ClassVar = {
        "precision": ("noise",),
        "recall": ("fewer_classes",),
        "density": ("noise",),
        "coverage": ("noise", "fewer_classes"),
    }
    k: int = Field(3, ge=1, le=100, description="neighbour that sets a radius of precision and recall")
    k_density: int = Field(5, ge=1, le=100, description="neighbour that sets a radius of density and coverage")

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """Radii of the balls around the real samples, `radii` and `radii_density`, (n,) float64."""
        nearest = self._nearest(real.features, max(self.k, self.k_density))
        return {
            "radii": nearest[:, self.k - 1].contiguous(),
            "radii_density": nearest[:, self.k_density - 1].contiguous(),
        }

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """Precision, recall and coverage in 0..1; the density of real samples is about 1."""
        precise, recalled, balls, covered = self.counts(prepared, real.features, samples.features).tolist()
        return {
            "precision": precise / len(samples),
            "recall": recalled / len(real),
            "density": balls / (self.k_density * len(samples)),
            "coverage": covered / len(real),
        }

    def counts(self, prepared: dict[str, Tensor], real: Tensor, samples: Tensor) -> Tensor:
        """Of real features (n, f) and generated ones (m, f), (4,) int64 on their device: samples in a real ball, real
        ones in a sample's ball, pairs of a sample and a real ball around it, and real balls with a sample."""
        radii = self._nearest(samples, self.k)[:, -1].square() * ROUNDING  # (m,)
        real_radii, density_radii = (prepared[name].square() * ROUNDING for name in ("radii", "radii_density"))  # (n,)
        precise = torch.zeros(len(samples), dtype=torch.bool, device=samples.device)
        recalled, covered = torch.zeros((2, len(real)), dtype=torch.bool, device=samples.device)
        balls = torch.zeros((), dtype=torch.int64, device=samples.device)
        for rows, columns, squared in distance_blocks(samples, real):
            precise[rows] |= (squared <= real_radii[columns]).any(1)
            recalled[columns] |= (squared <= radii[rows, None]).any(0)
            inside = squared <= density_radii[columns]
            covered[columns] |= inside.any(0)
            balls += inside.sum()
        return torch.stack([precise.sum(), recalled.sum(), balls, covered.sum()])

    def _nearest(self, features: Tensor, k: int) -> Tensor:
        if len(features) <= k:
            raise UserError(
                f"params.yaml: evaluation: manifold needs more than k = {k} samples, and there are {len(features)}; "
                "raise images or lower k"
            )
        return nearest(features, k=k)[0]
