"""Images as files: grids, single images and animations."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ganflow.artifacts import write_file
from ganflow.errors import UserError
from ganflow.training.pixels import to_pixels

FORMATS = {".png": "PNG", ".gif": "GIF", ".webp": "WEBP", ".jpg": "JPEG"}


def as_grid(pixels: np.ndarray, columns: int) -> Image.Image:
    """Images, uint8 (n, H, W, 3), in one image, row by row; the rest of the last row is black."""
    rows = -(-len(pixels) // columns)
    height, width = pixels.shape[1:3]
    padded = np.zeros((rows * columns, height, width, 3), np.uint8)
    padded[: len(pixels)] = pixels
    cells = padded.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    return Image.fromarray(cells.reshape(rows * height, columns * width, 3))


def encoded(images: list[Image.Image], suffix: str) -> bytes:
    """An image, or an animation at 10 images/s, in the format of a suffix; raises UserError for an unknown one."""
    if suffix not in FORMATS:
        raise UserError(f"{suffix or 'no suffix'}: the formats are {', '.join(FORMATS)}; choose one")
    animation = {"save_all": True, "append_images": images[1:], "duration": 100, "loop": 0} if len(images) > 1 else {}
    file = io.BytesIO()
    images[0].save(file, FORMATS[suffix], **animation)
    return file.getvalue()


def write_grid(path: Path, images: Tensor, columns: int) -> None:
    """Writes images, (n, 3, H, W) in [-1, 1], as one PNG, row by row."""
    write_file(path, encoded([as_grid(to_pixels(images), columns)], ".png"))
