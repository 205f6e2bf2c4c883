"""Energy-based GAN (Zhao et al., arXiv 1609.03126): the critic's energy of a sample is an autoencoder's error, low for
real samples and at least the margin for generated ones."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganflow.methods.autoencoder_critic import AutoencoderCriticMethod, AutoencoderCriticModel
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.family_model import full_precision
from ganflow.methods.interfaces import Data, Model, Player, Task, Values, loss_charts
from ganflow.portable_operations import sqrt


class EBGAN(AutoencoderCriticMethod):
    """Critic: D(x) + [m - D(G(z))]+; generator: D(G(z)) + w f_PT; D(v) = |Dec(Enc(v)) - v| (equations 1 to 4)."""

    about: ClassVar = (
        "EBGAN (arXiv 1609.03126): the critic's energy is the error of an autoencoder, up to a `margin`; "
        "`pulling_away` repels the codes of generated samples"
    )
    margin: float = Field(10.0, gt=0, description="m, the energy from which on generated samples do not matter")
    pulling_away: float = Field(0.0, ge=0, description="weight of the pulling-away term; 0.1 in the paper's EBGAN-PT")

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return EBGANModel(self, task, seed, device)


class EBGANModel(AutoencoderCriticModel):
    """The generator and its critic."""

    held_out_loss = "validation_critic_loss"

    def __init__(self, chosen: EBGAN, task: Task, seed: int, device: str):
        super().__init__(chosen, task, seed, device)
        self.margin, self.pulling_away = chosen.margin, chosen.pulling_away
        self.players = (
            Player("critic", ("encoder", "decoder"), self._critic_loss, task.optimizer("critic"), roles=(SAMPLES,)),
            Player("generator", ("generator",), self._generator_loss, task.optimizer("generator")),
        )
        label = f"critic loss (minimised)\nE D(x) + E [{self.margin:g} − D(G(z))]⁺, {self.margin:g} at equilibrium"
        self.charts = loss_charts("critic_loss", task.name, label)  # by theorem 1
        pulling = (f"pulling away × {self.pulling_away:g}",) if self.pulling_away else ()
        self.summary = (f"ebgan, margin {self.margin:g}", *pulling)

    def energy(self, samples: Tensor) -> Tensor:
        """D, (n,): the Euclidean norm of the error of the reconstruction; its gradient is 0 where the error is."""
        square = (samples - self.autoencoded(samples)).flatten(1).square().sum(1)
        return sqrt(square.clamp_min(torch.finfo(square.dtype).tiny))

    def _critic_terms(self, real: Tensor, fake: Tensor) -> Values:
        real_energy, fake_energy = self.energy(real), self.energy(fake)
        loss = real_energy.mean() + (self.margin - fake_energy).clamp_min(0).mean()
        return {"critic_loss": loss, "real_energy": real_energy.mean(), "fake_energy": fake_energy.mean()}

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        with torch.no_grad():
            fake = self.generated(draws)
        terms = self._critic_terms(draws.batch().values, fake)
        return terms["critic_loss"], {name: value.detach() for name, value in terms.items()}

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        fake = self.generated(draws)
        loss = self.energy(fake).mean()
        values = {"generator_loss": loss.detach()}
        if self.pulling_away:
            term = pulling_away(full_precision(self.modules["encoder"](fake)))
            loss, values["pulling_away"] = loss + self.pulling_away * term, term.detach()
        return loss, values

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        terms = self._critic_terms(draws.batch().values, self.generated(draws))
        return {f"validation_{name}": value for name, value in terms.items()}


def pulling_away(codes: Tensor) -> Tensor:
    """f_PT, a scalar: the mean squared cosine of pairs of different codes, (n, size) float32 or better; equation 5."""
    with torch.autocast(codes.device.type, enabled=False):
        products = codes @ codes.T
    squares = products.diagonal()
    cosines = products.square() / (squares[:, None] * squares).clamp_min(torch.finfo(codes.dtype).tiny)
    count = len(codes)
    return (cosines.sum() - cosines.diagonal().sum()) / max(count * (count - 1), 1)
