"""Generated samples for evaluation, from the weights of a training."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganflow.config import Curve, Evaluation
from ganflow.data import SPLITS
from ganflow.data.reader import Shards
from ganflow.evaluation.sample_sets import channels_first
from ganflow.methods.draws import SAMPLES, Draws, to_device
from ganflow.networks.building import batch_statistics, evaluating
from ganflow.networks.codes import codes
from ganflow.progress import Progress
from ganflow.training.divergence import check_tensors, diverged_at
from ganflow.training.pixels import as_stored, from_stored


class Given:
    """The held-out images that a translator is given, in their order."""

    def __init__(self, about: dict[str, Any], held_out: Shards, device: str):
        """`about`: the metadata of its weights file."""
        translation = about["translation"]
        self.source, self.target, self.device = translation["source"], translation["target"], device
        self.everything = not translation["where"]
        self.part = held_out.part(translation["where"]) if translation["where"] else held_out

    @property
    def count(self) -> int:
        """Number of images."""
        return self.part.count

    def at(self, start: int, size: int) -> Tensor:
        """Images in [-1, 1], (n, channels, h, w), from a position, from the first again after the last."""
        indices = np.arange(start, start + size) % self.count
        return from_stored(to_device(self._stored(self.source, indices), self.device))

    def targets(self, count: int) -> Tensor:
        """What the first `count` should be translated to, uint8 (n, 3, H, W)."""
        return channels_first(self._stored(self.target, np.arange(count)))

    def _stored(self, name: str, indices: np.ndarray) -> np.ndarray:
        return self.part.samples(indices) if name == SAMPLES else self.part.images(name, indices)


def given_to(about: dict[str, Any], shards: Path, device: str) -> Given | None:
    """The images for a translator by the metadata of its weights file and a dataset's folder of shards; None if it is
    no translator."""
    return Given(about, Shards(shards / SPLITS[1]), device) if about.get("translation") else None


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
    what: str = "",
    given: Given | None = None,
) -> Tensor:
    """Samples for latent vectors and uniform classes from the random streams of a `purpose`; images rounded to 8 bits.
    With `given` images they are translations of these.

    `batch_norm`: use the `running` statistics, or those of each `batch`, which is then always a whole one: a last batch
    of fewer samples would be normalised by these alone. `what`: how progress is called; empty: it is not shown. Raises
    NotFinite for a sample that is not finite.
    """
    parts = []
    with (
        evaluating(module),
        batch_statistics(module) if batch_norm == "batch" else nullcontext(),
        Progress(what, count, "samples") if what else nullcontext() as progress,
    ):
        for part, start in enumerate(range(0, count, batch_size)):
            size = batch_size if batch_norm == "batch" else min(batch_size, count - start)
            draws = Draws(seed, device, purpose, (part,), size)
            vectors, labels = draws.normal("latent", (size, latent)), draws.integers("classes", (size,), classes)
            if given:
                made = module(vectors, given.at(start, size)).float()
            else:
                made = module(codes(vectors, labels, classes)).float()
            check_tensors([("samples", made)])
            parts.append(as_stored(made))
            if progress:
                progress.advance(min(size, count - start))
    return channels_first(np.concatenate(parts)[:count])


def evaluation_samples(
    evaluation: Evaluation,
    module: nn.Module,
    about: dict[str, Any],
    device: str,
    curve: Curve | None = None,
    what: str = "",
    given: Given | None = None,
) -> Tensor:
    """The samples of a generator that are scored by the settings of params.yaml or, with a `curve`, for the scores over
    training; `about` is the metadata of its weights file. A translator makes one of each `given` image, but not more
    than that. Raises Diverged for a sample that is not finite."""
    count = (curve or evaluation).images
    with diverged_at(about["iteration"]):
        return generate_samples(
            module,
            min(count, given.count) if given else count,
            about["latent"],
            evaluation.batch_size,
            about["seed"],
            device,
            about["classes"],
            "curve" if curve else "evaluation",
            evaluation.batch_norm,
            what,
            given,
        )


def scores_distributions(given: Given | None, evaluation: Evaluation, curve: Curve | None = None) -> bool:
    """Whether samples can be compared with the data as sets: translations only if they are of as many held-out images
    as others are scored by, of the whole data."""
    return given is None or (given.everything and given.count >= (curve or evaluation).images)
