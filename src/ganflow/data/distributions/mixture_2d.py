"""A mixture of isotropic Gaussians in the plane, equally probable."""

from typing import Annotated

import numpy as np
from pydantic import Field

from ganflow.data.gaussian_mixture import GaussianMixture

Centre = Annotated[tuple[float, float], Field(strict=False)]


class Mixture2D(GaussianMixture):
    """Centres and one standard deviation, of every coordinate."""

    centres: tuple[Centre, ...] = Field(
        ((-1.0, 0.0), (1.0, 0.0)), min_length=1, max_length=1000, strict=False, description="of the modes"
    )
    deviation: float = Field(0.1, gt=0, description="standard deviation of a mode in every coordinate")

    def parameters(self) -> tuple[np.ndarray, float]:
        return np.array(self.centres), self.deviation
