"""Samples with their nearest training images, to show whether a generator memorises its training data."""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.distances import nearest
from ganflow.training.image_files import as_grid

FIRST, NEAREST, SHOWN = 6, 6, 3  # first samples, samples nearest to any real image, neighbours of each


@dataclass(frozen=True)
class NearestNeighbours:
    """Some samples, the first ones and then those nearest to any real image, and the nearest real images of each."""

    samples: Tensor  # (s,) int64, indices
    nearest: Tensor  # (s, SHOWN) int64, indices of real images
    distances: Tensor  # (s, SHOWN), between features
    real_distance: float  # median over real images to the nearest other one

    @property
    def as_json(self) -> dict[str, object]:
        """All fields, and the numbers of first and of nearest samples."""
        numbers = {key: getattr(self, key).tolist() for key in ("samples", "nearest", "distances")}
        return numbers | {"real_distance": self.real_distance, "first": FIRST, "nearest_first": NEAREST}


def nearest_neighbours(features: Tensor, real: Tensor, real_distance: float) -> NearestNeighbours:
    """For samples with features (n, f) and real images with features (m, f), on one device; the result is on the CPU.

    Raises UserError if m < SHOWN.
    """
    if len(real) < SHOWN:
        raise UserError(
            f"params.yaml: evaluation.real_images: is {len(real)}, nearest neighbours need {SHOWN} or more; raise it"
        )
    distances, indices = (found.cpu() for found in nearest(features, real, SHOWN))
    chosen = list(range(min(FIRST, len(features))))
    chosen += [index for index in distances[:, 0].argsort(stable=True).tolist() if index not in chosen][:NEAREST]
    which = torch.tensor(chosen)
    return NearestNeighbours(which, indices[which], distances[which], real_distance)


def real_distance(real: Tensor) -> float:
    """The median distance of real images with features (m, f) to the nearest other one."""
    return float(nearest(real)[0].median())


def neighbour_grid(samples: Tensor, real: Tensor) -> Image.Image:
    """The samples, uint8 (s, 3, H, W), in a row, and below each its neighbours, uint8 (s, k, 3, H, W)."""
    rows = torch.cat([samples[None], real.transpose(0, 1)])  # (1 + k, s, 3, H, W)
    return as_grid(rows.flatten(0, 1).permute(0, 2, 3, 1).numpy(), len(samples))
