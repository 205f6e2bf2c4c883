"""Data and random numbers of a step as tensors on a device: each a pure function of (seed, name, purpose, step)."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ganflow.methods.interfaces import SAMPLES, Batch, Draws
from ganflow.randomness import generator


class StepDraws(Draws):
    """The draws of a purpose (a player's name, "validation", ...) at a step, such as (iteration, repetition)."""

    def __init__(
        self,
        seed: int,
        device: str,
        purpose: str,
        step: tuple[int, ...],
        size: int,
        batches: Mapping[str, Batch] = MappingProxyType({}),
    ):
        """`batches` of the step are by role."""
        self.seed, self.device, self.purpose, self.step, self.size = seed, device, purpose, step, size
        self.batches = batches

    def batch(self, role: str = SAMPLES) -> Batch:
        return self.batches[role]

    def normal(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return self._on_device(self._stream(name).standard_normal(shape, dtype=np.float32))

    def uniform(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return self._on_device(self._stream(name).random(shape, dtype=np.float32))

    def integers(self, name: str, shape: tuple[int, ...], high: int) -> Tensor:
        return self._on_device(self._stream(name).integers(max(high, 1), size=shape))

    def _stream(self, name: str) -> np.random.Generator:
        return generator(self.seed, f"{name}/{self.purpose}", *self.step)

    def _on_device(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)
