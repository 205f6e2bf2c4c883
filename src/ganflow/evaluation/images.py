"""The generated samples that scores compare, from the weights of a training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganflow.config import Curve, Evaluation
from ganflow.evaluation.sets import as_compared
from ganflow.networks.building import evaluating
from ganflow.networks.codes import codes
from ganflow.training.draws import StepDraws
from ganflow.training.pixels import as_stored


@torch.no_grad()
def generated_images(
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
    """Samples from latent vectors and uniform classes of the streams of a `purpose`, images rounded to 8 bits.

    Batch normalisation uses its running statistics or, as `batch_norm`, those of each batch.
    """
    parts = []
    with evaluating(module), _statistics_of(module, batch_norm):
        for part, start in enumerate(range(0, count, batch_size)):
            size = min(batch_size, count - start)
            draws = StepDraws(seed, device, purpose, (part,), size)
            vectors, labels = draws.normal("latent", (size, latent)), draws.integers("classes", (size,), classes)
            parts.append(as_stored(module(codes(vectors, labels, classes)).float()))
    return as_compared(np.concatenate(parts))


def scored_images(
    evaluation: Evaluation, module: nn.Module, about: dict[str, Any], device: str, curve: Curve | None = None
) -> Tensor:
    """The samples of a generator that params.yaml has scored, or the samples for a `curve`, by other draws; `about` is
    what its weights file says of it."""
    return generated_images(
        module,
        (curve or evaluation).images,
        about["latent"],
        evaluation.batch_size,
        about["seed"],
        device,
        about["classes"],
        "curve" if curve else "evaluation",
        evaluation.batch_norm,
    )


@contextmanager
def _statistics_of(module: nn.Module, batch_norm: str) -> Iterator[None]:
    """Layers of batch normalisation that use, and do not learn, the statistics asked for."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    kept = [(layer, layer.running_mean, layer.running_var) for layer in layers if batch_norm == "batch"]
    for layer, _, _ in kept:
        layer.running_mean = layer.running_var = None
    try:
        yield
    finally:
        for layer, mean, variance in kept:
            layer.running_mean, layer.running_var = mean, variance
