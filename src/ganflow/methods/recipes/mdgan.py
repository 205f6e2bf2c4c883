"""Manifold-diffusion GAN (Che et al., arXiv 1612.02136, Algorithm 1): the generator is first brought to the data's
manifold, by an encoder, and then spreads its samples over it."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.interfaces import Data, Model, Player, Task, Values
from ganflow.methods.recipes.mrgan import MRGAN, MRGANModel


class MDGAN(MRGAN):
    """Manifold step: D1 tells x from G(E(x)), then G and E minimise lambda_1 E |x - G(E(x))|^2 / size
    - lambda_2 E log D1(G(E(x))). Diffusion step: D2 tells G(E(x)) from G(z), then G minimises -E log D2(G(z))."""

    about: ClassVar = (
        "manifold-diffusion GAN (arXiv 1612.02136): one critic compares reconstructions with real samples, "
        "another generated samples with reconstructions"
    )
    players: ClassVar = ("manifold_critic", "manifold", "critic", "generator")
    distance: float = Field(1.0, ge=0, description="lambda_1, weight of the mean squared error of reconstructions")
    modes: float = Field(0.01, ge=0, description="lambda_2, weight of -log D1 of reconstructions")

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return MDGANModel(self, task, seed, device)


class MDGANModel(MRGANModel):
    """D1 is `manifold_critic`, D2 `critic`."""

    critics = ("critic", "manifold_critic")
    compared = ("G(E(x))", "G(z)")

    def players_of(self, task: Task) -> tuple[Player, ...]:
        real = (SAMPLES,)
        return (
            Player(
                "manifold_critic",
                ("manifold_critic",),
                self._manifold_critic_loss,
                task.optimizer("manifold_critic"),
                roles=real,
            ),
            Player(
                "manifold",
                ("encoder", "generator"),
                lambda draws: self.reconstruction_loss(draws, "manifold_critic"),
                task.optimizer("manifold"),
                roles=real,
            ),
            Player("critic", ("critic",), self.critic_loss, task.optimizer("critic"), roles=real),
            Player("generator", ("generator",), self.adversarial_loss, task.optimizer("generator")),
        )

    def pair(self, draws: Draws) -> tuple[Tensor, Tensor]:
        return self.reconstructed(draws.batch().values), self.generated(draws)

    def _manifold_critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        real = draws.batch().values
        with torch.no_grad():
            made = self.reconstructed(real)
        loss = self.told_apart(real, made, "manifold_critic")
        return loss, {"manifold_critic_loss": loss.detach()}
