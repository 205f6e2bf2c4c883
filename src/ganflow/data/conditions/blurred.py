"""The image out of focus."""

from typing import ClassVar

import numpy as np
from PIL import Image, ImageFilter
from pydantic import Field

from ganflow.data.interfaces import Condition, Given


class Blurred(Condition):
    """Pillow's Gaussian blur: three box filters, in whole numbers."""

    about: ClassVar = "a blurred image"
    radius: float = Field(2.0, gt=0, le=64, description="standard deviation in pixels")

    def shape(self, side: int) -> tuple[int, int, int]:
        return (side, side, 3)

    def made(self, given: Given) -> np.ndarray:
        return np.asarray(Image.fromarray(given.image).filter(ImageFilter.GaussianBlur(self.radius)))
