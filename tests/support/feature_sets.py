"""Features of made-up samples, and the scores of one set of them beside another."""

import torch
from torch import Tensor

from ganflow.evaluation.interfaces import Metric, Samples

SIDE = 24  # features of a sample where none else are said


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal features, the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def rotation(side: int, seed: int) -> Tensor:
    """An orthogonal matrix."""
    return torch.linalg.qr(normal(side, side, seed=seed)).Q


def scores(metric: Metric, real: Tensor, generated: Tensor) -> dict[str, float]:
    """A metric's scores of generated features, compared with real ones."""
    known = Samples(features=real)
    return metric.score(metric.prepare(known), known, Samples(features=generated))
