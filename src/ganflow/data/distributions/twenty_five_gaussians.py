"""25 Gaussians on a grid, as in the WGAN-GP authors' code: 2 apart, deviation 0.05, all divided by the root of 8."""

import numpy as np

from ganflow.data.gaussian_mixture import GaussianMixture

SCALE = 8**0.5


class TwentyFiveGaussians(GaussianMixture):
    """Centres 0.707 apart after the division, deviation 0.0177."""

    def parameters(self) -> tuple[np.ndarray, float]:
        line = np.arange(-4.0, 5.0, 2.0)
        return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2) / SCALE, 0.05 / SCALE
