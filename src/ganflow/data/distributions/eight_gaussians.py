"""Eight Gaussians on a ring, as in the WGAN-GP authors' code: radius 2, deviation 0.02, divided by the root of 2."""

import numpy as np

from ganflow.data.gaussian_mixture import GaussianMixture

SCALE = 2**0.5


class EightGaussians(GaussianMixture):
    """Radius sqrt(2) after the division, deviation 0.0141."""

    def parameters(self) -> tuple[np.ndarray, float]:
        angles = np.arange(8) * np.pi / 4
        return 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1) / SCALE, 0.02 / SCALE
