"""The DCGANs of WGAN-GP's robustness test (arXiv 1704.00028, figure 2) as the authors' code builds them: 5x5 kernels,
stride 2, TensorFlow's SAME padding, a linear layer at either end.

At 32 pixels with width 128 their CIFAR-10 pair: 5,179,907 and, without norm in the critic, 4,114,689 parameters. At 64
pixels, width 64 and latent 128: 5,364,739 and 4,316,545; with constant filters and no norm the generator has 444,291.
"""

from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ganflow.networks.interfaces import Network
from ganflow.networks.layers import SameConv2d, SameConvTranspose2d, normalisation, uniform, with_gain


class DCGAN5(Network):
    """ReLU in the generator and leaky ReLU (0.2) in the critic, or tanh or a gate in both; tanh at the end."""

    about: ClassVar = (
        "5x5 kernels, TensorFlow's padding, as in the WGAN-GP authors' code; constant filters, tanh, gated"
    )
    resolutions: ClassVar = (32, 64)
    width: int | None = Field(None, ge=1, le=1024, description="filters next to the image; null: 128 at 32, 64 at 64")
    norm: Literal["batch", "none"] = Field("batch", description="normalisation in the generator")
    critic_norm: Literal["batch", "layer", "none"] = Field("none", description="normalisation in the critic")
    filters: Literal["doubling", "constant"] = Field("doubling", description="of the generator, from the image inwards")
    nonlinearity: Literal["relu", "tanh", "gated"] = Field(
        "relu", description="gated: sigmoid(a) tanh(b) of twice as many filters"
    )
    weight_std: float | None = Field(
        None, gt=0, description="of uniform initial weights, 0.02 in the paper's 64-pixel nets; null: He and Glorot"
    )

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        filters = self._filters(resolution, self.filters)[::-1]
        twice = 2 if self.nonlinearity == "gated" else 1
        flat = [nn.BatchNorm1d(16 * twice * filters[0])] if self.norm == "batch" and resolution == 32 else []
        first = normalisation(self.norm, twice * filters[0]) if resolution == 64 else []
        layers = [_linear(latent + classes, 16 * twice * filters[0]), *flat, nn.Unflatten(1, (-1, 4, 4)), *first]
        for before, after in pairwise(filters):
            up = with_gain(SameConvTranspose2d(before, twice * after, 5, 2), 2.0)
            layers += [self._nonlinearity(nn.ReLU()), up, *normalisation(self.norm, twice * after)]
        last = with_gain(SameConvTranspose2d(filters[-1], 3, 5, 2), 2.0)
        return nn.Sequential(*layers, self._nonlinearity(nn.ReLU()), last, nn.Tanh())

    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        filters = self._filters(resolution, "doubling")
        twice = 2 if self.nonlinearity == "gated" else 1
        layers: list[nn.Module] = []
        for depth, (before, after) in enumerate(pairwise([channels, *filters])):
            down = with_gain(SameConv2d(before, twice * after, 5, 2), 2.0)
            norm = normalisation(self.critic_norm, twice * after) if depth else []
            layers += [down, *norm, self._nonlinearity(nn.LeakyReLU(0.2))]
        return nn.Sequential(*layers, nn.Flatten(), _linear(16 * filters[-1], outputs))

    def critic_normalisation(self) -> str:
        return self.critic_norm

    def initial(self, module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
        if self.weight_std and isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and name == "weight":
            return uniform(self.weight_std, shape, draw)
        return super().initial(module, name, shape, draw)

    def _filters(self, resolution: int, growth: str) -> list[int]:
        """From the image inwards, to 4x4 pixels."""
        width, depth = self.width or (128 if resolution == 32 else 64), 3 if resolution == 32 else 4
        return [width * (2**level if growth == "doubling" else 1) for level in range(depth)]

    def _nonlinearity(self, usual: nn.Module) -> nn.Module:
        return {"relu": usual, "tanh": nn.Tanh(), "gated": Gate()}[self.nonlinearity]


class Gate(nn.Module):
    """sigmoid(a) tanh(b), a the even and b the odd channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x[:, ::2]) * torch.tanh(x[:, 1::2])


def _linear(before: int, after: int) -> nn.Module:
    return with_gain(nn.Linear(before, after), 1.0)
