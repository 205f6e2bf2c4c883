"""The two sets of images that a score compares, as uint8 (n, 3, H, W): real ones from shards, generated ones from
weights."""

import numpy as np
import torch
from torch import Tensor, nn

from ganflow.data.reader import Shards
from ganflow.networks.interfaces import codes
from ganflow.randomness import generator
from ganflow.training.images import class_labels, evaluating, latent_vectors, to_pixels


def real_images(shards: Shards, most: int) -> Tensor:
    """At most so many images, chosen without replacement by a fixed draw."""
    chosen = generator(0, "real images").permutation(shards.count)[:most]
    return torch.from_numpy(np.ascontiguousarray(shards.samples(np.sort(chosen)).transpose(0, 3, 1, 2)))


@torch.no_grad()
def generated_images(
    module: nn.Module, count: int, latent: int, batch_size: int, seed: int, device: str, classes: int = 0
) -> Tensor:
    """Images from latent vectors and uniform classes of their own streams, rounded to 8 bits; batch normalisation uses
    running statistics."""
    parts = []
    with evaluating(module):
        for part, start in enumerate(range(0, count, batch_size)):
            size = min(batch_size, count - start)
            vectors = latent_vectors(size, latent, device, seed, "evaluation", part)
            labels = class_labels(size, classes, device, seed, "evaluation", part)
            parts.append(to_pixels(module(codes(vectors, labels, classes)).float()))
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(parts).transpose(0, 3, 1, 2)))
