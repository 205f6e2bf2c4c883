"""Samples beside the real training images that are nearest to them: a generator that copies what it was shown is
caught by eye."""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ganflow.errors import UserError
from ganflow.evaluation.distances import distance_blocks, nearest_distances
from ganflow.training.image_files import as_grid

FIRST, NEAREST, SHOWN = 6, 6, 3  # samples as they come, samples nearest to any real image, neighbours of each


@dataclass(frozen=True)
class Neighbours:
    """Some samples, the first ones and then the nearest ones, and the real images nearest to each by their features."""

    samples: Tensor  # (s,) int64, indices
    nearest: Tensor  # (s, SHOWN) int64, indices of real images
    distances: Tensor  # (s, SHOWN), of features
    real_distance: float  # of real images among themselves

    @property
    def as_json(self) -> dict[str, object]:
        """All of it, and how many of the samples are of which kind."""
        numbers = {key: getattr(self, key).tolist() for key in ("samples", "nearest", "distances")}
        return numbers | {"real_distance": self.real_distance, "first": FIRST, "nearest_first": NEAREST}


def neighbours(features: Tensor, real: Tensor, real_distance: float) -> Neighbours:
    """Of samples with features (n, f), by real images with features (m, f); raises UserError for fewer than SHOWN."""
    if len(real) < SHOWN:
        raise UserError(f"params.yaml: evaluation: {SHOWN} training images stand beside a sample; set real_images")
    distances, nearest = _nearest(features, real)
    chosen = list(range(min(FIRST, len(features))))
    chosen += [index for index in distances[:, 0].argsort(stable=True).tolist() if index not in chosen][:NEAREST]
    which = torch.tensor(chosen)
    return Neighbours(which, nearest[which], distances[which], real_distance)


def real_distance(real: Tensor) -> float:
    """The median distance of real images with features (m, f) to the nearest other one."""
    return float(nearest_distances(real).median())


def picture(samples: Tensor, real: Tensor) -> Image.Image:
    """The samples, uint8 (s, 3, H, W), in a row, and below each its neighbours, uint8 (s, k, 3, H, W)."""
    rows = torch.cat([samples[None], real.transpose(0, 1)])  # (1 + k, s, 3, H, W)
    return as_grid(rows.flatten(0, 1).permute(0, 2, 3, 1).numpy(), len(samples))


def _nearest(features: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Distances and indices of the real images nearest to each sample, the nearest first, (n, SHOWN) each."""
    distances = torch.full((len(features), SHOWN), torch.inf, dtype=torch.float64)
    indices = torch.zeros((len(features), SHOWN), dtype=torch.int64)
    for rows, columns, squared in distance_blocks(features, real):
        known = torch.cat([distances[rows], squared], 1)
        places = torch.arange(columns.start, columns.stop).expand(len(squared), -1)
        distances[rows], chosen = known.topk(SHOWN, largest=False)
        indices[rows] = torch.cat([indices[rows], places], 1).gather(1, chosen)
    return distances.sqrt(), indices
