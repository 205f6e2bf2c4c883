"""Eight Gaussians on a ring, as in the WGAN-GP authors' code: radius 2, deviation 0.02, divided by the root of 2."""

import numpy as np

from ganflow.data.distributions.mixture_2d import isotropic_gaussians
from ganflow.data.interfaces import Distribution

SCALE = 2**0.5


class EightGaussians(Distribution):
    """Radius sqrt(2) after the division, deviation 0.0141."""

    @property
    def modes(self) -> int:
        return 8

    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        angles = np.arange(8) * np.pi / 4
        centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return isotropic_gaussians(centres / SCALE, 0.02 / SCALE, count, rng)
