"""Boundary equilibrium GAN (Berthelot et al., arXiv 1703.10717, section 3.4): the critic is an autoencoder, and a
control variable k keeps its losses on generated and real samples in the ratio gamma."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganflow.methods.autoencoders import AutoencoderMethod, AutoencoderModel, full_precision, reconstructions
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.interfaces import Data, Model, Player, Task, Values, loss_charts


class BEGAN(AutoencoderMethod):
    """Critic: L(x) - k L(G(z)); generator: L(G(z)); k <- k + rate (gamma L(x) - L(G(z))), L(v) = E |v - D(v)|."""

    about: ClassVar = (
        "BEGAN (arXiv 1703.10717): the critic is an autoencoder, and k keeps its losses on generated and "
        "real samples in the ratio `gamma`"
    )
    players: ClassVar = ("critic", "generator")
    gamma: float = Field(0.5, gt=0, le=1, description="E L(G(z)) / E L(x) at equilibrium: the diversity ratio")
    rate: float = Field(1e-3, gt=0, description="lambda_k, the proportional gain of k")
    code: int | None = Field(
        None, ge=1, description="size of the autoencoder's code; absent: that of the latent vector"
    )

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return BEGANModel(self, task, seed, device)


class BEGANModel(AutoencoderModel):
    """A generator, and an encoder and a decoder as its critic."""

    held_out_loss = "validation_convergence"

    def __init__(self, chosen: BEGAN, task: Task, seed: int, device: str):
        latent = task.training.latent
        code = chosen.code or latent
        super().__init__(task, seed, device, {"encoder": code}, {"generator": latent, "decoder": code})
        self.gamma, self.rate = chosen.gamma, chosen.rate
        self.state = {"k": torch.zeros((), device=device)}
        self.losses: Values = {}  # of the last steps in this iteration
        self.players = (
            Player("critic", ("encoder", "decoder"), self._critic_loss, task.optimizer("critic"), roles=(SAMPLES,)),
            Player("generator", ("generator",), self._generator_loss, task.optimizer("generator"), after=self._balance),
        )
        label = "convergence (minimised)\nL(x) + |γ L(x) − L(G(z))|"
        self.charts = loss_charts("convergence", task.name, label)
        self.grids = reconstructions(lambda module, images: self._autoencoded(images), task)
        self.summary = (f"began, gamma {self.gamma:g}",)

    def _autoencoded(self, samples: Tensor) -> Tensor:
        return self.modules["decoder"](self.modules["encoder"](samples))

    def _loss(self, samples: Tensor) -> Tensor:
        """L: the mean absolute error of the reconstruction."""
        return (samples - full_precision(self._autoencoded(samples))).abs().mean()

    def _generated(self, draws: Draws) -> Tensor:
        return full_precision(self.modules["generator"](draws.normal("latent", (draws.size, self.latent))))

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        with torch.no_grad():
            fake = self._generated(draws)
        real_loss, fake_loss = self._loss(draws.batch().values), self._loss(fake)
        self.losses["real"] = real_loss.detach()
        return real_loss - self.state["k"] * fake_loss, {"real_loss": real_loss.detach()}

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        loss = self._loss(self._generated(draws))
        self.losses["fake"] = loss.detach()
        convergence = self._convergence(self.losses["real"], loss.detach())
        return loss, {"generator_loss": loss.detach(), "convergence": convergence, "k": self.state["k"].clone()}

    def _balance(self) -> None:
        """Moves k, within [0, 1], towards the ratio gamma."""
        difference = self.gamma * self.losses["real"] - self.losses["fake"]
        self.state["k"].add_(self.rate * difference).clamp_(0, 1)

    def _convergence(self, real_loss: Tensor, fake_loss: Tensor) -> Tensor:
        """M_global of section 3.4.1."""
        return real_loss + (self.gamma * real_loss - fake_loss).abs()

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        real_loss, fake_loss = self._loss(draws.batch().values), self._loss(self._generated(draws))
        return {"validation_real_loss": real_loss, "validation_convergence": self._convergence(real_loss, fake_loss)}
