"""LAPGAN (Denton et al., arXiv 1506.05751, section 2.3): a GAN for each level of a Laplacian pyramid, conditional on
the enlarged image of the level before. All levels are trained on pyramids of real images, each apart from the others.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.family_model import ConditionalMethod, FamilyModel, full_precision
from ganflow.methods.interfaces import Data, Export, Grid, Model, Player, Task, Values, loss_charts, on_device
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.networks.building import Blueprint, initialise, network_of
from ganflow.networks.codes import codes, one_hot
from ganflow.networks.families.laplacian_pyramid import LaplacianPyramid, as_pyramid, enlarged, pyramid_of, sides

OBJECTIVE = NonSaturating()
ROWS = 8  # of the grids


class LAPGAN(ConditionalMethod):
    """Critic of a level: V(D) of l + h and l + G(z, l), l the enlarged image and h its details; generator: -E log D."""

    about: ClassVar = "LAPGAN (arXiv 1506.05751): a conditional GAN for each level of a Laplacian pyramid"
    players: ClassVar = ("critic", "generator")
    family: ClassVar = LaplacianPyramid

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return LAPGANModel(task, seed, device, data.classes if self.conditional else 0)


class LAPGANModel(FamilyModel):
    """A generator whose levels are trained by themselves, and a critic for each; the steps of all levels are one, as
    their losses share no weight."""

    def __init__(self, task: Task, seed: int, device: str, classes: int):
        self.classes = classes
        super().__init__(task, seed, device, {"generator": task.training.latent})
        self.pyramid, self.sides = as_pyramid(self.modules.pop("generator")), sides(task.shape[0])
        choice = task.variant.network
        network = network_of(choice, task.shape, "")
        blueprints = {
            side: Blueprint(choice, "critic", {"resolution": side, "channels": 3 + classes, "outputs": 1})
            for side in self.sides
        }
        critics = {
            f"critic_{side}": initialise(network, plan.module(network), seed, f"critic_{side}")
            for side, plan in blueprints.items()
        }
        critics = on_device(device, critics)
        generators = {f"generator_{side}": part for side, part in zip(self.sides, self._parts(), strict=True)}
        self.modules = critics | generators
        last = f"critic_{self.sides[-1]}"
        self.exports[last] = Export(critics[last], blueprints[self.sides[-1]], "samples", "scores")
        self.players = (
            Player("critic", tuple(critics), self._critic_loss, task.optimizer("critic"), roles=(SAMPLES,)),
            Player("generator", tuple(generators), self._generator_loss, task.optimizer("generator"), roles=(SAMPLES,)),
        )
        self.held_out_loss = f"validation_critic_loss_{self.sides[-1]}"
        legend = OBJECTIVE.legend
        label = f"critic loss (minimised)\n{legend.critic_loss}"
        self.charts = tuple(
            chart
            for side in self.sides
            for chart in loss_charts(f"critic_loss_{side}", f"{task.name}, {side} px", label, legend.chance_loss)
        )
        self.grids = self._grids()
        self.summary = (f"lapgan, {len(self.sides)} levels",)

    def _parts(self) -> list[nn.Module]:
        """The generator of each level."""
        return [self.pyramid.coarse, *self.pyramid.details]

    def _levels(self, draws: Draws) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """The pyramid of the step's images, at each level a generated image by the real one below, and the classes."""
        batch = draws.batch()
        labels = batch.labels if self.classes else draws.integers("classes", (draws.size,), 0)
        vectors = codes(draws.normal("latent", (draws.size, self.latent)), labels, self.classes)
        (first, *noises), classes = self.pyramid.split(vectors)
        real = pyramid_of(batch.values)
        fake = [full_precision(self.pyramid.coarse(torch.cat([first, classes], dim=1)))]
        for below, details, noise in zip(real, self.pyramid.details, noises, strict=False):
            coarse = enlarged(below)
            fake.append(coarse + full_precision(details(coarse, noise, classes)))
        return real, fake, one_hot(labels, self.classes)

    def _scores(self, images: Tensor, classes: Tensor) -> Tensor:
        """Scores (n,) of a level's images, with a plane for each class."""
        planes = classes[:, :, None, None].expand(-1, -1, *images.shape[2:])
        critic = self.modules[f"critic_{images.shape[-1]}"]
        return full_precision(critic(torch.cat([images, planes], dim=1)))[:, 0]

    def _critic_losses(self, draws: Draws) -> list[Tensor]:
        with torch.no_grad():
            real, fake, classes = self._levels(draws)
        return [
            OBJECTIVE.critic_loss(self._scores(one, classes), self._scores(other, classes))
            for one, other in zip(real, fake, strict=True)
        ]

    def _critic_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        losses = self._critic_losses(draws)
        return torch.stack(losses).sum(), self._by_level("critic_loss", losses)

    def _generator_loss(self, draws: Draws) -> tuple[Tensor, Values]:
        _, fake, classes = self._levels(draws)
        losses = [OBJECTIVE.generator_loss(self._scores(images, classes)) for images in fake]
        return torch.stack(losses).sum(), self._by_level("generator_loss", losses)

    def _by_level(self, name: str, losses: list[Tensor]) -> Values:
        return {f"{name}_{side}": loss.detach() for side, loss in zip(self.sides, losses, strict=True)}

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        found = self._by_level("critic_loss", self._critic_losses(draws))
        return {f"validation_{name}": value for name, value in found.items()}

    def _grids(self) -> tuple[Grid, ...]:
        """The levels of samples, and details that are made for the coarse levels of held-out images."""
        side, count = self.sides[-1], len(self.sides)

        def whole(images: Tensor) -> Tensor:
            return interpolate(images.float().clamp(-1, 1), size=(side, side), mode="nearest")

        def levels(module: nn.Module, draws: Draws) -> Tensor:
            labels = torch.arange(ROWS, device=draws.device) % max(self.classes, 1)
            vectors = codes(draws.normal("levels", (ROWS, self.latent)), labels, self.classes)
            made = [whole(images) for images in as_pyramid(module).levels(vectors)]
            return torch.stack(made, dim=1).flatten(0, 1)

        def details(module: nn.Module, draws: Draws) -> Tensor:
            batch = draws.batch()
            real = [images[:ROWS] for images in pyramid_of(batch.values)]
            rows = len(real[0])
            labels = batch.labels[:rows] if self.classes else draws.integers("classes", (rows,), 0)
            vectors = codes(draws.normal("details", (rows, self.latent)), labels, self.classes)
            (_, *noises), classes = as_pyramid(module).split(vectors)
            images, shown = real[0], [whole(real[0])]
            for part, noise in zip(as_pyramid(module).details, noises, strict=True):
                coarse = enlarged(images)
                images = coarse + part(coarse, noise, classes)
                shown.append(whole(images))
            return torch.stack([*shown, whole(real[-1])], dim=1).flatten(0, 1)

        sizes = ", ".join(f"{side}" for side in self.sides)
        return (
            Grid("levels", "Samples by level", f"A sample a row, at {sizes} pixels a side.", count, levels),
            Grid(
                "details",
                "Details of held-out images",
                f"A held-out image a row, reduced to {self.sides[0]} pixels; what the further levels make of it; and "
                "the image itself.",
                count + 1,
                details,
            ),
        )
