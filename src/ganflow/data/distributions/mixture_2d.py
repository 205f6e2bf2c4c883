"""A mixture of isotropic Gaussians in the plane, equally probable."""

from typing import Annotated

import numpy as np
from pydantic import Field

from ganflow.data.interfaces import Distribution

Centre = Annotated[tuple[float, float], Field(strict=False)]


class Mixture2D(Distribution):
    """Centres and one standard deviation, of every coordinate."""

    centres: tuple[Centre, ...] = Field(
        ((-1.0, 0.0), (1.0, 0.0)), min_length=1, max_length=1000, strict=False, description="of the modes"
    )
    deviation: float = Field(0.1, gt=0, description="standard deviation of a mode in every coordinate")

    @property
    def modes(self) -> int:
        return len(self.centres)

    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return isotropic_gaussians(np.array(self.centres), self.deviation, count, rng)


def isotropic_gaussians(
    centres: np.ndarray, deviation: float, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Samples a mixture with centres (k, d), equally probable; returns points (n, d) and modes (n,)."""
    modes = rng.integers(len(centres), size=count)
    return centres[modes] + deviation * rng.standard_normal((count, centres.shape[1])), modes
