"""One Gaussian of any dimension with independent coordinates."""

import numpy as np
from pydantic import Field

from ganflow.data.gaussian_mixture import GaussianMixture


class Gaussian(GaussianMixture):
    """Mean and standard deviation of every coordinate."""

    mean: tuple[float, ...] = Field((0.0,), min_length=1, max_length=1024, strict=False, description="of the points")
    deviation: float = Field(1.0, gt=0, description="standard deviation of every coordinate")

    def parameters(self) -> tuple[np.ndarray, float]:
        return np.array([self.mean]), self.deviation
