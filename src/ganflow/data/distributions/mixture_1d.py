"""A mixture of one-dimensional Gaussians, equally probable."""

import numpy as np
from pydantic import Field

from ganflow.data.distributions.mixture_2d import isotropic_gaussians
from ganflow.data.interfaces import Distribution


class Mixture1D(Distribution):
    """Centres and one standard deviation."""

    centres: tuple[float, ...] = Field(
        (-1.0, 1.0), min_length=1, max_length=1000, strict=False, description="of the modes"
    )
    deviation: float = Field(0.2, gt=0, description="standard deviation of a mode")

    @property
    def dimension(self) -> int:
        return 1

    @property
    def modes(self) -> int:
        return len(self.centres)

    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return isotropic_gaussians(np.array(self.centres)[:, None], self.deviation, count, rng)
