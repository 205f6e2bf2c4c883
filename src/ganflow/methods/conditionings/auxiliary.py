"""Auxiliary classifier (AC-GAN, Odena et al., arXiv 1610.09585): the critic has a second head that predicts the class.

The defaults are those of the WGAN-GP authors' CIFAR-10 code, which scales the two cross-entropies and leaves generated
images out of the critic's; the AC-GAN paper's section 4 has scales of 1 and both kinds of images.
"""

from typing import ClassVar

from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from ganflow.methods.components import Conditioning
from ganflow.methods.interfaces import Values


class Auxiliary(Conditioning):
    """Critic and generator both minimise the cross-entropy of the class; the generator's classes are random."""

    effect: ClassVar = "input of the generator, and predicted by the critic (AC-GAN, arXiv 1610.09585)"

    critic_scale: float = Field(1.0, ge=0, description="weight of the cross-entropy in the critic's loss")
    generator_scale: float = Field(0.1, ge=0, description="weight of the cross-entropy in the generator's loss")
    on_generated: bool = Field(False, description="include generated images in the critic's cross-entropy")

    def outputs(self, classes: int) -> int:
        return 1 + classes

    def critic_loss(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor | float, Values]:
        loss = cross_entropy(real, labels)
        if self.on_generated:
            loss = loss + cross_entropy(fake, labels)
        accuracy = (real.detach().argmax(1) == labels).to(real.dtype).mean()
        return self.critic_scale * loss, {"class_loss": loss.detach(), "class_accuracy": accuracy}

    def generator_loss(self, fake: Tensor, labels: Tensor) -> tuple[Tensor | float, Values]:
        loss = cross_entropy(fake, labels)
        return self.generator_scale * loss, {"generator_class_loss": loss.detach()}
