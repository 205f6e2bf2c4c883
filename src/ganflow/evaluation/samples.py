"""Sets of samples to compare: real ones from shards, generated ones from weights, and their features as files.

Images are uint8 (n, 3, H, W), points float32 (n, d).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganflow.config import Evaluation
from ganflow.data.reader import Shards
from ganflow.evaluation.extraction import Extraction
from ganflow.evaluation.interfaces import Samples
from ganflow.networks.building import evaluating
from ganflow.networks.codes import codes
from ganflow.randomness import generator
from ganflow.training.draws import StepDraws
from ganflow.training.pixels import as_stored
from ganflow.training.weights import load_tensors, save_tensors


def subset_indices(count: int, size: int) -> np.ndarray:
    """Sorted indices of at most `size` of `count` real samples: a fixed random subset without replacement."""
    return np.sort(generator(0, "real images").permutation(count)[:size])


def real_samples(shards: Shards, indices: np.ndarray) -> Tensor:
    """Samples of a split by index."""
    return _channels_first(shards.samples(indices))


def real_labels(shards: Shards, indices: np.ndarray) -> Tensor | None:
    """Labels of samples by index, int64 (n,); None if the split has no labels."""
    return torch.from_numpy(shards.labels(indices)) if shards.labelled else None


def real_set(shards: Shards, features: Path | None, size: int, values: bool = True) -> Samples:
    """The real samples of a split that scores compare with: labels if there are any, features from a folder if one is
    given, and the images or points themselves if `values`."""
    indices = subset_indices(shards.count, size)
    loaded = load_features(features, shards.index.split) if features else Samples()
    samples = real_samples(shards, indices) if values else None
    return Samples(samples, real_labels(shards, indices), loaded.features, loaded.logits)


@torch.no_grad()
def generate_samples(
    module: nn.Module,
    count: int,
    latent: int,
    batch_size: int,
    seed: int,
    device: str,
    classes: int = 0,
    purpose: str = "evaluation",
    batch_norm: str = "running",
) -> Tensor:
    """Samples for latent vectors and uniform classes from the random streams of a `purpose`; images rounded to 8 bits.

    `batch_norm`: use the `running` statistics, or those of each `batch`.
    """
    parts = []
    with evaluating(module), _batch_norm_statistics(module, batch_norm):
        for part, start in enumerate(range(0, count, batch_size)):
            size = min(batch_size, count - start)
            draws = StepDraws(seed, device, purpose, (part,), size)
            vectors, labels = draws.normal("latent", (size, latent)), draws.integers("classes", (size,), classes)
            parts.append(as_stored(module(codes(vectors, labels, classes)).float()))
    return _channels_first(np.concatenate(parts))


def evaluation_samples(
    evaluation: Evaluation, module: nn.Module, about: dict[str, Any], device: str, purpose: str = "evaluation"
) -> Tensor:
    """The samples of a generator that are scored by the settings of params.yaml; `about` is the metadata of its weights
    file. The `purpose` "curve" gives those of the scores over training."""
    return generate_samples(
        module,
        evaluation.curve.images if purpose == "curve" else evaluation.images,
        about["latent"],
        evaluation.batch_size,
        about["seed"],
        device,
        about["classes"],
        purpose,
        evaluation.batch_norm,
    )


def save_features(folder: Path, name: str, samples: Samples, extraction: Extraction) -> None:
    """Writes <name>.safetensors: features (n, f), logits (n, k), and the extractor's identity as metadata."""
    tensors = {"features": samples.features, "logits": samples.logits}
    save_tensors(folder / f"{name}.safetensors", tensors, {"extractor": asdict(extraction.identity), "set": name})


def load_features(folder: Path, name: str) -> Samples:
    """Reads what `save_features` wrote; raises UserError if it is absent or damaged."""
    return Samples(**load_tensors(folder / f"{name}.safetensors")[0])


@contextmanager
def _batch_norm_statistics(module: nn.Module, batch_norm: str) -> Iterator[None]:
    """Makes batch-norm layers in evaluation mode use batch statistics, if `batch_norm` is "batch"."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    kept = [(layer, layer.running_mean, layer.running_var) for layer in layers if batch_norm == "batch"]
    for layer, _, _ in kept:
        layer.running_mean = layer.running_var = None
    try:
        yield
    finally:
        for layer, mean, variance in kept:
            layer.running_mean, layer.running_var = mean, variance


def _channels_first(samples: np.ndarray) -> Tensor:
    """Stored images (n, H, W, 3) as a tensor (n, 3, H, W); points unchanged."""
    return torch.from_numpy(np.ascontiguousarray(samples.transpose(0, 3, 1, 2) if samples.ndim == 4 else samples))
