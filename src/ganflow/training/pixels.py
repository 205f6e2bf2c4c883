"""Samples between shards and networks: stored bytes to tensors and back."""

import numpy as np
import torch
from torch import Tensor

ALIGNMENT = 64  # bytes


def from_stored(samples: Tensor) -> Tensor:
    """Images, uint8 (n, H, W, 3), to float32 (n, 3, H, W) in [-1, 1], channels last in memory: (x - 127.5) / 127.5.

    Points, float32 (n, d), stay as they are.
    """
    if samples.dtype != torch.uint8:
        return samples
    if samples.device.type != "cpu":
        return samples.float().sub_(127.5).mul_(1 / 127.5).permute(0, 3, 1, 2)
    # The same bits as torch in half the time, as numpy's allocator reuses memory. Aligned as in torch, because the
    # order of sums in a matrix product may depend on it.
    buffer = np.empty(samples.numel() + ALIGNMENT // 4, np.float32)
    values = buffer[-buffer.ctypes.data % ALIGNMENT // 4 :][: samples.numel()].reshape(samples.shape)
    np.copyto(values, samples.numpy())
    values -= np.float32(127.5)
    values *= np.float32(1 / 127.5)
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def to_pixels(images: Tensor) -> np.ndarray:
    """float (n, 3, H, W) in [-1, 1] to uint8 (n, H, W, 3), rounded to the nearest."""
    return images.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def as_stored(samples: Tensor) -> np.ndarray:
    """The inverse of `from_stored`: images to uint8 (n, H, W, 3), rounded; points, float (n, d), to float32."""
    return to_pixels(samples) if samples.dim() == 4 else samples.float().cpu().numpy()
