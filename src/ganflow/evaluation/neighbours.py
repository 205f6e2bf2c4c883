"""Samples beside the real training images that are nearest to them: a generator that copies what it was shown is
caught by eye."""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ganflow.training.images import as_grid

FIRST, NEAREST, SHOWN = 6, 6, 3  # samples as they come, samples nearest to any real image, neighbours of each
ROWS = 512  # of a block of distances


@dataclass(frozen=True)
class Neighbours:
    """Some samples, the first ones and then the nearest ones, and the real images nearest to each by their features."""

    samples: Tensor  # (s,) int64, indices
    nearest: Tensor  # (s, SHOWN) int64, indices of real images
    distances: Tensor  # (s, SHOWN), of features
    real_distance: float  # the median distance of a real image to the nearest other one

    @property
    def as_json(self) -> dict[str, object]:
        """All of it, and how many of the samples are of which kind."""
        numbers = {key: getattr(self, key).tolist() for key in ("samples", "nearest", "distances")}
        return numbers | {"real_distance": self.real_distance, "first": FIRST, "nearest_first": NEAREST}


def neighbours(features: Tensor, real: Tensor) -> Neighbours:
    """Of samples with features (n, f), by real images with features (m, f)."""
    distances, nearest = _nearest(features, real, min(SHOWN, len(real)))
    chosen = list(range(min(FIRST, len(features))))
    chosen += [index for index in distances[:, 0].argsort(stable=True).tolist() if index not in chosen][:NEAREST]
    among, _ = _nearest(real, real, 2)
    which = torch.tensor(chosen)
    return Neighbours(which, nearest[which], distances[which], float(among[:, 1].median()))


def picture(samples: Tensor, real: Tensor) -> Image.Image:
    """The samples, uint8 (s, 3, H, W), in a row, and below each its neighbours, uint8 (s, k, 3, H, W)."""
    rows = torch.cat([samples[None], real.transpose(0, 1)])  # (1 + k, s, 3, H, W)
    return as_grid(rows.flatten(0, 1).permute(0, 2, 3, 1).numpy(), len(samples))


def _nearest(features: Tensor, real: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Distances and indices of the nearest real images, the nearest first, (n, count) each."""
    parts = [torch.cdist(block, real).topk(count, largest=False) for block in features.split(ROWS)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])
