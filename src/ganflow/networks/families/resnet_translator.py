"""The residual translator of CycleGAN (Zhu et al., arXiv 1703.10593, section 7.2, after Johnson et al., arXiv
1603.08155): c7s1-64, d128, d256, residual blocks R256, u128, u64, c7s1-3."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from ganflow.networks.translation import Reflected, TranslationNetwork, Translator, block


class ResNetTranslator(TranslationNetwork):
    """Two halvings, residual blocks, two doublings; instance normalisation, reflection padding."""

    about: ClassVar = "residual blocks between halvings and doublings (CycleGAN, arXiv 1703.10593), for translations"
    blocks: int = Field(6, ge=0, le=50, description="residual blocks: 6 for 128 pixels in the paper, 9 for 256")

    def translator(self, resolution: int, channels: int = 3) -> Translator:
        return ResidualTranslator(channels, self.width, self.blocks)


class ResidualTranslator(Translator):
    """The module; it takes no latent numbers."""

    def __init__(self, channels: int, width: int, blocks: int):
        super().__init__()
        self.layers = nn.Sequential(
            Reflected(3),
            *block(nn.Conv2d(channels, width, 7), nn.ReLU()),
            *block(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU()),
            *block(nn.Conv2d(2 * width, 4 * width, 3, 2, 1), nn.ReLU()),
            *(Residual(4 * width) for _ in range(blocks)),
            *block(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, output_padding=1), nn.ReLU()),
            *block(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1), nn.ReLU()),
            Reflected(3),
            nn.Conv2d(width, 3, 7),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor, images: Tensor) -> Tensor:
        found: Tensor = self.layers(images)
        return found


class Residual(nn.Module):
    """x + F(x), F two convolutions of 3x3."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            Reflected(1),
            *block(nn.Conv2d(width, width, 3), nn.ReLU()),
            Reflected(1),
            *block(nn.Conv2d(width, width, 3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.layers(x)
        return found
