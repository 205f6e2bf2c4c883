"""The generator of LAPGAN (Denton et al., arXiv 1506.05751, sections 2.2 and 3): perceptrons make an image of 8 pixels
a side, and each further level the details of one of twice the size, given that image enlarged and a plane of noise.

Its layers are fewer and narrower than the paper's, and it has no dropout.
"""

from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from ganflow.errors import UserError
from ganflow.networks.interfaces import Network
from ganflow.networks.layers import perceptron, with_gain

COARSE = 8  # pixels a side of the first level


def reduced(images: Tensor) -> Tensor:
    """Images of half the size: means of 2 x 2 pixels; the d of equation 1."""
    return avg_pool2d(images, 2)


def enlarged(images: Tensor) -> Tensor:
    """Images of twice the size, by linear interpolation; the u of equation 1."""
    return interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)


def sides(resolution: int) -> tuple[int, ...]:
    """Pixels a side of all levels, from the coarse one to the image."""
    return tuple(COARSE * 2**level for level in range((resolution // COARSE).bit_length()))


class Coarse(nn.Sequential):
    """Codes (n, latent + classes) to images of COARSE pixels."""

    def __init__(self, width: int, latent: int, classes: int):
        layers = perceptron(latent + classes, width, 2, 3 * COARSE**2, nn.ReLU, 2.0)
        super().__init__(*layers, nn.Tanh(), nn.Unflatten(1, (3, COARSE, COARSE)))


class Details(nn.Module):
    """The details of a level, (n, 3, h, w) without bounds, of its enlarged image, noise and classes."""

    def __init__(self, width: int, side: int, classes: int):
        super().__init__()
        self.plane = with_gain(nn.Linear(classes, side**2, bias=False), 1.0) if classes else None
        inputs = 4 + (classes > 0)
        self.layers = nn.Sequential(
            with_gain(nn.Conv2d(inputs, width, 5, padding=2), 2.0),
            nn.ReLU(),
            with_gain(nn.Conv2d(width, width, 5, padding=2), 2.0),
            nn.ReLU(),
            with_gain(nn.Conv2d(width, 3, 5, padding=2), 0.1),
        )

    def forward(self, coarse: Tensor, noise: Tensor, classes: Tensor) -> Tensor:
        """Images (n, 3, h, w), noise (n, h w), one-hot classes (n, k)."""
        planes = [noise.reshape(len(noise), 1, *coarse.shape[2:])]
        if self.plane is not None:
            planes.append(self.plane(classes).reshape(planes[0].shape))
        return self.layers(torch.cat([coarse, *planes], dim=1))


class Pyramid(nn.Module):
    """All levels; codes (n, latent + classes) to images (n, 3, resolution, resolution) in [-1, 1]."""

    def __init__(self, resolution: int, width: int, latent: int, classes: int):
        """`latent`: of the coarse level."""
        super().__init__()
        self.sides, self.classes = sides(resolution), classes
        self.sizes = [latent, *(side**2 for side in self.sides[1:])]  # of each level's part of the latent vector
        self.coarse = Coarse(8 * width, latent, classes)
        self.details = nn.ModuleList(Details(width, side, classes) for side in self.sides[1:])

    def split(self, codes: Tensor) -> tuple[list[Tensor], Tensor]:
        """Each level's part of the latent vectors, and the one-hot classes."""
        *parts, classes = codes.split([*self.sizes, self.classes], dim=1)
        return parts, classes

    def levels(self, codes: Tensor) -> list[Tensor]:
        """The image of each level, before values beyond [-1, 1] are cut off."""
        (first, *noises), classes = self.split(codes)
        images = [self.coarse(torch.cat([first, classes], dim=1))]
        for details, noise in zip(self.details, noises, strict=True):
            coarse = enlarged(images[-1])
            images.append(coarse + details(coarse, noise, classes))
        return images

    def forward(self, codes: Tensor) -> Tensor:
        return self.levels(codes)[-1].clamp(-1, 1)


class LaplacianPyramid(Network):
    """Levels of 8 pixels a side and of all doubles up to the image; a critic for each of them."""

    about: ClassVar = "a pyramid of images and details (LAPGAN, arXiv 1506.05751), for the method `lapgan`"
    resolutions: ClassVar = (16, 32, 64)
    specialised: ClassVar = True
    width: int = Field(32, ge=1, le=1024, description="features of a convolution")
    coarse_latent: int = Field(64, ge=1, le=4096, description="size of the coarse level's latent vector")

    def latent(self, resolution: int) -> int:
        return self.coarse_latent + sum(side**2 for side in sides(resolution)[1:])

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        if latent != self.latent(resolution):
            raise UserError(
                f"params.yaml: training.latent = {latent}: laplacian_pyramid takes {self.coarse_latent} numbers and "
                f"one for each pixel of a further level; set the variant's training.latent to {self.latent(resolution)}"
            )
        return Pyramid(resolution, self.width, self.coarse_latent, classes)

    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        """Perceptrons for COARSE pixels a side, else two convolutions with stride and a linear layer."""
        if resolution == COARSE:
            return nn.Sequential(
                nn.Flatten(), *perceptron(channels * COARSE**2, 8 * self.width, 2, outputs, _leaky, 2.0)
            )
        size = 2 * self.width * (resolution // 4) ** 2
        return nn.Sequential(
            with_gain(nn.Conv2d(channels, self.width, 5, 2, 2), 2.0),
            _leaky(),
            with_gain(nn.Conv2d(self.width, 2 * self.width, 5, 2, 2), 2.0),
            _leaky(),
            nn.Flatten(),
            with_gain(nn.Linear(size, outputs), 1.0),
        )


def pyramid_of(images: Tensor) -> list[Tensor]:
    """The images of each level, from COARSE pixels a side to `images`."""
    found = [images]
    while found[0].shape[-1] > COARSE:
        found.insert(0, reduced(found[0]))
    return found


def as_pyramid(module: nn.Module) -> Pyramid:
    """A generator of this family."""
    return cast(Pyramid, module)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)
