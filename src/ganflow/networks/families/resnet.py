"""The residual networks of WGAN-GP (Gulrajani et al., arXiv 1704.00028, appendix F) as the authors' code builds them.

At 32 pixels its CIFAR-10 pair, width 128: 1,204,483 and 1,053,825 parameters with latent 128, 1,218,307 with the ten
classes in the generator's normalisations, 1,055,115 with a classifier in the critic. Their code trains that pair in two
towers: it normalises over 32 fakes in the critic's update, over 64 in the generator's. At 64 pixels its "good" pair,
width 64: 8,540,483 and 7,491,841 (with layer norm). Upsampling repeats pixels, downsampling averages them.
"""

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, cat, nn
from torch.nn.functional import avg_pool2d, interpolate

from ganflow.networks.interfaces import Network
from ganflow.networks.layers import ConditionalBatchNorm2d, normalisation, with_gain


class ResNet(Network):
    """ReLU throughout; tanh at the end of the generator. Two layouts, by resolution."""

    about: ClassVar = "the CIFAR-10 and 64-pixel residual networks of WGAN-GP"
    resolutions: ClassVar = (32, 64)
    width: int | None = Field(None, ge=1, le=1024, description="filters; null: the paper's 128 at 32 pixels, 64 at 64")
    norm: Literal["batch", "none"] = Field(
        "batch", description="normalisation in the generator; batch: with a gain for each class"
    )
    towers: int = Field(
        1,
        ge=1,
        le=64,
        description="parts of a training batch that the generator normalises apart; the paper's CIFAR-10 code: 2",
    )
    critic_norm: Literal["batch", "layer", "none"] = Field(
        "none", description="normalisation in the critic; the paper: none at 32 pixels, layer at 64"
    )

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        width = self._width(resolution)
        filters = [width] * 4 if resolution == 32 else [width * factor for factor in (8, 8, 4, 2, 1)]
        gain = 1.0 if resolution == 32 else 2.0  # of the last convolution, as in their two files
        return Generator(filters, latent, classes, self.norm, gain, resolution == 32, self.towers)

    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        width, norm = self._width(resolution), self.critic_norm
        if resolution == 32:
            blocks = [
                FirstBlock(channels, width),
                Block(width, width, norm, "down"),
                Block(width, width, norm),
                Block(width, width, norm),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
            ]
            return nn.Sequential(*blocks, nn.Flatten(), Heads(width, outputs))
        filters = [width * factor for factor in (1, 2, 4, 8, 8)]
        blocks = [_convolution(channels, width, 3, gain=1.0)]
        blocks += [Block(a, b, norm, "down", biases=False) for a, b in zip(filters, filters[1:], strict=False)]
        return nn.Sequential(*blocks, nn.Flatten(), Heads(16 * filters[-1], outputs))

    def critic_normalisation(self) -> str:
        return self.critic_norm

    def _width(self, resolution: int) -> int:
        return self.width or (128 if resolution == 32 else 64)


class Generator(nn.Module):
    """From codes; classes select gains and biases of batch normalisation, without which they are an input.

    In training mode a batch is split into `towers` parts, as between the two devices of the authors' code: batch
    normalisation takes the statistics of each.
    """

    def __init__(
        self, filters: list[int], latent: int, classes: int, norm: str, gain: float, biases: bool, towers: int = 1
    ):
        super().__init__()
        self.towers = towers
        self.conditional = classes if norm == "batch" else 0
        self.latent = latent + classes - self.conditional
        self.linear = with_gain(nn.Linear(self.latent, 16 * filters[0]), 1.0)
        self.blocks = nn.ModuleList(
            Block(a, b, norm, "up", biases, self.conditional) for a, b in zip(filters, filters[1:], strict=False)
        )
        self.last = nn.Sequential(
            *normalisation(norm, filters[-1]), nn.ReLU(), _convolution(filters[-1], 3, 3, gain), nn.Tanh()
        )

    def forward(self, code: Tensor) -> Tensor:
        if self.towers == 1 or not self.training:
            return self._tower(code)
        return cat([self._tower(part) for part in code.chunk(self.towers)])

    def _tower(self, code: Tensor) -> Tensor:
        latent, classes = code[:, : self.latent], code[:, self.latent :]
        x = self.linear(latent).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            x = block(x, classes)
        return self.last(x)


class Block(nn.Module):
    """Twice norm, ReLU, convolution, plus a shortcut, which is the identity if the shape does not change."""

    def __init__(self, before: int, after: int, norm: str, resample: str = "", biases: bool = True, classes: int = 0):
        super().__init__()
        middle = after if resample == "up" or (biases and not resample) else before
        self.resample = resample
        self.norm1, self.norm2 = (_block_norm(norm, channels, classes) for channels in (before, middle))
        self.conv1 = _convolution(before, middle, 3, gain=2.0, bias=biases)
        self.conv2 = _convolution(middle, after, 3, gain=2.0)
        plain = before == after and not resample
        self.shortcut = nn.Identity() if plain else _convolution(before, after, 1, gain=1.0)

    def forward(self, x: Tensor, classes: Tensor | None = None) -> Tensor:
        up, down = self.resample == "up", self.resample == "down"
        h = self._normalised(self.norm1, x, classes).relu()
        h = self.conv1(_doubled(h) if up else h)
        h = self.conv2(self._normalised(self.norm2, h, classes).relu())
        if down:
            return avg_pool2d(h, 2) + self.shortcut(avg_pool2d(x, 2))  # mean and 1x1 convolution commute
        return h + self.shortcut(_doubled(x) if up else x)

    def _normalised(self, norm: nn.Module, x: Tensor, classes: Tensor | None) -> Tensor:
        return norm(x, classes) if isinstance(norm, ConditionalBatchNorm2d) else norm(x)


class FirstBlock(nn.Module):
    """The critic's first block at 32 pixels: its input is the image, so it starts without norm and ReLU."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.conv1 = _convolution(before, after, 3, gain=2.0)
        self.conv2 = _convolution(after, after, 3, gain=2.0)
        self.shortcut = _convolution(before, after, 1, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        return avg_pool2d(self.conv2(self.conv1(x).relu()), 2) + self.shortcut(avg_pool2d(x, 2))


class Heads(nn.Module):
    """The score and, if there are more outputs, the logits of the classes: two linear layers with separate scales."""

    def __init__(self, features: int, outputs: int):
        super().__init__()
        self.score = with_gain(nn.Linear(features, 1), 1.0)
        self.classes = with_gain(nn.Linear(features, outputs - 1), 1.0) if outputs > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        score = self.score(x)
        return score if self.classes is None else cat([score, self.classes(x)], dim=1)


def _block_norm(norm: str, channels: int, classes: int) -> nn.Module:
    return ConditionalBatchNorm2d(channels, classes) if classes else nn.Sequential(*normalisation(norm, channels))


def _convolution(before: int, after: int, kernel: int, gain: float, bias: bool = True) -> nn.Module:
    return with_gain(nn.Conv2d(before, after, kernel, 1, kernel // 2, bias=bias), gain)


def _doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2, mode="nearest")
