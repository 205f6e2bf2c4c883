"""Autoregressive densities by maximum likelihood: PixelCNN (van den Oord et al., arXiv 1606.05328) and PixelRNN (arXiv
1601.06759, equation 1), in bits per dimension (there section 5.1)."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from ganflow.methods.draws import SAMPLES, Draws
from ganflow.methods.family_model import ConditionalMethod, FamilyModel
from ganflow.methods.interfaces import Data, Model, Player, Task, Values, loss_charts
from ganflow.networks.autoregressive import Autoregressive, AutoregressiveNetwork
from ganflow.networks.codes import one_hot


class AutoregressiveDensity(ConditionalMethod):
    """Minimises -log2 p(x) / (3 h w), p(x) = prod p(value | values before it, and the class if it is conditional)."""

    about: ClassVar = "maximum likelihood of the networks `pixelcnn` and `pixelrnn`, in bits per dimension"
    players: ClassVar = ("density",)
    family: ClassVar = AutoregressiveNetwork

    def build(self, task: Task, data: Data, seed: int, device: str) -> Model:
        return AutoregressiveModel(task, seed, device, data.classes if self.conditional else 0)


class AutoregressiveModel(FamilyModel):
    """A density of images, called the generator as it also makes samples."""

    held_out_loss = "validation_bits_per_dimension"

    def __init__(self, task: Task, seed: int, device: str, classes: int):
        self.classes = classes
        super().__init__(task, seed, device, {"generator": task.training.latent})
        size = math.prod(task.shape)
        self.bit = size * math.log(2)  # a bit per dimension, in nats of an image
        self.players = (Player("density", ("generator",), self._loss, task.optimizer("density"), roles=(SAMPLES,)),)
        label = f"bits per dimension (minimised)\n−log₂ p(x) / {size:,}"
        self.charts = loss_charts("bits_per_dimension", task.name, label)
        self.summary = (task.variant.network.name,)

    def bits_per_dimension(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """-log2 p(x) / (3 h w), (n,), of images (n, 3, h, w) in [-1, 1]; labels (n,) int64 if there are classes."""
        module = self.modules["generator"]
        assert isinstance(module, Autoregressive), "checked with the task"
        given = x.new_zeros(len(x), 0) if labels is None else one_hot(labels, self.classes)
        return -module.log_likelihood(x, given) / self.bit

    def _loss(self, draws: Draws) -> tuple[Tensor, Values]:
        batch = draws.batch()
        loss = self.bits_per_dimension(batch.values, batch.labels if self.classes else None).mean()
        return loss, {"bits_per_dimension": loss.detach()}

    @torch.no_grad()
    def validation(self, draws: Draws) -> Values:
        return {f"validation_{name}": value for name, value in self._loss(draws)[1].items()}
