"""Edges, black on white, as a sketch of the image (as in pix2pix, arXiv 1611.07004, section 4, there by a network)."""

from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from ganflow.data.interfaces import Condition, Given


class Edges(Condition):
    """Where the grey values have a steep slope by Sobel's operator, in whole numbers."""

    about: ClassVar = "edges, black on white"
    threshold: int = Field(160, ge=1, le=2040, description="least |horizontal| + |vertical| slope, of 8-bit greys")

    def shape(self, side: int) -> tuple[int, int, int]:
        return (side, side, 1)

    def made(self, given: Given) -> np.ndarray:
        grey = np.pad(np.asarray(Image.fromarray(given.image).convert("L"), np.int32), 1, "edge")
        columns, rows = grey[:, 2:] - grey[:, :-2], grey[2:] - grey[:-2]
        across = columns[:-2] + 2 * columns[1:-1] + columns[2:]
        down = rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]
        flat = np.abs(across) + np.abs(down) < self.threshold
        return (255 * flat).astype(np.uint8)[..., None]
