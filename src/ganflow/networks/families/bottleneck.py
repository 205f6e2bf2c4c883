"""The 101-layer residual networks of WGAN-GP's robustness test (arXiv 1704.00028, figure 2) as in the authors' code: 33
bottleneck blocks, each followed by a normalisation and added with weight 0.3.

At 64 pixels, width 64 and latent 128: 9,189,587 and 7,618,801 parameters.
"""

from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from ganflow.networks.interfaces import Network
from ganflow.networks.layers import SameConv2d, SameConvTranspose2d, Scaled, normalisation, with_gain

LEVELS = (8, 4, 2, 1, 0.5)  # multiples of the width, from 4x4 pixels to 64x64
DEPTHS = (6, 6, 6, 6, 5)  # blocks at each


class Bottleneck(Network):
    """ReLU, 1x1, ReLU, 3x3, ReLU, 1x1, norm in each block; no other normalisation."""

    about: ClassVar = "the 101-layer networks of WGAN-GP"
    resolutions: ClassVar = (64,)
    width: int = Field(64, ge=4, le=512, multiple_of=4, description="filters at 32 x 32 pixels")
    norm: Literal["batch", "none"] = Field("batch", description="normalisation in the generator")
    critic_norm: Literal["batch", "layer", "none"] = Field("layer", description="normalisation in the critic")

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        filters = [int(self.width * level) for level in LEVELS]
        linear = with_gain(nn.Linear(latent + classes, 16 * filters[0]), 1.0)
        layers = [linear, nn.Unflatten(1, (-1, 4, 4)), *_levels(filters, DEPTHS, self.norm, "up")]
        return nn.Sequential(*layers, with_gain(nn.Conv2d(filters[-1], 3, 1), 1.0), Scaled(0.2), nn.Tanh())

    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        filters = [int(self.width * level) for level in LEVELS[::-1]]
        first = with_gain(nn.Conv2d(channels, filters[0], 1), 1.0)
        layers = [first, *_levels(filters, DEPTHS[::-1], self.critic_norm, "down"), nn.Flatten()]
        return nn.Sequential(*layers, with_gain(nn.Linear(16 * filters[-1], outputs), 1.0), Scaled(0.2))

    def critic_normalisation(self) -> str:
        return self.critic_norm


class Block(nn.Module):
    """x (or a 1x1 image of it) + 0.3 * norm(three convolutions of x)."""

    def __init__(self, before: int, after: int, norm: str, resample: str = ""):
        super().__init__()
        layers = {
            "": lambda a, b, kernel: nn.Conv2d(a, b, kernel, 1, kernel // 2),
            "down": lambda a, b, kernel: SameConv2d(a, b, kernel, 2),
            "up": lambda a, b, kernel: SameConvTranspose2d(a, b, kernel, 2),
        }
        squeezed = with_gain(layers[resample](before // 2, after // 2, 3), 2.0)
        self.body = nn.Sequential(
            nn.ReLU(),
            with_gain(nn.Conv2d(before, before // 2, 1), 2.0),
            nn.ReLU(),
            squeezed,
            nn.ReLU(),
            with_gain(nn.Conv2d(after // 2, after, 1, bias=False), 2.0),
            *normalisation(norm, after),
        )
        self.shortcut = {
            "": nn.Identity(),
            "down": with_gain(Subsampled(before, after, 1), 1.0),
            "up": nn.Sequential(with_gain(nn.Conv2d(before, 4 * after, 1), 1.0), nn.PixelShuffle(2)),
        }[resample]

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + 0.3 * self.body(x)


class Subsampled(nn.Conv2d):
    """A 1x1 convolution of every second row and column.

    Written as one of stride 2 its gradient, with fewer than 8 channels on a CPU without AVX-512, overwrites memory
    (oneDNN in torch 2.14.1).
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :, ::2, ::2])


def _levels(filters: list[int], depths: tuple[int, ...], norm: str, resample: str) -> list[nn.Module]:
    """The blocks of all levels, and between levels one that changes resolution and filters."""
    blocks: list[nn.Module] = [Block(filters[0], filters[0], norm) for _ in range(depths[0])]
    for (before, after), depth in zip(pairwise(filters), depths[1:], strict=True):
        blocks += [Block(before, after, norm, resample), *(Block(after, after, norm) for _ in range(depth))]
    return blocks
