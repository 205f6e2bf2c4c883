"""The order of batches: a pure function of (seed, position), independent of workers, ranks and state."""

from functools import lru_cache

import numpy as np

from ganflow.randomness import generator


@lru_cache(maxsize=4)
def order(count: int, seed: int, epoch: int, purpose: str = "order") -> np.ndarray:
    """The permutation of 0..count-1 (int64, read-only) of an epoch, a pure function of the arguments."""
    permutation = generator(seed, purpose, epoch).permutation(count)
    permutation.setflags(write=False)
    return permutation


def batch_indices(count: int, seed: int, position: int, size: int, purpose: str = "order") -> np.ndarray:
    """Indices (int64) at [position, position + size) of the infinite sequence order(0), order(1), ... of a purpose."""
    if count < 1 or position < 0 or size < 0:
        raise ValueError(f"count = {count}, position = {position}, size = {size}: negative, or no sample")
    parts = [np.empty(0, np.int64)]
    while size:
        epoch, offset = divmod(position, count)
        part = order(count, seed, epoch, purpose)[offset : offset + size]
        parts.append(part)
        position, size = position + len(part), size - len(part)
    return np.concatenate(parts)
