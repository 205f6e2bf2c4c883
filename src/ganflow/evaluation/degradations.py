"""Degradations of real held-out samples: their scores are the scale of a metric."""

import numpy as np
import torch
from torch import Tensor

from ganflow.evaluation.interfaces import Samples
from ganflow.randomness import generator

BLUR = 1 / 32  # standard deviation of the Gaussian filter, as a share of the side
NOISE = 16.0  # standard deviation, in levels of 0..255
POINT_NOISE = 0.25  # standard deviation, as a share of each coordinate's own


def degraded(values: Tensor) -> dict[str, Tensor]:
    """{degradation: images, uint8 (n, 3, H, W)}: `blurred` and `noisy`; for points, float32 (n, d), only `noisy`."""
    return {"blurred": blurred(values), "noisy": noisy(values)} if values.dim() == 4 else {"noisy": noisy(values)}


def blurred(images: Tensor) -> Tensor:
    """Images, uint8 (n, 3, H, W), after a Gaussian filter with reflected edges."""
    from scipy.ndimage import gaussian_filter

    sigma = BLUR * images.shape[-1]
    parts = [gaussian_filter(part.numpy().astype(np.float32), sigma, axes=(2, 3)) for part in images.split(256)]
    return torch.from_numpy(np.concatenate(parts).round().astype(np.uint8))


def noisy(values: Tensor) -> Tensor:
    """Images or points with Gaussian noise."""
    noise = torch.from_numpy(generator(0, "degradation/noise").standard_normal(values.shape, dtype=np.float32))
    if values.dim() == 4:
        return (values + NOISE * noise).round().clamp(0, 255).byte()
    return values + POINT_NOISE * values.std(0) * noise


def fewer_classes(samples: Samples) -> Samples | None:
    """The samples of the first half of the classes; None without labels or with one class."""
    if "labels" not in samples.known:
        return None
    classes = samples.labels.unique()
    return samples.take(samples.labels < classes[len(classes) // 2]) if len(classes) > 1 else None
