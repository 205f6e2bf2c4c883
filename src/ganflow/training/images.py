"""Images and latent vectors on their way into and out of networks: tensors, pixels, grids."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganflow.artifacts import write_file
from ganflow.errors import UserError
from ganflow.randomness import generator

ALIGNMENT = 64  # bytes
FORMATS = {".png": "PNG", ".gif": "GIF", ".webp": "WEBP", ".jpg": "JPEG"}


def latent_vectors(count: int, dimension: int, device: str, seed: int, purpose: str, *step: int) -> Tensor:
    """Standard normal latent vectors, (count, dimension) float32, the same on every device."""
    values = generator(seed, f"latent/{purpose}", *step).standard_normal((count, dimension), dtype=np.float32)
    return torch.from_numpy(values).to(device)


def class_labels(count: int, classes: int, device: str, seed: int, purpose: str, *step: int) -> Tensor:
    """Classes drawn uniformly from 0..classes-1, (count,) int64; zeros where there are no classes."""
    values = generator(seed, f"classes/{purpose}", *step).integers(max(classes, 1), size=count)
    return torch.from_numpy(values).to(device)


def from_stored(samples: Tensor) -> Tensor:
    """Images, uint8 (n, H, W, 3), to float32 (n, 3, H, W) in [-1, 1], channels last in memory: (x - 127.5) / 127.5.

    Points, float32 (n, d), stay as they are.
    """
    if samples.dtype != torch.uint8:
        return samples
    if samples.device.type != "cpu":
        return samples.float().sub_(127.5).mul_(1 / 127.5).permute(0, 3, 1, 2)
    # The same bits from numpy, whose allocator hands out warm memory: half the time. Aligned as torch aligns, for the
    # order of sums in a matrix product may depend on it.
    room = np.empty(samples.numel() + ALIGNMENT // 4, np.float32)
    values = room[-room.ctypes.data % ALIGNMENT // 4 :][: samples.numel()].reshape(samples.shape)
    np.copyto(values, samples.numpy())
    values -= np.float32(127.5)
    values *= np.float32(1 / 127.5)
    return torch.from_numpy(values).permute(0, 3, 1, 2)


def to_pixels(images: Tensor) -> np.ndarray:
    """float (n, 3, H, W) in [-1, 1] to uint8 (n, H, W, 3), rounded to the nearest."""
    return images.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def as_stored(samples: Tensor) -> np.ndarray:
    """What `from_stored` undoes: images to uint8 (n, H, W, 3), rounded; points, float (n, d), to float32."""
    return to_pixels(samples) if samples.dim() == 4 else samples.float().cpu().numpy()


def as_grid(pixels: np.ndarray, columns: int) -> Image.Image:
    """Images, uint8 (n, H, W, 3), in one picture, row by row; black where the last row is short."""
    rows = -(-len(pixels) // columns)
    height, width = pixels.shape[1:3]
    padded = np.zeros((rows * columns, height, width, 3), np.uint8)
    padded[: len(pixels)] = pixels
    cells = padded.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    return Image.fromarray(cells.reshape(rows * height, columns * width, 3))


def encoded(pictures: list[Image.Image], suffix: str) -> bytes:
    """A picture, or several as a film of 10 a second, as a file of this suffix; raises UserError for an unknown one."""
    if suffix not in FORMATS:
        raise UserError(f"{suffix or 'no suffix'}: pictures are written as {', '.join(FORMATS)}; choose one of these")
    film = {"save_all": True, "append_images": pictures[1:], "duration": 100, "loop": 0} if len(pictures) > 1 else {}
    file = io.BytesIO()
    pictures[0].save(file, FORMATS[suffix], **film)
    return file.getvalue()


def write_grid(path: Path, images: Tensor, side: int) -> None:
    """Writes side x side images, (side * side, 3, H, W) in [-1, 1], as one PNG, row by row."""
    write_file(path, encoded([as_grid(to_pixels(images), side)], ".png"))


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Networks in evaluation mode: batch normalisation uses its running statistics."""
    for module in modules:
        module.eval()
    yield
