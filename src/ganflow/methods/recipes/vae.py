"""The variational autoencoder (Kingma and Welling, arXiv 1312.6114, equation 10) with a weight of the divergence
(beta-VAE, Higgins et al., 2017): encoder q(z|x) = N(mu, diag(s^2)), decoder p(x|z) = N(g(z), deviation^2)."""

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.family_model import FamilyMethod, FamilyModel, full_precision, reconstructions
from ganflow.methods.interfaces import Data, Model, Player, Task, Values, loss_charts


class VAE(FamilyMethod):
    """Minimises -E log p(x|z) + beta KL(q(z|x) || N(0, 1)), in nats per sample; with beta 1 the negative ELBO."""

    about: ClassVar = (
        "variational autoencoder (arXiv 1312.6114), with `beta` as the weight of the divergence (beta-VAE)"
    )
    players: ClassVar = ("autoencoder",)
    beta: float = Field(1.0, gt=0, description="weight of the divergence from the prior")
    deviation: float = Field(0.1, gt=0, description="standard deviation of the decoder's normal distribution")

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return VAEModel(self, task, seed, device)


class VAEModel(FamilyModel):
    """An encoder and a decoder, the generator, trained together."""

    held_out_loss = "validation_vae_loss"

    def __init__(self, chosen: VAE, task: Task, seed: int, device: str):
        latent = task.training.latent
        super().__init__(task, seed, device, {"generator": latent}, {"encoder": 2 * latent})
        self.beta, self.variance = chosen.beta, chosen.deviation**2
        trained = ("encoder", "generator")
        self.players = (Player("autoencoder", trained, self._loss, task.optimizer("autoencoder"), roles=(SAMPLES,)),)
        weight = "" if self.beta == 1 else f"{self.beta:g} "
        label = f"loss in nats (minimised)\n−E log p(x|z) + {weight}KL(q(z|x) ‖ N(0, 1))"
        self.charts = loss_charts("vae_loss", task.name, label)
        self.grids = reconstructions(self._reconstruct, task)
        self.summary = ("vae" if self.beta == 1 else f"vae, beta {self.beta:g}",)

    def elbo_terms(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """-log p(x|z) at z = mu + s noise, and KL(q(z|x) || N(0, 1)), both (n,); x samples, noise (n, latent)."""
        mean, log_variance = self._posterior(x)
        decoded = full_precision(self.modules["generator"](mean + (log_variance / 2).exp() * noise))
        error = (x - decoded).flatten(1).square().sum(1)
        size = x[0].numel()
        reconstruction = error / (2 * self.variance) + size / 2 * math.log(2 * math.pi * self.variance)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return reconstruction, divergence

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x), (n, latent) each."""
        mean, log_variance = full_precision(self.modules["encoder"](x)).chunk(2, dim=1)
        return mean, log_variance

    def _loss(self, draws: Draws) -> tuple[Tensor, Values]:
        noise = draws.normal("posterior", (draws.size, self.latent))
        reconstruction, divergence = (term.mean() for term in self.elbo_terms(draws.batch().values, noise))
        loss = reconstruction + self.beta * divergence
        terms = {"vae_loss": loss, "reconstruction_loss": reconstruction, "kl_divergence": divergence}
        return loss, {name: value.detach() for name, value in terms.items()}

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        return {f"validation_{name}": value for name, value in self._loss(draws)[1].items()}

    def _reconstruct(self, module: nn.Module, images: Tensor) -> Tensor:
        return module(self._posterior(images)[0])
