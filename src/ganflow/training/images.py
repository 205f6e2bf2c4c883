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
from ganflow.randomness import generator


def latent_vectors(count: int, dimension: int, device: str, seed: int, purpose: str, *step: int) -> Tensor:
    """Standard normal latent vectors, (count, dimension) float32, the same on every device."""
    values = generator(seed, f"latent/{purpose}", *step).standard_normal((count, dimension), dtype=np.float32)
    return torch.from_numpy(values).to(device)


def images_to_device(images: np.ndarray, device: str) -> Tensor:
    """uint8 (n, H, W, 3) to float32 (n, 3, H, W), channels last in memory, in [-1, 1]: 2 (x / 255 - 0.5)."""
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
    return pixels.float().div_(127.5).sub_(1)


def to_pixels(images: Tensor) -> np.ndarray:
    """float (n, 3, H, W) in [-1, 1] to uint8 (n, H, W, 3), rounded to the nearest."""
    return images.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def write_grid(path: Path, images: Tensor, side: int) -> None:
    """Writes side x side images, (side * side, 3, H, W) in [-1, 1], as one PNG, row by row."""
    pixels = to_pixels(images)
    height, width = pixels.shape[1:3]
    rows = pixels.reshape(side, side, height, width, 3).transpose(0, 2, 1, 3, 4)
    picture = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rows.reshape(side * height, side * width, 3))).save(picture, "PNG")
    write_file(path, picture.getvalue())


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Networks in evaluation mode: batch normalisation uses its running statistics."""
    for module in modules:
        module.eval()
    yield
