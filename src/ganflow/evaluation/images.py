"""The two sets of samples that a score compares, real ones from shards and generated ones from weights: images as uint8
(n, 3, H, W), or points as float32 (n, d)."""

import numpy as np
import torch
from torch import Tensor, nn

from ganflow.data.reader import Shards
from ganflow.networks.interfaces import codes
from ganflow.randomness import generator
from ganflow.training.images import as_stored, class_labels, evaluating, latent_vectors


def real_images(shards: Shards, most: int) -> tuple[Tensor, Tensor | None]:
    """At most so many samples, chosen without replacement by a fixed draw, and their labels, (n,), if they have any."""
    chosen = np.sort(generator(0, "real images").permutation(shards.count)[:most])
    labels = torch.from_numpy(shards.labels(chosen)) if shards.labelled else None
    return _compared(shards.samples(chosen)), labels


@torch.no_grad()
def generated_images(
    module: nn.Module, count: int, latent: int, batch_size: int, seed: int, device: str, classes: int = 0
) -> Tensor:
    """Samples from latent vectors and uniform classes of their own streams, images rounded to 8 bits; batch
    normalisation uses running statistics."""
    parts = []
    with evaluating(module):
        for part, start in enumerate(range(0, count, batch_size)):
            size = min(batch_size, count - start)
            vectors = latent_vectors(size, latent, device, seed, "evaluation", part)
            labels = class_labels(size, classes, device, seed, "evaluation", part)
            parts.append(as_stored(module(codes(vectors, labels, classes)).float()))
    return _compared(np.concatenate(parts))


def _compared(samples: np.ndarray) -> Tensor:
    """Stored samples as metrics take them."""
    return torch.from_numpy(np.ascontiguousarray(samples.transpose(0, 3, 1, 2) if samples.ndim == 4 else samples))
