"""Mean colours of the cells of a grid over an image, as a network without parameters."""

import torch
from torch import Tensor, nn

from ganflow.errors import UserError


class CellMeans(nn.Module):
    """Maps images, uint8 (n, 3, H, W), to features (n, 3 cells²) float32 in [0, 1], and logits (n, 0)."""

    def __init__(self, cells: int):
        super().__init__()
        self.cells = cells

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Raises UserError if the cells don't divide the images."""
        count, channels, *sides = images.shape
        if any(side % self.cells for side in sides):
            raise UserError(
                f"params.yaml: evaluation.extractor.pixels.resolution = {self.cells}: does not divide images of "
                f"{sides[0]} x {sides[1]} pixels; choose a divisor"
            )
        height, width = (side // self.cells for side in sides)
        cells = images.reshape(count, channels, self.cells, height, self.cells, width)
        sums = cells.sum((3, 5), dtype=torch.int32)
        features = sums.flatten(1).float() / (255 * height * width)
        return features, features.new_zeros(count, 0)
