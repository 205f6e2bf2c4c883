"""25 Gaussians on a grid, as in the WGAN-GP authors' code: 2 apart, deviation 0.05, all divided by the root of 8."""

import numpy as np

from ganflow.data.distributions.mixture_2d import isotropic_gaussians
from ganflow.data.interfaces import Distribution

SCALE = 8**0.5


class TwentyFiveGaussians(Distribution):
    """Centres 0.707 apart after the division, deviation 0.0177."""

    @property
    def modes(self) -> int:
        return 25

    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        line = np.arange(-4.0, 5.0, 2.0)
        centres = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
        return isotropic_gaussians(centres / SCALE, 0.05 / SCALE, count, rng)
