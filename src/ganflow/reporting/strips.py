"""Sample grids as pictures of real pixels: enlarged by whole factors, cut, never resampled.

The grids of a run come from the same latent vectors at every iteration, so one place in a strip is one sample growing up.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ganflow.errors import UserError
from ganflow.reporting.runs import RunRecord

FRAMES = 5  # grids in a strip
ROWS, LAST_COLUMNS = 4, 8  # images shown of an early grid (ROWS x ROWS) and of the last (ROWS x LAST_COLUMNS)
LEAST_PIXELS = 56  # a side of an image; smaller ones are enlarged


def frames(run: RunRecord) -> list[tuple[int, Path]]:
    """At most FRAMES grids from the first to the last, closer together at the start, where most happens."""
    steps = np.linspace(0, 1, FRAMES) ** 2 * (len(run.samples) - 1)
    return [run.samples[place] for place in np.unique(steps.round().astype(int))]


def frame_pictures(run: RunRecord, resolution: int) -> list[tuple[int, bytes]]:
    """(iteration, PNG) of the grids of `frames`, cut to what can be read; `resolution` is the side of one image in pixels."""
    chosen = frames(run)
    columns = [ROWS] * (len(chosen) - 1) + [LAST_COLUMNS]
    return [(at, _png(_cut(file, resolution, wide))) for (at, file), wide in zip(chosen, columns, strict=True)]


def real_picture(images: np.ndarray) -> bytes:
    """Real images, uint8 (n, H, W, 3), in the same layout as the last grid of a strip; PNG."""
    count, height, width = images.shape[:3]
    columns = min(count, 2 * LAST_COLUMNS)
    rows = min(ROWS, count // columns)
    shown = images[: rows * columns].reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return _png(_enlarged(shown.reshape(rows * height, columns * width, 3), width))


def _cut(file: Path, size: int, columns: int) -> np.ndarray:
    try:
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except OSError:
        raise UserError(f"{file}: damaged (not a PNG); delete its folder and run `dvc repro` again") from None
    return _enlarged(pixels[: size * ROWS, : size * columns], size)


def _enlarged(pixels: np.ndarray, size: int) -> np.ndarray:
    factor = -(-LEAST_PIXELS // size)
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", optimize=True)
    return file.getvalue()
