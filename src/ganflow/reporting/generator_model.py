"""MLflow's loader of generators, without pickle; copied with its imports into each model."""

import numpy as np
import torch

from ganflow.randomness import generator
from ganflow.training.pixels import as_stored, from_stored
from ganflow.training.weights import load_generator


class GeneratorModel:
    """Maps latent vectors, or images that are to be translated, to images or points."""

    def __init__(self, path: str):
        self.module, self.about = load_generator(path)

    @torch.no_grad()
    def predict(self, latent: np.ndarray) -> np.ndarray:
        """float32 (n, latent), standard normal, to images, uint8 (n, H, W, 3), or points, float32 (n, d); with classes
        (n, latent + classes), the one-hot class after the latent vector. A translator takes images, uint8
        (n, h, w, channels); its latent numbers are drawn from a fixed stream."""
        if self.about.get("translation"):
            vectors = generator(0, "latent").standard_normal((len(latent), self.about["latent"]), np.float32)
            given = from_stored(torch.from_numpy(np.ascontiguousarray(latent)))
            return as_stored(self.module(torch.from_numpy(vectors), given))
        return as_stored(self.module(torch.from_numpy(latent)))


def _load_pyfunc(path: str) -> GeneratorModel:
    return GeneratorModel(path)
