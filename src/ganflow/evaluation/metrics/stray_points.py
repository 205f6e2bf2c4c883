"""The share of points that are not of high quality: farther than three standard deviations from every mode (VEEGAN,
arXiv 1705.07761, section 4.1). Even of real points in the plane 1.1 % are, which is exp(-9 / 2)."""

from torch import Tensor

from ganflow.evaluation.metrics.missed_modes import MissedModes


class StrayPoints(MissedModes):
    """One minus the papers' share of high-quality samples."""

    def score(self, real: dict[str, Tensor], generated: dict[str, Tensor]) -> float:
        """A share in 0..1."""
        return 1 - float(self.nearest(real, generated["points"])[1].double().mean())
