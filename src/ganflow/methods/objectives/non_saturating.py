"""The non-saturating objective (GAN, arXiv 1406.2661, section 3), on logits: D = sigmoid(score)."""

import math
from typing import ClassVar

from torch import Tensor

from ganflow.methods.components import Legend, Objective
from ganflow.portable_operations import softplus


class NonSaturating(Objective):
    """Critic: -E log D(x_real) - E log(1 - D(x_fake)); generator: -E log D(x_fake)."""

    probability: ClassVar = True
    formula: ClassVar = "−E log D(x) − E log(1 − D(G(z))); −E log D(G(z))"
    source: ClassVar = "GAN, arXiv 1406.2661, section 3"

    @property
    def legend(self) -> Legend:
        return Legend(
            estimate="Jensen-Shannon estimate",
            formula="log 2 − critic loss / 2",
            smallest=0.0,
            largest=math.log(2),
            critic_loss="−E log D(real) − E log(1 − D(fake))",
            chance_loss=2 * math.log(2),
        )

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real).mean() + softplus(fake).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        return softplus(-fake).mean()

    def estimate(self, real: Tensor, fake: Tensor) -> Tensor:
        """log 2 - loss / 2: a lower bound of JS, with the half (log 2 when disjoint); GAN paper, equation 4 ff."""
        return math.log(2) - self.critic_loss(real, fake) / 2
