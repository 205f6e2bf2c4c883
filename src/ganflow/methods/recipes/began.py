"""Boundary equilibrium GAN (Berthelot et al., arXiv 1703.10717, section 3.4): the critic is an autoencoder, and a
control variable k keeps its losses on generated and real samples in the ratio gamma."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganflow.methods.autoencoder_critic import AutoencoderCriticMethod, AutoencoderCriticModel
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.interfaces import Data, Model, Player, Task, Values, loss_charts


class BEGAN(AutoencoderCriticMethod):
    """Critic: L(x) - k L(G(z)); generator: L(G(z)); k <- k + rate (gamma L(x) - L(G(z))), L(v) = E |v - D(v)|."""

    about: ClassVar = (
        "BEGAN (arXiv 1703.10717): the critic is an autoencoder, and k keeps its losses on generated and "
        "real samples in the ratio `gamma`"
    )
    gamma: float = Field(0.5, gt=0, le=1, description="E L(G(z)) / E L(x) at equilibrium: the diversity ratio")
    rate: float = Field(1e-3, gt=0, description="lambda_k, the proportional gain of k")

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return BEGANModel(self, task, seed, device)


class BEGANModel(AutoencoderCriticModel):
    """The generator and its critic, with the control variable k."""

    held_out_loss = "validation_convergence"

    def __init__(self, chosen: BEGAN, task: Task, seed: int, device: str):
        super().__init__(chosen, task, seed, device)
        self.gamma, self.rate = chosen.gamma, chosen.rate
        self.state = {"k": torch.zeros((), device=device)}
        self.losses: Values = {}  # of the last steps in this iteration
        self.players = (
            Player("critic", ("encoder", "decoder"), self._critic_loss, task.optimizer("critic"), roles=(SAMPLES,)),
            Player("generator", ("generator",), self._generator_loss, task.optimizer("generator"), after=self._balance),
        )
        label = "convergence (minimised)\nL(x) + |γ L(x) − L(G(z))|"
        self.charts = loss_charts("convergence", task.name, label)
        self.summary = (f"began, gamma {self.gamma:g}",)

    def _loss(self, samples: Tensor) -> Tensor:
        """L: the mean absolute error of the reconstruction."""
        return (samples - self.autoencoded(samples)).abs().mean()

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        with torch.no_grad():
            fake = self.generated(draws)
        real_loss, fake_loss = self._loss(draws.batch().values), self._loss(fake)
        self.losses["real"] = real_loss.detach()
        return real_loss - self.state["k"] * fake_loss, {"real_loss": real_loss.detach()}

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        loss = self._loss(self.generated(draws))
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
        real_loss, fake_loss = self._loss(draws.batch().values), self._loss(self.generated(draws))
        return {"validation_real_loss": real_loss, "validation_convergence": self._convergence(real_loss, fake_loss)}
