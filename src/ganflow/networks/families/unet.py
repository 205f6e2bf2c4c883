"""The U-Net of pix2pix (Isola et al., arXiv 1611.07004, section 6.1.1): halvings down to one pixel, doublings back, and
skips between layers of a size; without them the paper's encoder-decoder."""

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ganflow.networks.translation import TranslationNetwork, Translator, block, leaky

DROPOUT = 3  # layers of the decoder with dropout, the first ones
SHARE = 0.5  # of the values that dropout keeps


class UNet(TranslationNetwork):
    """4x4 kernels with stride 2: encoder C64-C128-C256-C512-..., decoder the same backwards with dropout in its first
    three layers, two at 16 pixels, instance normalisation except next to the image and at one pixel."""

    about: ClassVar = "U-Net or encoder-decoder (pix2pix, arXiv 1611.07004), for translations"
    skips: bool = Field(True, description="false: an encoder-decoder")
    dropout: bool = Field(True, description="also when images are made: the only noise of pix2pix")

    def latent(self, resolution: int) -> int:
        return sum(math.prod(shape) for shape in self._masks(resolution))

    def translator(self, resolution: int, channels: int = 3) -> Translator:
        return UNetTranslator(self._filters(resolution), channels, self.skips, self._masks(resolution))

    def _filters(self, resolution: int) -> list[int]:
        """Of each layer of the encoder."""
        return [self.width * min(2**level, 8) for level in range(resolution.bit_length() - 1)]

    def _masks(self, resolution: int) -> list[tuple[int, int, int]]:
        """Shapes of the decoder's layers with dropout, (channels, side, side), from the innermost."""
        filters = self._filters(resolution)[-2::-1]
        count = min(DROPOUT, len(filters) - 1) if self.dropout else 0
        return [(filters[level], 2 ** (level + 1), 2 ** (level + 1)) for level in range(count)]


class UNetTranslator(Translator):
    """The module; a value stays where dropout's number is positive, and is doubled."""

    def __init__(self, filters: list[int], channels: int, skips: bool, masks: list[tuple[int, int, int]]):
        super().__init__()
        self.skips, self.masks = skips, masks
        last = len(filters) - 1
        encoder, before = [], channels
        for level, size in enumerate(filters):
            norm = "none" if level in (0, last) else "instance"
            activation = nn.Identity() if level == 0 else leaky()
            encoder.append(nn.Sequential(activation, *block(nn.Conv2d(before, size, 4, 2, 1), norm=norm)))
            before = size
        decoder: list[nn.Module] = []
        for level, size in enumerate([*filters[-2::-1], 3]):
            inputs = before if level == 0 or not skips else 2 * before
            norm = "none" if level == last else "instance"
            decoder.append(nn.Sequential(nn.ReLU(), *block(nn.ConvTranspose2d(inputs, size, 4, 2, 1), norm=norm)))
            before = size
        self.encoder, self.decoder = nn.ModuleList(encoder), nn.ModuleList(decoder)

    def forward(self, latent: Tensor, images: Tensor) -> Tensor:
        kept = []
        for layer in self.encoder:
            images = layer(images)
            kept.append(images)
        numbers = iter(latent.split([math.prod(shape) for shape in self.masks], dim=1) if self.masks else ())
        for level, layer in enumerate(self.decoder):
            if level and self.skips:
                images = torch.cat([images, kept[-level - 1]], dim=1)
            images = layer(images)
            if level < len(self.masks):
                images = images * ((next(numbers).unflatten(1, self.masks[level]) > 0) / SHARE)
        return images.tanh()
