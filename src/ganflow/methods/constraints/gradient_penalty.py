"""The gradient penalty (WGAN-GP, arXiv 1704.00028, equation 3 and Algorithm 1): weight * E (|grad D(x^)| - 1)^2.

Always float32, also where the networks run in bfloat16, and without NaN where the gradient is zero.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.methods.components import Constraint, Optimum, Score
from ganflow.methods.draws import Draws
from ganflow.methods.gradient_norms import gradient_norms, summary
from ganflow.methods.interfaces import Values


@dataclass(frozen=True)
class PenalisedOptimum(Optimum):
    """The best Wasserstein critic with a gradient penalty of weight lambda has the slope 1 + W / (2 lambda), so its
    estimate is W (1 + W / (2 lambda)), not W.

    Derivation: let f have slope 1 at every x^ and E f(real) - E f(fake) = W, as a potential of optimal transport whose
    rays cover the x^ has. The critic s f minimises -s W + lambda (s - 1)^2, so s = 1 + W / (2 lambda) >= 1, where the
    one-sided penalty equals the two-sided one. Conversely W = lambda (sqrt(1 + 2 E / lambda) - 1) for an estimate E.

    It is exact if the slope is the same at all x^, as between two points; else the best critic is steeper where
    transport is dense (Milne and Nachman, arXiv 2109.00528: it solves a congested transport problem), in one dimension
    1 + |F_fake - F_real| / (2 lambda p) with the distribution functions F and the density p of x^, and its estimate is
    W + integral (F_fake - F_real)^2 / (2 lambda p) >= W (1 + W / (2 lambda)). So of the best critic the corrected
    distance is W or more; of a critic that is not there yet it may be less.

    With the two-sided penalty -s f, of slope s = 1 - W / (2 lambda) and a negative estimate, is a local minimum in s
    while W < 2 lambda: a critic may stay there. The one-sided penalty has no such minimum.
    """

    weight: float  # lambda

    @property
    def formula(self) -> str:
        return f"W ({self.slope_formula})"

    @property
    def slope_formula(self) -> str:
        return f"1 + W / {2 * self.weight:g}"

    def slope_at(self, distance: float) -> float:
        return 1 + distance / (2 * self.weight)

    def distance_of(self, estimate: float) -> float:
        if estimate < 0:
            return estimate
        return 2 * estimate / (1 + sqrt(1 + 2 * estimate / self.weight))  # the root above, without cancellation


class GradientPenalty(Constraint):
    """On x^ = epsilon x_real + (1 - epsilon) x_fake, epsilon drawn for each sample."""

    effect: ClassVar = "λ E (‖∇f(x̂)‖ − 1)², per sample, two- or one-sided, always float32"
    source: ClassVar = "WGAN-GP, arXiv 1704.00028, equation 3"

    per_sample: ClassVar = True
    weight: float = Field(10.0, gt=0, description="lambda of the paper")
    one_sided: bool = Field(False, description="penalise only norms above 1 (the paper's appendix C)")

    def optimum(self) -> Optimum:
        return PenalisedOptimum(self.weight)

    def penalty(self, score: Score, real: Tensor, fake: Tensor, draws: Draws) -> tuple[Tensor, Values]:
        epsilon = draws.uniform("uniform", (len(real),))
        norms = gradient_norms(score, real, fake, epsilon)
        excess = (norms - 1).clamp_min(0) if self.one_sided else norms - 1
        loss = self.weight * excess.square().mean()
        return loss, {"penalty": loss.detach()} | summary(norms.detach(), "gradient_norm")
