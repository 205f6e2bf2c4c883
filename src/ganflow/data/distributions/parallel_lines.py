"""The line that WGAN's example 1 compares with a parallel one (arXiv 1701.07875): (theta, u), u uniform in [0, 1)."""

import numpy as np
from pydantic import Field

from ganflow.data.interfaces import Distribution


class ParallelLines(Distribution):
    """Its distance from the line at 0 is |theta| in EM, log 2 in JS (with the half), and infinite in KL."""

    theta: float = Field(0.0, description="first coordinate of every point")

    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([np.full(count, self.theta), rng.random(count)], axis=1), np.zeros(count, np.int64)
