"""The minimax objective (GAN, arXiv 1406.2661, equation 1 and Algorithm 1), on logits: D = sigmoid(score)."""

from typing import ClassVar

from torch import Tensor

from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.portable_operations import softplus


class Minimax(NonSaturating):
    """Critic: -E log D(x_real) - E log(1 - D(x_fake)); generator: E log(1 - D(x_fake)), which saturates."""

    formula: ClassVar = "−E log D(x) − E log(1 − D(G(z))); E log(1 − D(G(z)))"
    source: ClassVar = "GAN, arXiv 1406.2661, equation 1"

    def generator_loss(self, fake: Tensor) -> Tensor:
        return -softplus(fake).mean()
