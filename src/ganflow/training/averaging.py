"""Moving averages of weights, with batch-normalisation statistics of the averaged weights."""

from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

from ganflow.config import MovingAverage
from ganflow.methods.draws import Draws
from ganflow.methods.interfaces import Export

STATISTICS = 1024  # samples to recompute statistics, in batches of the training's size


def decay_at(settings: MovingAverage, iteration: int) -> float:
    """The decay of an iteration, counted from 0."""
    return min(settings.decay, (1 + iteration) / (10 + iteration)) if settings.ramp_up else settings.decay


class AveragedExport:
    """The moving average of an exported module."""

    def __init__(self, export: Export, settings: MovingAverage):
        self.current, self.settings = export.module, settings
        self.module = deepcopy(export.module).requires_grad_(False)
        self.norms = [m for m in self.module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        """Updates the average after an iteration, counted from 0; buffers are copied."""
        weight = 1 - decay_at(self.settings, iteration)
        for mean, value in zip(self.module.parameters(), self.current.parameters(), strict=True):
            mean.lerp_(value, weight)
        for copied, buffer in zip(self.module.buffers(), self.current.buffers(), strict=True):
            copied.copy_(buffer)

    @torch.no_grad()
    def recompute_statistics(self, batches: Iterable[Draws], sample: Callable[[nn.Module, Draws], Tensor]) -> None:
        """Sets running means and variances to their averages over batches of samples by the averaged weights.

        The raw weights' statistics belong to other activations and shift the images considerably.
        """
        if not self.norms or self.settings.batch_norm == "copied":
            return
        momenta = [norm.momentum for norm in self.norms]
        for norm in self.norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative average
        self.module.train()
        for draws in batches:
            sample(self.module, draws)
        for norm, momentum in zip(self.norms, momenta, strict=True):
            norm.momentum = momentum
        self.module.eval()
