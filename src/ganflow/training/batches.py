"""The stream of real batches on the training device, with equal bits for every way of transfer.

On a CPU a batch is gathered from the mapped shards on demand. On a GPU the split is kept in its memory if it fits;
otherwise a thread gathers the next batch into pinned memory, and copies it while the current one is used.
"""

from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ganflow.data.order import batch_indices
from ganflow.data.reader import Part, Shards
from ganflow.methods.draws import to_device

SHARE = 0.5  # of a GPU's free memory that the data may use
PART = 4096  # samples copied to the device at a time


class Batches(ABC):
    """The batches of `size` samples in the order of (seed, position), as stored: uint8 (n, H, W, 3), float32 (n, d)."""

    def __init__(self, shards: Shards | Part, seed: int, size: int, purpose: str = "order"):
        """`purpose` names the order's random stream."""
        self.shards, self.seed, self.size, self.purpose = shards, seed, size, purpose

    def indices(self, position: int) -> np.ndarray:
        """The samples of batch `position`."""
        return batch_indices(self.shards.count, self.seed, position * self.size, self.size, self.purpose)

    @abstractmethod
    def at(self, position: int) -> Tensor:
        """Batch `position` (from 0)."""


class Gathered(Batches):
    """Batches gathered from the mapped shards, in host memory."""

    def at(self, position: int) -> Tensor:
        return torch.from_numpy(self.shards.samples(self.indices(position)))


class Resident(Batches):
    """Batches of a split that is kept on the device."""

    def __init__(self, shards: Shards | Part, seed: int, size: int, device: str, purpose: str = "order"):
        super().__init__(shards, seed, size, purpose)
        kind = torch.from_numpy(np.empty(0, shards.dtype)).dtype
        self.device, self.samples = device, torch.empty((shards.count, *shards.shape), dtype=kind, device=device)
        for start in range(0, shards.count, PART):
            part = np.arange(start, min(start + PART, shards.count))
            self.samples[start : start + len(part)] = torch.from_numpy(shards.samples(part))

    def at(self, position: int) -> Tensor:
        return self.samples[to_device(self.indices(position), self.device)]


class Transfer(Protocol):
    """An asynchronous copy to the device, between `start`, in any thread, and `finish`."""

    def start(self, batch: Tensor) -> Any: ...

    def finish(self, started: Any) -> Tensor: ...


class CudaTransfer:
    """Copies from pinned memory on a separate stream, for which the computation waits when it uses the batch."""

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()  # of the current device; threads have a current device each

    def start(self, batch: Tensor) -> tuple[Tensor, torch.cuda.Event]:
        with torch.cuda.stream(self.stream):
            copied = batch.pin_memory().to(self.stream.device, non_blocking=True)
            return copied, self.stream.record_event()

    def finish(self, started: tuple[Tensor, torch.cuda.Event]) -> Tensor:
        copied, event = started
        event.wait(torch.cuda.current_stream())
        copied.record_stream(torch.cuda.current_stream())
        return copied


class Prefetched(Batches):
    """Batches gathered and copied one step ahead."""

    def __init__(self, shards: Shards | Part, seed: int, size: int, transfer: Transfer, purpose: str = "order"):
        super().__init__(shards, seed, size, purpose)
        self.transfer, self.thread = transfer, ThreadPoolExecutor(1)
        self.ahead: tuple[int, Future[Any]] | None = None

    def at(self, position: int) -> Tensor:
        if self.ahead is None or self.ahead[0] != position:
            self.ahead = self._submit(position)
        started = self.ahead[1].result()
        self.ahead = self._submit(position + 1)
        return self.transfer.finish(started)

    def _submit(self, position: int) -> tuple[int, Future[Any]]:
        return position, self.thread.submit(self._start, position)

    def _start(self, position: int) -> Any:
        return self.transfer.start(torch.from_numpy(self.shards.samples(self.indices(position))))


def batches_of(shards: Shards | Part, seed: int, size: int, device: str, purpose: str = "order") -> Batches:
    """The fastest kind of batches for a device and its free memory; `purpose` names the order's random stream."""
    if device == "cpu":
        return Gathered(shards, seed, size, purpose)
    free, _ = torch.cuda.mem_get_info()
    if shards.count * int(np.prod(shards.shape)) * shards.dtype.itemsize <= SHARE * free:
        return Resident(shards, seed, size, device, purpose)
    return Prefetched(shards, seed, size, CudaTransfer(), purpose)
