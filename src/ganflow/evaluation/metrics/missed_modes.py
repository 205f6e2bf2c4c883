"""Modes without a sample of high quality, one within three standard deviations of it (VEEGAN, Srivastava et al., arXiv
1705.07761, section 4.1; PacGAN, Lin et al., arXiv 1712.04086, section 4.1): 0 of 8, or of 25, is full coverage."""

from typing import ClassVar

import torch
from torch import Tensor

from ganflow.evaluation.interfaces import Metric, Samples

NEAR = 3.0  # standard deviations


class MissedModes(Metric):
    """Centres and deviation of the modes are those of the labelled real points, one deviation for all modes."""

    compares: ClassVar = "points"
    better: ClassVar = {"missed_modes": "lower"}
    needs_labels: ClassVar = True
    worsened_by: ClassVar = {"missed_modes": ("fewer_classes", "outliers")}

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """`centres` (k, d) and `deviation` (), of a coordinate, in float64, of the k modes that labels (n,) name."""
        points, (names, modes) = real.values.double(), real.labels.unique(return_inverse=True)
        centres = torch.stack([points[modes == mode].mean(0) for mode in range(len(names))])
        return {"centres": centres, "deviation": (points - centres[modes]).square().mean().sqrt()}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """How many modes were missed."""
        nearest, near = self.nearest(prepared, samples.values)
        return {"missed_modes": float(len(prepared["centres"]) - len(nearest[near].unique()))}

    def nearest(self, prepared: dict[str, Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
        """Each point's nearest mode, (n,) int64, and whether the point is of high quality, (n,) bool."""
        distance, mode = torch.cdist(points.double(), prepared["centres"]).min(1)
        return mode, distance <= NEAR * prepared["deviation"]
