"""Least squares (LSGAN, arXiv 1611.04076, equation 2): the critic's targets are a for generated and b for real images.

The paper's two choices: a = 0, b = c = 1 (equation 9, the default), and a = -1, b = 1, c = 0 (equation 8), with which
the generator minimises a Pearson divergence.
"""

from typing import ClassVar

from pydantic import Field, model_validator
from torch import Tensor

from ganflow.methods.components import Legend, Objective


class LeastSquares(Objective):
    """Critic: E (D(x_real) - b)^2 / 2 + E (D(x_fake) - a)^2 / 2; generator: E (D(x_fake) - c)^2 * weight."""

    formula: ClassVar = "½ E (D(x) − b)² + ½ E (D(G(z)) − a)²; weight E (D(G(z)) − c)²"
    source: ClassVar = "LSGAN, arXiv 1611.04076, equations 2, 8 and 9"

    a: float = Field(0.0, description="the critic's target for generated images")
    b: float = Field(1.0, description="the critic's target for real images, above a")
    c: float = Field(1.0, description="the generator's target, above a")
    generator_weight: float = Field(0.5, gt=0, description="1/2 in the paper, 1 in the WGAN-GP authors' code")

    @model_validator(mode="after")
    def _ordered(self) -> "LeastSquares":
        if not (self.a < self.b and self.a < self.c):
            raise ValueError(f"a = {self.a}, b = {self.b}, c = {self.c}: b and c must be larger than a")
        return self

    @property
    def threshold(self) -> float:
        return (self.a + self.b) / 2

    @property
    def legend(self) -> Legend:
        return Legend(
            estimate="Vincze-Le Cam estimate",
            formula="1 − 4 critic loss / (b − a)²",
            smallest=0.0,
            largest=1.0,
            critic_loss="½ E (D(real) − b)² + ½ E (D(fake) − a)²",
            chance_loss=(self.b - self.a) ** 2 / 4,
        )

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return ((real - self.b).square().mean() + (fake - self.a).square().mean()) / 2

    def generator_loss(self, fake: Tensor) -> Tensor:
        return (fake - self.c).square().mean() * self.generator_weight

    def estimate(self, real: Tensor, fake: Tensor) -> Tensor:
        """A lower bound of sum (p - q)^2 / (p + q) / 2, exact at the optimum D* = (b p + a q) / (p + q)."""
        return 1 - 4 * self.critic_loss(real, fake) / (self.b - self.a) ** 2
