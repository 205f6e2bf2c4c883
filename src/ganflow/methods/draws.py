"""Data and random numbers of a training step, as tensors on a device."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganflow.randomness import generator

SAMPLES = "samples"  # the role of a dataset's images or points


def to_device(values: np.ndarray, device: str) -> Tensor:
    """An array of the host as a tensor on a device; a GPU gets a copy through pinned memory, for which the host does
    not wait. The array must not be written to afterwards, as the tensor may share its memory."""
    found = torch.from_numpy(values)
    if torch.device(device).type == "cuda":
        found = found.pin_memory()
    return found.to(device, non_blocking=True)


def _no_condition(name: str) -> Tensor:
    raise LookupError(f"a batch without the condition {name!r}")


class Batch(NamedTuple):
    """Real data of one role: images (n, 3, H, W) in [-1, 1] or points (n, d), their classes, and what accompanies
    images."""

    values: Tensor
    read_labels: Callable[[], Tensor]
    read_condition: Callable[[str], Tensor] = _no_condition

    @property
    def labels(self) -> Tensor:
        """(n,) int64; raises UserError if the data has no classes."""
        return self.read_labels()

    def images(self, name: str) -> Tensor:
        """The images themselves, called `samples`, or a condition that is an image: (n, channels, h, w) in [-1, 1]."""
        return self.values if name == SAMPLES else self.read_condition(name)


class Draws:
    """Data and random numbers of a step: each draw is a pure function of (seed, name, purpose, step).

    `purpose` is a player's name, "validation", ...; `step` is, for instance, (iteration, repetition).
    """

    def __init__(
        self,
        seed: int,
        device: str,
        purpose: str,
        step: tuple[int, ...],
        size: int,
        batches: Mapping[str, Batch] = MappingProxyType({}),
    ):
        """`size`: number of samples; `batches`: those of the step by role."""
        self.seed, self.device, self.purpose, self.step, self.size = seed, device, purpose, step, size
        self.batches = batches

    def batch(self, role: str = SAMPLES) -> Batch:
        """The step's batch of a role, the same at every call."""
        return self.batches[role]

    def normal(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normal float32 values; "latent" names latent vectors."""
        return to_device(self._stream(name).standard_normal(shape, dtype=np.float32), self.device)

    def uniform(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Uniform float32 values in [0, 1)."""
        return to_device(self._stream(name).random(shape, dtype=np.float32), self.device)

    def integers(self, name: str, shape: tuple[int, ...], high: int) -> Tensor:
        """Uniform int64 values in 0..high-1; zeros if `high` is 0."""
        return to_device(self._stream(name).integers(max(high, 1), size=shape), self.device)

    def _stream(self, name: str) -> np.random.Generator:
        return generator(self.seed, f"{name}/{self.purpose}", *self.step)
