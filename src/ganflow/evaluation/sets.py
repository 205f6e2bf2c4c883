"""Sets of samples as files: features kept once a set, read again as what metrics take."""

from dataclasses import asdict
from pathlib import Path

from ganflow.data.reader import Shards
from ganflow.evaluation.extraction import Extraction
from ganflow.evaluation.images import chosen_samples, real_labels, real_samples
from ganflow.evaluation.interfaces import Samples
from ganflow.training.weights import load_tensors, save_tensors


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
