"""The gradient penalty (WGAN-GP, arXiv 1704.00028, equation 3 and Algorithm 1): weight * E (|grad D(x^)| - 1)^2.

Always float32, also where the networks run in bfloat16, and without NaN where the gradient is zero.
"""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.methods.components import Constraint, Score
from ganflow.methods.draws import Draws
from ganflow.methods.gradient_norms import gradient_norms, summary
from ganflow.methods.interfaces import Values


class GradientPenalty(Constraint):
    """On x^ = epsilon x_real + (1 - epsilon) x_fake, epsilon drawn for each sample."""

    effect: ClassVar = "λ E (‖∇f(x̂)‖ − 1)², per sample, two- or one-sided, always float32"
    source: ClassVar = "WGAN-GP, arXiv 1704.00028, equation 3"

    lipschitz: ClassVar = "one"
    per_sample: ClassVar = True
    weight: float = Field(10.0, gt=0, description="lambda of the paper")
    one_sided: bool = Field(False, description="penalise only norms above 1 (the paper's appendix C)")

    def penalty(self, score: Score, real: Tensor, fake: Tensor, draws: Draws) -> tuple[Tensor, Values]:
        epsilon = draws.uniform("uniform", (len(real),))
        norms = gradient_norms(score, real, fake, epsilon)
        excess = (norms - 1).clamp_min(0) if self.one_sided else norms - 1
        loss = self.weight * excess.square().mean()
        return loss, {"penalty": loss.detach()} | summary(norms.detach(), "gradient_norm")
