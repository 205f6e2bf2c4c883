"""The Wasserstein objective (WGAN, arXiv 1701.07875, equation 3 and Algorithm 1); the critic must be constrained."""

from typing import ClassVar

from torch import Tensor

from ganflow.methods.components import Legend, Objective


class Wasserstein(Objective):
    """Critic: E f(x_fake) - E f(x_real); generator: -E f(x_fake)."""

    formula: ClassVar = "E f(G(z)) − E f(x); −E f(G(z))"
    source: ClassVar = "WGAN, arXiv 1701.07875, equation 3"

    needs_lipschitz: ClassVar = True

    @property
    def threshold(self) -> None:
        return None

    @property
    def legend(self) -> Legend:
        return Legend(
            estimate="Wasserstein estimate",
            formula="E f(real) − E f(fake)",
            smallest=0.0,
            largest=None,
            critic_loss="E f(fake) − E f(real)",
            chance_loss=0.0,
        )

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        return -fake.mean()

    def estimate(self, real: Tensor, fake: Tensor) -> Tensor:
        """The Wasserstein-1 distance times the critic's Lipschitz constant, at the optimum."""
        return real.mean() - fake.mean()
