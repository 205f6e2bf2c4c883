"""pix2pix (Isola et al., arXiv 1611.07004): images from a condition, such as edges, by a conditional GAN and the
distance to the real image."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ganflow.config import Name
from ganflow.errors import UserError
from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.family_model import full_precision
from ganflow.methods.interfaces import Data, Model, Player, Task, Translation, Values, loss_charts
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.methods.translation import TranslationMethod, TranslationModel, condition_of

OBJECTIVE = NonSaturating()


class Pix2Pix(TranslationMethod):
    """Critic: V(D) / 2 of (c, x) and (c, G(c)); generator: weight_adversarial (-E log D(c, G(c))) + weight E |x - G(c)|
    (equations 1 to 4)."""

    about: ClassVar = (
        "pix2pix (arXiv 1611.07004): an image from a condition, by a conditional critic and the L1 distance"
    )
    players: ClassVar = ("critic", "generator")
    condition: Name = Field("edges", description="what is given: a condition of the dataset that is an image")
    weight: float = Field(100.0, ge=0, description="lambda of the L1 distance; 0: the critic alone")
    adversarial: float = Field(1.0, ge=0, description="weight of the critic; 0: the L1 distance alone")

    def check(self, task: Task) -> None:
        super().check(task)
        side, _, _ = condition_of(task, self.condition, "condition").shape(task.shape[0])
        if side != task.shape[0]:
            raise UserError(
                f"params.yaml: {task.key}.condition = {self.condition!r}: has {side} pixels a side, and the images "
                f"have {task.shape[0]}; choose a condition of their size"
            )

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return Pix2PixModel(self, task, seed, device)


class Pix2PixModel(TranslationModel):
    """The translator and its critic."""

    held_out_loss = "validation_distance_l1"

    def __init__(self, chosen: Pix2Pix, task: Task, seed: int, device: str):
        _, _, channels = condition_of(task, chosen.condition, "condition").shape(task.shape[0])
        translation = Translation(chosen.condition, SAMPLES)
        super().__init__(task, seed, device, {"generator": (channels, translation)}, {"critic": channels + 3})
        self.chosen = chosen
        self.players = (
            Player("critic", ("critic",), self._critic_loss, task.optimizer("critic"), roles=(SAMPLES,)),
            Player("generator", ("generator",), self._generator_loss, task.optimizer("generator"), roles=(SAMPLES,)),
        )
        legend = OBJECTIVE.legend
        loss = f"critic loss (minimised)\n{legend.critic_loss}"
        self.charts = loss_charts("distance_l1", task.name, "mean |x − G(c)|, pixels in [−1, 1]") + loss_charts(
            "critic_loss", f"{task.name}, critic", loss, legend.chance_loss
        )
        self.summary = (f"pix2pix from {chosen.condition}, lambda {chosen.weight:g}",)
        self.grids = (self.grid(),)

    def _parts(self, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """The condition, the real image and the translation."""
        batch = draws.batch()
        given = batch.images(self.chosen.condition)
        return given, batch.values, self.translated(self.modules["generator"], given, draws)

    def _scores(self, given: Tensor, images: Tensor) -> Tensor:
        """Scores (n, patches) of images with their condition."""
        return full_precision(self.modules["critic"](torch.cat([given, images], dim=1)))

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        with torch.no_grad():
            given, real, fake = self._parts(draws)
        loss = OBJECTIVE.critic_loss(self._scores(given, real), self._scores(given, fake))
        return loss / 2, {"critic_loss": loss.detach()}

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        given, real, fake = self._parts(draws)
        adversarial = OBJECTIVE.generator_loss(self._scores(given, fake))
        distance = (real - fake).abs().mean()
        loss = self.chosen.adversarial * adversarial + self.chosen.weight * distance
        return loss, {"generator_loss": adversarial.detach(), "distance_l1": distance.detach()}

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        given, real, fake = self._parts(draws)
        loss = OBJECTIVE.critic_loss(self._scores(given, real), self._scores(given, fake))
        return {"validation_critic_loss": loss, "validation_distance_l1": (real - fake).abs().mean()}
