"""A mixture of one-dimensional Gaussians, equally probable."""

import numpy as np
from pydantic import Field

from ganflow.data.gaussian_mixture import GaussianMixture


class Mixture1D(GaussianMixture):
    """Centres and one standard deviation."""

    centres: tuple[float, ...] = Field(
        (-1.0, 1.0), min_length=1, max_length=1000, strict=False, description="of the modes"
    )
    deviation: float = Field(0.2, gt=0, description="standard deviation of a mode")

    def parameters(self) -> tuple[np.ndarray, float]:
        return np.array(self.centres)[:, None], self.deviation
