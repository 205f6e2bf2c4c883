"""Generated images as pixels and as grids."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ganflow.artifacts import write_file


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
