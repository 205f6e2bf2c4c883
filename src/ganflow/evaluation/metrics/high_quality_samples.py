"""The share of high-quality samples: points within three standard deviations of a mode (VEEGAN, arXiv 1705.07761,
section 4.1). Real points in the plane score 1 - exp(-9 / 2) = 98.9 %."""

from typing import ClassVar

from torch import Tensor

from ganflow.evaluation.interfaces import Samples
from ganflow.evaluation.metrics.missed_modes import MissedModes


class HighQualitySamples(MissedModes):
    """Modes and deviation as in `MissedModes`."""

    better: ClassVar = {"high_quality_samples": "higher"}
    sensitive_to: ClassVar = {"high_quality_samples": ("noisy",)}
    worsened_by: ClassVar = {"high_quality_samples": ("noise", "outliers")}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """A share in 0..1."""
        return {"high_quality_samples": float(self.nearest(prepared, samples.values)[1].double().mean())}
