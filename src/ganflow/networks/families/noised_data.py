"""A fixed generator of training points plus Gaussian noise, as in WGAN-GP's figure 1a, which shows the critics that
result (arXiv 1704.00028, section 3.1). It has no parameters; the critic is that of `toy_mlp`.

Real and generated points are paired independently; the authors' gan_toy.py adds the noise to the real points of the
same batch, so that its gradient penalty lies between a point and its own noisy copy. The report says so.
"""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ganflow.errors import UserError
from ganflow.networks.families.toy_mlp import ToyMLP


class Table(nn.Module):
    """Maps codes to points: the first number of a code selects a point, the others are the noise."""

    points: Tensor

    def __init__(self, points: int, dimension: int, noise: float):
        super().__init__()
        self.noise = noise
        self.register_buffer("points", torch.zeros(points, dimension))

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (n, 1 + d or more), standard normal, to points (n, d); each point of the table is equally probable."""
        count, dimension = self.points.shape
        chosen = (torch.special.ndtr(codes[:, 0].double()) * count).long().clamp_(max=count - 1)
        return self.points[chosen] + self.noise * codes[:, 1 : 1 + dimension]


class NoisedData(ToyMLP):
    """The first `points` training points, repeated if there are fewer."""

    about: ClassVar = "for points: the data plus noise as a fixed generator, to examine critics"
    fixed_generator: ClassVar = True
    noise: float = Field(1.0, ge=0, description="standard deviation of the noise in every coordinate")
    points: int = Field(10_000, ge=1, le=1_000_000, description="number of training points in the generator")

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        if latent < 1 + resolution:
            raise UserError(
                f"params.yaml: training.latent = {latent}: noised_data needs one number to select a point and "
                f"{resolution} for the noise; set latent to {1 + resolution} or more"
            )
        return Table(self.points, resolution, self.noise)

    def initialise_from_data(self, generator: nn.Module, first: Callable[[int], np.ndarray]) -> None:
        assert isinstance(generator, Table)
        generator.points.copy_(torch.from_numpy(first(self.points)))
