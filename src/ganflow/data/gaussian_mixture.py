"""Mixtures of equally probable isotropic Gaussians."""

from abc import abstractmethod

import numpy as np

from ganflow.data.interfaces import Distribution


class GaussianMixture(Distribution):
    """A distribution with the centres of its modes and one standard deviation."""

    @abstractmethod
    def parameters(self) -> tuple[np.ndarray, float]:
        """Centres, (modes, dimension), and the standard deviation of every coordinate."""

    @property
    def dimension(self) -> int:
        return self.parameters()[0].shape[1]

    @property
    def modes(self) -> int:
        return len(self.parameters()[0])

    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        centres, deviation = self.parameters()
        modes = rng.integers(len(centres), size=count)
        return centres[modes] + deviation * rng.standard_normal((count, centres.shape[1])), modes
