"""The share of points that are not of high quality: farther than three standard deviations from every mode (VEEGAN,
arXiv 1705.07761, section 4.1). Even of real points in the plane 1.1 % are, which is exp(-9 / 2)."""

from typing import ClassVar

from torch import Tensor

from ganflow.evaluation.interfaces import Samples
from ganflow.evaluation.metrics.missed_modes import MissedModes


class StrayPoints(MissedModes):
    """One minus the papers' share of high-quality samples."""

    better: ClassVar = {"stray_points": "lower"}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """A share in 0..1."""
        return {"stray_points": 1 - float(self.nearest(prepared, samples.values)[1].double().mean())}
