"""DRAGAN (Kodali et al., arXiv 1705.07215, section 2.4): weight * E (|grad D(x + delta)| - 1)^2 around real samples."""

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from ganflow.methods.components import Constraint, Objective, Score
from ganflow.methods.draws import Draws
from ganflow.methods.gradient_norms import gradient_norms, summary
from ganflow.methods.interfaces import Values
from ganflow.networks.interfaces import Network


class DRAGAN(Constraint):
    """The penalty holds around the data only, not between the data and generated samples, so the optimum of a gradient
    penalty is not that of this one: there is no `optimum`, and a Wasserstein objective is refused.

    `uniform`, the authors' code: delta = a scale std(x) u, a for each sample and u for each value uniform in [0, 1);
    `normal`, the paper: delta ~ N(0, (scale std(x))^2). std(x) is over the whole batch.
    """

    effect: ClassVar = "λ E (‖∇D(x + δ)‖ − 1)² around real samples, per sample, always float32"
    source: ClassVar = "DRAGAN, arXiv 1705.07215, section 2.4"
    per_sample: ClassVar = True
    weight: float = Field(10.0, gt=0, description="lambda of the paper")
    scale: float = Field(0.5, gt=0, description="size of the perturbation, in units of the batch's standard deviation")
    noise: Literal["uniform", "normal"] = Field("uniform", description="of the perturbation: authors' code or paper")

    def penalty(self, score: Score, real: Tensor, fake: Tensor, draws: Draws) -> tuple[Tensor, Values]:
        draw = draws.uniform if self.noise == "uniform" else draws.normal
        perturbed = real + self.scale * real.std() * draw("perturbation", tuple(real.shape))
        share = draws.uniform("uniform", (len(real),)) if self.noise == "uniform" else real.new_ones(len(real))
        norms = gradient_norms(score, perturbed, real, share)
        loss = self.weight * (norms - 1).square().mean()
        return loss, {"penalty": loss.detach()} | summary(norms.detach(), "gradient_norm")

    def refusal(self, critic: Network, objective: Objective) -> str | None:
        if objective.needs_lipschitz:
            return (
                "the penalty acts near real samples only, and a Wasserstein critic without a constraint elsewhere has "
                "no optimum; choose gradient_penalty"
            )
        return super().refusal(critic, objective)
