"""One Gaussian of any dimension, the coordinates independent."""

import numpy as np
from pydantic import Field

from ganflow.data.distributions.mixture_2d import isotropic_gaussians
from ganflow.data.interfaces import Distribution


class Gaussian(Distribution):
    """Mean and standard deviation of every coordinate."""

    mean: tuple[float, ...] = Field((0.0,), min_length=1, max_length=1024, strict=False, description="of the points")
    deviation: float = Field(1.0, gt=0, description="standard deviation of every coordinate")

    @property
    def dimension(self) -> int:
        return len(self.mean)

    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return isotropic_gaussians(np.array([self.mean]), self.deviation, count, rng)
