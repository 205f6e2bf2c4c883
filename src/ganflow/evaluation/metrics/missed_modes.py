"""Number of modes without a high-quality sample, i.e. one within three standard deviations (VEEGAN, Srivastava et al.,
arXiv 1705.07761, section 4.1; PacGAN, Lin et al., arXiv 1712.04086, section 4.1); 0 is full coverage."""

from typing import ClassVar

import torch
from torch import Tensor

from ganflow.evaluation.distances import squared_distances
from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.portable_operations import sqrt

RADIUS = 3.0  # standard deviations


class MissedModes(Metric):
    """Mode centres and one common deviation are estimated from the labelled real points."""

    compares: ClassVar = "points"
    better: ClassVar = {"missed_modes": "lower"}
    needs_labels: ClassVar = True
    sensitive_to: ClassVar = {
        "missed_modes": ("fewer_classes",)
    }  # noise thins modes out, and a mode of few points counts
    worsened_by: ClassVar = {"missed_modes": ("fewer_classes", "outliers")}

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """`centres` (k, d) of the k labelled modes and the `deviation` () of a coordinate; float64."""
        points, (names, modes) = real.values.double(), real.labels.unique(return_inverse=True)
        centres = torch.stack([points[modes == mode].mean(0) for mode in range(len(names))])
        return {"centres": centres, "deviation": sqrt((points - centres[modes]).square().mean())}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """Number of missed modes."""
        nearest, near = self.nearest(prepared, samples.values)
        return {"missed_modes": float(len(prepared["centres"]) - len(nearest[near].unique()))}

    def nearest(self, prepared: dict[str, Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest mode of each point, int64 (n,), and whether the point is of high quality, bool (n,)."""
        squared, mode = squared_distances(points.double(), prepared["centres"]).min(1)
        return mode, squared <= (RADIUS * prepared["deviation"]).square()
