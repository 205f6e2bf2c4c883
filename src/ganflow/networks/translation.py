"""Networks that make images from images, and critics of patches (pix2pix, arXiv 1611.07004, section 6.1)."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ganflow.networks.interfaces import Network
from ganflow.networks.layers import normalisation

DEVIATION = 0.02  # of initial weights


class Translator(nn.Module):
    """Makes images from images: called with standard normal numbers (n, latent) and images (n, channels, h, w), returns
    (n, 3, resolution, resolution) in [-1, 1]."""


class TranslationNetwork(Network):
    """A family of translators; each value that its critic returns is a score of one patch."""

    resolutions: ClassVar = (16, 32, 64, 128, 256)
    specialised: ClassVar = True
    width: int = Field(64, ge=1, le=1024, description="filters of the layer closest to the image")
    patch_layers: int = Field(
        3, ge=0, le=3, description="halvings in the critic, fewer for small images; 3: patches of 70 x 70 pixels"
    )
    weight_std: float = Field(DEVIATION, gt=0, description="standard deviation of initial weights")

    @abstractmethod
    def translator(self, resolution: int, channels: int = 3) -> Translator:
        """A translator of images with so many channels; its size of latent vectors is `latent(resolution)`."""

    def latent(self, resolution: int) -> int:
        """How many standard normal numbers a translator takes beside an image."""
        return 0

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        raise TypeError("a translator makes images from images, not from latent vectors")

    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        """C64-C128-C256-C512 for three halvings, from (n, channels, resolution, resolution) to scores (n, patches);
        `outputs` is 1."""
        halvings = min(self.patch_layers, resolution.bit_length() - 3)
        filters = [self.width * min(2**level, 8) for level in range(halvings + 1)]
        size, stride = (4, 2) if halvings else (1, 1)
        layers: list[nn.Module] = [nn.Conv2d(channels, filters[0], size, stride, size // 4), leaky()]
        for level in range(1, halvings + 1):
            stride = 2 if level < halvings else 1
            layers += block(nn.Conv2d(filters[level - 1], filters[level], 4, stride, 1), leaky())
        return nn.Sequential(*layers, nn.Conv2d(filters[-1], outputs, size, 1, size // 4), nn.Flatten(1))

    def critic_normalisation(self) -> str:
        return "instance" if self.patch_layers else "none"

    def initial(self, module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
        """Weights normal, biases 0, gains around 1, as in the authors' code."""
        if name == "bias":
            return np.zeros(shape)
        if isinstance(module, nn.GroupNorm):
            return draw.normal(1.0, DEVIATION, shape)
        return draw.normal(0.0, self.weight_std, shape)


class Reflected(nn.Module):
    """Pads images by their reflection, without a backward pass that sums in any order on a GPU."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        size = self.size
        for dim in (2, 3):
            length = x.shape[dim]
            before = x.narrow(dim, 1, size).flip(dim)
            after = x.narrow(dim, length - size - 1, size).flip(dim)
            x = torch.cat([before, x, after], dim)
        return x


def block(
    convolution: nn.Conv2d | nn.ConvTranspose2d, *activation: nn.Module, norm: str = "instance"
) -> list[nn.Module]:
    """A convolution with its norm and activation."""
    return [convolution, *normalisation(norm, convolution.out_channels), *activation]


def leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)
