"""Mode-regularised GAN (Che et al., arXiv 1612.02136, section 3.1): an encoder E shows the generator the data's modes.

The paper prints the mode regulariser as + lambda_2 E log D(G(E(x))) in losses that are minimised; by its text
D(G(E(x))) is to rise, so it is subtracted here.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.family_model import FamilyMethod, FamilyModel, full_precision, reconstructions
from ganflow.methods.interfaces import Data, Model, Player, Task, Values, loss_charts
from ganflow.methods.objectives.non_saturating import NonSaturating

OBJECTIVE = NonSaturating()


class MRGAN(FamilyMethod):
    """Critic: that of a GAN; generator and encoder: -E log D(G(z)) + lambda_1 E |x - G(E(x))|^2 / size
    - lambda_2 E log D(G(E(x)))."""

    about: ClassVar = (
        "mode-regularised GAN (arXiv 1612.02136): an encoder is trained with the generator, so that it "
        "reconstructs real samples and the critic takes the reconstructions for real"
    )
    players: ClassVar[tuple[str, ...]] = ("critic", "generator")
    distance: float = Field(0.2, ge=0, description="lambda_1, weight of the mean squared error of reconstructions")
    modes: float = Field(0.4, ge=0, description="lambda_2, weight of -log D of reconstructions")

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return MRGANModel(self, task, seed, device)


class MRGANModel(FamilyModel):
    """A generator, an encoder, and critics whose scores are logits of D."""

    held_out_loss = "validation_critic_loss"
    critics: ClassVar[tuple[str, ...]] = ("critic",)
    compared: ClassVar = ("real", "fake")  # what the critic tells apart, in words

    def __init__(self, chosen: MRGAN, task: Task, seed: int, device: str):
        latent = task.training.latent
        super().__init__(task, seed, device, {"generator": latent}, {"encoder": latent}, dict.fromkeys(self.critics, 1))
        self.distance, self.modes = chosen.distance, chosen.modes
        self.players = self.players_of(task)
        real, fake = self.compared
        label = f"critic loss (minimised)\n−E log D({real}) − E log(1 − D({fake}))"
        self.charts = loss_charts("critic_loss", task.name, label, OBJECTIVE.legend.chance_loss)
        self.grids = reconstructions(lambda module, images: module(self._codes(images)), task)
        self.summary = (type(chosen).__name__.lower(),)

    def players_of(self, task: Task) -> tuple[Player, ...]:
        """The players, in the order of their steps."""
        return (
            Player("critic", ("critic",), self.critic_loss, task.optimizer("critic"), roles=(SAMPLES,)),
            Player("generator", ("encoder", "generator"), self._loss, task.optimizer("generator"), roles=(SAMPLES,)),
        )

    def pair(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """What the critic tells apart: samples that it takes for real, and generated ones."""
        return draws.batch().values, self.generated(draws)

    def reconstructed(self, samples: Tensor) -> Tensor:
        """G(E(x)) of samples x."""
        return full_precision(self.modules["generator"](self._codes(samples)))

    def _codes(self, samples: Tensor) -> Tensor:
        return full_precision(self.modules["encoder"](samples))

    def _score(self, samples: Tensor, critic: str) -> Tensor:
        return full_precision(self.modules[critic](samples))[:, 0]

    def told_apart(self, real: Tensor, fake: Tensor, critic: str = "critic") -> Tensor:
        """The loss of a critic."""
        return OBJECTIVE.critic_loss(self._score(real, critic), self._score(fake, critic))

    def critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        """The critic's loss on the pair."""
        with torch.no_grad():
            pair = self.pair(draws)
        loss = self.told_apart(*pair)
        return loss, {"critic_loss": loss.detach()}

    def adversarial_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        """-E log D(G(z))."""
        loss = OBJECTIVE.generator_loss(self._score(self.generated(draws), "critic"))
        return loss, {"generator_loss": loss.detach()}

    def reconstruction_loss(self, draws: Draws, critic: str = "critic") -> tuple[Tensor, Values]:
        """lambda_1 E |x - G(E(x))|^2 / size - lambda_2 E log D(G(E(x)))."""
        real = draws.batch().values
        made = self.reconstructed(real)
        error, loss = (real - made).square().mean(), OBJECTIVE.generator_loss(self._score(made, critic))
        values = {"reconstruction_error": error.detach(), "mode_loss": loss.detach()}
        return self.distance * error + self.modes * loss, values

    def _loss(self, draws: Draws) -> tuple[Tensor, Values]:
        (loss, values), (regularisers, others) = self.adversarial_loss(draws), self.reconstruction_loss(draws)
        return loss + regularisers, values | others

    def diagnostics(self, real: Tensor, samples: Tensor, lattice: Tensor | None) -> dict[str, Tensor]:
        """`scores` of the critic on the lattice, and `probabilities`, their sigmoid."""
        if lattice is None:
            return {}
        scores = self._score(lattice, "critic")
        return {"scores": scores, "probabilities": scores.double().sigmoid().float()}

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        real = draws.batch().values
        error = (real - self.reconstructed(real)).square().mean()
        return {
            "validation_critic_loss": self.told_apart(*self.pair(draws)),
            "validation_reconstruction_error": error,
        }
