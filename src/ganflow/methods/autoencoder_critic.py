"""Methods whose critic is an autoencoder: BEGAN and EBGAN."""

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from ganflow.methods.family_model import FamilyMethod, FamilyModel, full_precision, reconstructions
from ganflow.methods.interfaces import Task


class AutoencoderCriticMethod(FamilyMethod):
    """A method that trains an `AutoencoderCriticModel`."""

    players: ClassVar = ("critic", "generator")
    code: int | None = Field(
        None, ge=1, description="size of the autoencoder's code; absent: that of the latent vector"
    )


class AutoencoderCriticModel(FamilyModel):
    """A generator, and an encoder and a decoder as its critic."""

    def __init__(self, chosen: AutoencoderCriticMethod, task: Task, seed: int, device: str):
        code = chosen.code or task.training.latent
        super().__init__(task, seed, device, {"generator": task.training.latent, "decoder": code}, {"encoder": code})
        self.grids = reconstructions(lambda module, images: self.autoencoded(images), task)

    def autoencoded(self, samples: Tensor) -> Tensor:
        """The critic's reconstructions of samples."""
        return full_precision(self.modules["decoder"](self.modules["encoder"](samples)))
