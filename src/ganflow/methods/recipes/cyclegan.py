"""CycleGAN (Zhu et al., arXiv 1703.10593): translations between two domains without pairs, there and back."""

from typing import ClassVar

from ganflow.methods.constraints.none import Unconstrained
from ganflow.methods.objectives.least_squares import LeastSquares
from ganflow.methods.two_domains import TwoDomains


class CycleGAN(TwoDomains):
    """Least squares for both critics, the L1 distance of images that were translated there and back, a buffer of 50
    translations for the critics (sections 3 and 4)."""

    about: ClassVar = "CycleGAN (arXiv 1703.10593): two domains without pairs, by the way there and back"
    objective: ClassVar = LeastSquares(generator_weight=1.0)
    constraint: ClassVar = Unconstrained()
    power: ClassVar = 1
