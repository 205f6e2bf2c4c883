"""DCGAN (Radford et al., arXiv 1511.06434) as the WGAN authors' code builds it: 4x4 kernels, stride 2, N(0, 0.02)
weights.

With batch normalisation at 64 pixels, width 64 and latent 100 it has their 3,576,704 and 2,765,568 parameters. Without
any normalisation (`norm: none`) every convolution has a bias instead.
"""

from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from ganflow.networks.interfaces import Network
from ganflow.networks.layers import normalisation


class DCGAN(Network):
    """Strided convolutions; ReLU and tanh in the generator, leaky ReLU (0.2) in the critic."""

    about: ClassVar = "4x4 kernels, as in the WGAN authors' code"
    resolutions: ClassVar = (16, 32, 64, 128)
    width: int = Field(64, ge=1, le=1024, description="filters of the layer closest to the image")
    norm: Literal["batch", "none"] = Field("batch", description="normalisation in the generator")
    critic_norm: Literal["batch", "layer", "none"] | None = Field(
        None, description="normalisation in the critic; absent: as in the generator"
    )
    weight_std: float | None = Field(
        0.02, gt=0, description="standard deviation of initial weights; null: He's sqrt(2 / fan-in)"
    )

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        norm, latent = self.norm, latent + classes
        channels = [self.width * factor for factor in _factors(resolution)][::-1]
        layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
        layers += _block(nn.ConvTranspose2d(latent, channels[0], 4, 1, 0, bias=norm == "none"), norm, nn.ReLU(True))
        for before, after in pairwise(channels):
            layers += _block(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=norm == "none"), norm, nn.ReLU(True))
        layers += [nn.ConvTranspose2d(channels[-1], 3, 4, 2, 1, bias=norm == "none"), nn.Tanh()]
        return nn.Sequential(*layers)

    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        norm = self.critic_norm or self.norm
        filters = [self.width * factor for factor in _factors(resolution)]
        layers = _block(nn.Conv2d(channels, filters[0], 4, 2, 1, bias=norm == "none"), "none", _leaky())
        for before, after in pairwise(filters):
            layers += _block(nn.Conv2d(before, after, 4, 2, 1, bias=norm == "none"), norm, _leaky())
        layers += [nn.Conv2d(filters[-1], outputs, 4, 1, 0, bias=norm == "none"), nn.Flatten(1)]
        return nn.Sequential(*layers)

    def critic_normalisation(self) -> str:
        return self.critic_norm or self.norm

    def initial(self, module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
        if name == "bias":
            return np.zeros(shape)
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            return draw.normal(1.0, 0.02, shape)
        assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d), "the only layers with parameters"
        return draw.normal(0.0, self.weight_std or (2 / _fan_in(module)) ** 0.5, shape)


def _factors(resolution: int) -> list[int]:
    """Multiples of the width from the image inwards, doubled at each halving, down to 4x4."""
    return [2**level for level in range((resolution // 8).bit_length())]


def _fan_in(module: nn.Conv2d | nn.ConvTranspose2d) -> float:
    """Inputs that an output sums; a transposed convolution spreads its kernel over stride x stride outputs."""
    kernel = module.kernel_size[0] * module.kernel_size[1]
    if not isinstance(module, nn.ConvTranspose2d):
        return module.in_channels * kernel
    return module.in_channels * kernel / (module.stride[0] ** 2 if module.stride[0] > 1 else kernel)


def _block(convolution: nn.Conv2d | nn.ConvTranspose2d, norm: str, activation: nn.Module) -> list[nn.Module]:
    return [convolution, *normalisation(norm, convolution.out_channels), activation]


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True)
