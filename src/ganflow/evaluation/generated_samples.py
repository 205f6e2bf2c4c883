"""Generated samples for evaluation, from the weights of a training."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganflow.config import Curve, Evaluation
from ganflow.evaluation.sample_sets import channels_first
from ganflow.methods.draws import Draws
from ganflow.networks.building import batch_statistics, evaluating
from ganflow.networks.codes import codes
from ganflow.progress import Progress
from ganflow.training.divergence import check_tensors, diverged_at
from ganflow.training.pixels import as_stored


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
) -> Tensor:
    """Samples for latent vectors and uniform classes from the random streams of a `purpose`; images rounded to 8 bits.

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
) -> Tensor:
    """The samples of a generator that are scored by the settings of params.yaml or, with a `curve`, for the scores over
    training; `about` is the metadata of its weights file. Raises Diverged for a sample that is not finite."""
    with diverged_at(about["iteration"]):
        return generate_samples(
            module,
            (curve or evaluation).images,
            about["latent"],
            evaluation.batch_size,
            about["seed"],
            device,
            about["classes"],
            "curve" if curve else "evaluation",
            evaluation.batch_norm,
            what,
        )
