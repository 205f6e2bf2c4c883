"""The image at a lower resolution, for super-resolution (SRGAN, arXiv 1609.04802, section 2)."""

from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from ganflow.data.interfaces import Condition, Given


class LowResolution(Condition):
    """Reduced by the bicubic filter, which covers the area of an output pixel."""

    about: ClassVar = "a reduced image"
    factor: int = Field(4, ge=2, le=16, description="how many times smaller a side is")

    def shape(self, side: int) -> tuple[int, int, int]:
        return (side // self.factor, side // self.factor, 3)

    def refusal(self, attributes: dict[str, tuple[str, ...]], side: int) -> str | None:
        if side % self.factor:
            return f"factor = {self.factor} does not divide the resolution {side}"
        return None

    def made(self, given: Given) -> np.ndarray:
        side = len(given.image) // self.factor
        return np.asarray(Image.fromarray(given.image).resize((side, side), Image.Resampling.BICUBIC))
