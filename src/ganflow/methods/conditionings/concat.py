"""Conditional GAN (Mirza and Osindero, arXiv 1411.1784): the class is concatenated to the input of generator and
critic.

The generator gets the class one-hot with its latent vector (some families handle it otherwise), the critic constant
planes.
"""

from typing import ClassVar

from torch import Tensor, cat

from ganflow.methods.components import Conditioning
from ganflow.networks.codes import one_hot


class Concatenated(Conditioning):
    """One plane for each class, 1 everywhere in that of the image and 0 in the others."""

    effect: ClassVar = "concatenated to the input of generator and critic (CGAN, arXiv 1411.1784)"

    critic_input: ClassVar = "images with their classes"

    def channels(self, own: int, classes: int) -> int:
        return own + classes

    def critic_view(self, images: Tensor, labels: Tensor, classes: int) -> Tensor:
        planes = one_hot(labels, classes).to(images.dtype)
        planes = planes.view(*planes.shape, *[1] * (images.dim() - 2))
        return cat([images, planes.expand(-1, -1, *images.shape[2:])], dim=1)
