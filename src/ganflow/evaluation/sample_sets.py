"""Sets of samples to compare: real samples from shards, and features as files."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganflow.artifacts import cure
from ganflow.data.reader import Shards
from ganflow.errors import UserError
from ganflow.evaluation.extraction import Extraction
from ganflow.evaluation.interfaces import Samples
from ganflow.randomness import generator
from ganflow.tensor_files import load_tensors, save_tensors


def subset_indices(count: int, size: int) -> np.ndarray:
    """Sorted indices of at most `size` of `count` real samples: a fixed random subset without replacement."""
    return np.sort(generator(0, "real images").permutation(count)[:size])


def real_samples(shards: Shards, indices: np.ndarray) -> Tensor:
    """Samples of a split by index."""
    return channels_first(shards.samples(indices))


def real_labels(shards: Shards, indices: np.ndarray) -> Tensor | None:
    """Labels of samples by index, int64 (n,); None if the split has no labels."""
    return torch.from_numpy(shards.labels(indices)) if shards.labelled else None


def save_features(folder: Path, name: str, samples: Samples, extraction: Extraction) -> None:
    """Writes <name>.safetensors: features (n, f), logits (n, k), and the extractor's identity as metadata."""
    tensors = {"features": samples.features, "logits": samples.logits}
    save_tensors(folder / f"{name}.safetensors", tensors, {"extractor": asdict(extraction.identity), "set": name})


def load_features(folder: Path, name: str) -> Samples:
    """Reads what `save_features` wrote; raises UserError if it is missing or damaged."""
    path = folder / f"{name}.safetensors"
    tensors, _ = load_tensors(path)
    features, logits = tensors["features"], tensors["logits"]
    if not features.ndim == logits.ndim == 2 or len(features) != len(logits) or features.dtype != torch.float32:
        raise UserError(f"{path}: holds no features and logits of a set of images; {cure(folder)}")
    return Samples(features=features, logits=logits)


def real_set(shards: Shards, features: Path | None, size: int, values: bool = True) -> Samples:
    """The real samples of a split for scores: with labels if there are any, with features from a folder if one is
    given, and with the images or points themselves if `values`."""
    indices = subset_indices(shards.count, size)
    real = Samples(real_samples(shards, indices) if values else None, real_labels(shards, indices))
    if not features:
        return real
    kept = load_features(features, shards.index.split)
    if len(kept) != len(indices):
        raise UserError(f"{features}: features of {len(kept)} images, expected {len(indices)}; run `dvc repro`")
    return real | kept


def channels_first(samples: np.ndarray) -> Tensor:
    """Stored images (n, H, W, 3) as a tensor (n, 3, H, W); points unchanged."""
    return torch.from_numpy(np.ascontiguousarray(samples.transpose(0, 3, 1, 2) if samples.ndim == 4 else samples))
