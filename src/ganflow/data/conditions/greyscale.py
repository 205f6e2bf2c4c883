"""The image without its colours."""

from typing import ClassVar

import numpy as np
from PIL import Image

from ganflow.data.interfaces import Condition, Given


class Greyscale(Condition):
    """Luma of ITU-R BT.601."""

    about: ClassVar = "grey values"

    def shape(self, side: int) -> tuple[int, int, int]:
        return (side, side, 1)

    def made(self, given: Given) -> np.ndarray:
        return np.asarray(Image.fromarray(given.image).convert("L"))[..., None]
