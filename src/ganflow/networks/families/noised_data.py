"""A fixed generator: training points plus Gaussian noise, the setting in which WGAN-GP's figure 1a shows what critics
learn (arXiv 1704.00028, section 3.1). It has no parameters, so it is not trained; the critic is that of `toy_mlp`."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ganflow.errors import UserError
from ganflow.networks.families.toy_mlp import ToyMLP


class Table(nn.Module):
    """Points by codes: the first number of a code chooses one, those behind it are the noise."""

    points: Tensor

    def __init__(self, points: int, dimension: int, noise: float):
        super().__init__()
        self.noise = noise
        self.register_buffer("points", torch.zeros(points, dimension))

    def forward(self, codes: Tensor) -> Tensor:
        """codes (n, 1 + d or more), standard normal, to points (n, d), each of the table as probable."""
        count, dimension = self.points.shape
        chosen = (torch.special.ndtr(codes[:, 0].double()) * count).long().clamp_(max=count - 1)
        return self.points[chosen] + self.noise * codes[:, 1 : 1 + dimension]


class NoisedData(ToyMLP):
    """The first training points, as many as `points`, repeated if there are fewer."""

    about: ClassVar = "for points: the data plus noise as a generator that is not trained, for looking at critics"
    fixed_generator: ClassVar = True
    noise: float = Field(1.0, ge=0, description="standard deviation of the noise in every coordinate")
    points: int = Field(10_000, ge=1, le=1_000_000, description="training points that the generator knows")

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        if latent < 1 + resolution:
            raise UserError(
                f"params.yaml: training.latent = {latent}: noised_data takes a number to choose a point and "
                f"{resolution} of noise; set latent to {1 + resolution} or more"
            )
        return Table(self.points, resolution, self.noise)

    def initialise_from_data(self, generator: nn.Module, first: Callable[[int], np.ndarray]) -> None:
        assert isinstance(generator, Table)
        generator.points.copy_(torch.from_numpy(first(self.points)))
