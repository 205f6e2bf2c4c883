"""Precision and recall (Kynkaanniemi et al., arXiv 1904.06991, equations 1 and 2), density and coverage (Naeem et al.,
arXiv 2002.09797, section 3): a set's manifold is the union of balls that reach to a sample's k-th neighbour."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.distances import distance_blocks, nearest_distances
from ganflow.evaluation.interfaces import Metric, Samples

ROUNDING = 1 + 1e-12  # of squared radii: so that the neighbour that sets a radius lies in the ball


class Manifold(Metric):
    """All four in one pass over the distances between the sets, whose counts may differ; balls are closed.

    All depend on both counts, so only scores by equal counts compare.
    """

    compares: ClassVar = "features"
    better: ClassVar = {"precision": "higher", "recall": "higher", "density": "higher", "coverage": "higher"}
    sensitive_to: ClassVar = {"recall": ("fewer_classes",), "coverage": ("blurred", "noisy", "fewer_classes")}
    worsened_by: ClassVar = {
        "precision": ("noise",),
        "recall": ("fewer_classes",),
        "density": ("noise",),
        "coverage": ("noise", "fewer_classes"),
    }
    k: int = Field(3, ge=1, le=100, description="neighbour that a ball of precision and recall reaches to")
    k_density: int = Field(5, ge=1, le=100, description="neighbour that a ball of density and coverage reaches to")

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """Radii of the balls around the real samples, `radii` and `radii_density`, (n,) float64."""
        nearest = self._nearest(real.features, max(self.k, self.k_density))
        return {
            "radii": nearest[:, self.k - 1].contiguous(),
            "radii_density": nearest[:, self.k_density - 1].contiguous(),
        }

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """Shares in 0..1, of generated samples and of real ones in turn; the density is about 1 for real samples."""
        radii = self._nearest(samples.features, self.k)[:, -1].square() * ROUNDING  # (m,)
        real_radii, density_radii = (prepared[name].square() * ROUNDING for name in ("radii", "radii_density"))  # (n,)
        precise, balls = torch.zeros(len(samples), dtype=torch.bool), 0
        recalled, covered = torch.zeros((2, len(real)), dtype=torch.bool)
        for rows, columns, squared in distance_blocks(samples.features, real.features):
            precise[rows] |= (squared <= real_radii[columns]).any(1)
            recalled[columns] |= (squared <= radii[rows, None]).any(0)
            inside = squared <= density_radii[columns]
            covered[columns] |= inside.any(0)
            balls += int(inside.sum())
        return {
            "precision": int(precise.sum()) / len(samples),
            "recall": int(recalled.sum()) / len(real),
            "density": balls / (self.k_density * len(samples)),
            "coverage": int(covered.sum()) / len(real),
        }

    def _nearest(self, features: Tensor, k: int) -> Tensor:
        if len(features) <= k:
            raise UserError(
                f"params.yaml: evaluation: manifold asks {len(features)} samples for {k} neighbours of each; "
                "set images or k"
            )
        return nearest_distances(features, k=k)
