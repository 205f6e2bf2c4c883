"""The real samples that scores compare, images as uint8 (n, 3, H, W) or points as float32 (n, d), and the features of
any samples, kept as files."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganflow.data.reader import Shards
from ganflow.evaluation.extraction import Extraction
from ganflow.evaluation.interfaces import Samples
from ganflow.randomness import generator
from ganflow.tensor_files import load_tensors, save_tensors


def chosen_samples(count: int, most: int) -> np.ndarray:
    """The indices, sorted, of at most `most` of `count` real samples: without replacement, by a fixed draw."""
    return np.sort(generator(0, "real images").permutation(count)[:most])


def real_samples(shards: Shards, chosen: np.ndarray) -> Tensor:
    """The samples of a split by their indices."""
    return as_compared(shards.samples(chosen))


def real_labels(shards: Shards, chosen: np.ndarray) -> Tensor | None:
    """The labels of samples by their indices, (n,) int64; None if they have none."""
    return torch.from_numpy(shards.labels(chosen)) if shards.labelled else None


def save_features(folder: Path, name: str, samples: Samples, extraction: Extraction) -> None:
    """Writes <name>.safetensors: features (n, f) and logits (n, k), and whose they are."""
    tensors = {"features": samples.features, "logits": samples.logits}
    save_tensors(folder / f"{name}.safetensors", tensors, {"extractor": asdict(extraction.identity), "set": name})


def load_features(folder: Path, name: str) -> Samples:
    """Features and logits of a set; raises UserError if they are not there."""
    return Samples(**load_tensors(folder / f"{name}.safetensors")[0])


def real_set(shards: Shards, features: Path | None, most: int, values: bool = True) -> Samples:
    """The real samples of a split that scores compare, labelled if the split is: features out of a folder, if it is
    given, and the images or points themselves if `values` are asked for."""
    chosen = chosen_samples(shards.count, most)
    real = Samples(real_samples(shards, chosen) if values else None, real_labels(shards, chosen))
    return real | load_features(features, shards.index.split) if features else real


def as_compared(samples: np.ndarray) -> Tensor:
    """Stored samples as metrics take them."""
    return torch.from_numpy(np.ascontiguousarray(samples.transpose(0, 3, 1, 2) if samples.ndim == 4 else samples))
