"""Sliced Wasserstein distance between local patches of Laplacian pyramids (Rabin et al., 2011; Karras et al.,
arXiv 1710.10196, section 5): needs no network. Mean over pyramid levels, times 1000.
"""

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from ganflow.evaluation.interfaces import Metric, Samples
from ganflow.randomness import generator

COARSEST = 16  # side of the coarsest level, in pixels


class SlicedWasserstein(Metric):
    """Patches are normalised by channel; positions and directions are fixed random numbers."""

    compares: ClassVar = "images"
    better: ClassVar = {"sliced_wasserstein": "lower"}
    continuous: ClassVar = ("sliced_wasserstein",)
    worsened_by: ClassVar = {"sliced_wasserstein": ("noise", "uniform")}
    patches: int = Field(16, ge=1, le=1024, description="patches per image and level")
    directions: int = Field(128, ge=1, le=4096, description="random directions")
    patch: int = Field(7, ge=1, le=15, description="side of a patch, in pixels")

    def prepare(self, real: Samples) -> dict[str, Tensor]:
        """Sorted projections of all patches, float32 (n * patches, directions), for each level."""
        levels = _laplacian_pyramid(real.values.float() / 127.5 - 1)
        return {f"level_{level.shape[-1]}": self._projections(level) for level in levels}

    def score(self, prepared: dict[str, Tensor], real: Samples, samples: Samples) -> dict[str, float]:
        """1000 times the mean one-dimensional Wasserstein-1 distance over levels and directions."""
        other = self.prepare(samples)
        distances = [_wasserstein_1d(prepared[level], other[level]) for level in sorted(prepared)]
        return {"sliced_wasserstein": 1000 * float(np.mean(distances))}

    def _projections(self, level: Tensor) -> Tensor:
        count, channels, side, _ = level.shape
        draw = generator(0, "sliced wasserstein", side, count)
        corner = torch.from_numpy(draw.integers(0, side - self.patch + 1, (2, count * self.patches)))
        rows, columns = corner[:, :, None] + torch.arange(self.patch)
        owner = torch.arange(count).repeat_interleave(self.patches)
        patches = level[owner[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (n, patch, patch, channels)
        patches = patches - patches.mean((0, 1, 2))
        patches = patches / patches.std((0, 1, 2)).clamp_min(1e-6)
        size = self.patch**2 * channels
        drawn = generator(0, "sliced wasserstein directions", side).standard_normal((size, self.directions))
        directions = torch.from_numpy((drawn / np.linalg.norm(drawn, axis=0)).astype(np.float32))
        return (patches.reshape(-1, size) @ directions).sort(0).values


def _laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Laplacian levels down to COARSEST pixels, and the coarsest low-pass level."""
    levels = []
    while images.shape[-1] >= 2 * COARSEST:
        coarse = avg_pool2d(images, 2)
        levels.append(images - interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False))
        images = coarse
    return [*levels, images]


def _wasserstein_1d(one: Tensor, other: Tensor) -> float:
    """Mean distance of sorted columns; the smaller set is interpolated to the larger one's quantiles."""
    if len(one) < len(other):
        one, other = other, one
    if len(one) > len(other):
        at = (np.arange(len(one)) + 0.5) / len(one)
        known = (np.arange(len(other)) + 0.5) / len(other)
        columns = [np.interp(at, known, column) for column in other.T.double().numpy()]
        other = torch.from_numpy(np.stack(columns, 1))
    return float((one.double() - other.double()).abs().mean())
