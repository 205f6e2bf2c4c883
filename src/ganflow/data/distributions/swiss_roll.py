"""The Swiss roll in two dimensions, as in the WGAN-GP authors' code: scikit-learn's, noise 0.25, divided by 7.5."""

import numpy as np

from ganflow.data.interfaces import Distribution


class SwissRoll(Distribution):
    """t (cos t, sin t) + noise, t = 1.5 pi (1 + 2 u), u uniform in [0, 1): a curve with one and a half turns."""

    def sample(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        t = 1.5 * np.pi * (1 + 2 * rng.random(count))
        curve = t[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)
        return (curve + 0.25 * rng.standard_normal((count, 2))) / 7.5, np.zeros(count, np.int64)
