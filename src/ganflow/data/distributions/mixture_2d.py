"""A mixture of round Gaussians in the plane, each as probable."""

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

    def draw(self, count: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return round_gaussians(np.array(self.centres), self.deviation, count, draw)


def round_gaussians(
    centres: np.ndarray, deviation: float, count: int, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points around centres, (k, d), each as probable, and which one: (n, d) and (n,)."""
    modes = draw.integers(len(centres), size=count)
    return centres[modes] + deviation * draw.standard_normal((count, centres.shape[1])), modes
