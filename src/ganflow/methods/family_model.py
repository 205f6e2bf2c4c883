"""Models whose modules are the networks of one family: encoders and critics are its critic, decoders its generator."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from pydantic import Field
from torch import Tensor, nn

from ganflow.errors import UserError
from ganflow.methods.draws import Draws
from ganflow.methods.interfaces import Export, Grid, Method, Model, Task, on_device
from ganflow.networks.building import Blueprint, initialise, network_of

COLUMNS, PAIRS = 8, 2  # of the grid: images in a row, rows of originals


class FamilyMethod(Method):
    """A method that trains a `FamilyModel`."""

    def check(self, task: Task) -> None:
        """Raises UserError if it does not train the task's network, or one whose generator has no parameters, or for
        settings of no use."""
        chosen, where = task.variant, f"variants.{task.name}.network"
        if self.network(task, chosen.network, where).fixed_generator:
            raise UserError(
                f"params.yaml: {where} = {chosen.network.name!r}: its generator has no parameters, so it can't be "
                "trained; choose another network"
            )
        task.refuse("dequantise", "generator_batch")


class ConditionalMethod(FamilyMethod):
    """One that may give its networks the classes."""

    conditional: bool = Field(False, description="whether the networks are given the class of a sample")

    def check(self, task: Task) -> None:
        """Also raises UserError if it is conditional and the data has no classes."""
        super().check(task)
        if self.conditional and not task.labelled:
            raise UserError(
                f"params.yaml: {task.key}.conditional: {task.dataset} has no classes; remove it, or choose another "
                "dataset"
            )


class FamilyModel(Model):
    """Modules by name; the decoder called `generator` makes the samples."""

    def __init__(
        self,
        task: Task,
        seed: int,
        device: str,
        decoders: Mapping[str, int],
        encoders: Mapping[str, int] = MappingProxyType({}),
        critics: Mapping[str, int] = MappingProxyType({}),
    ):
        """{name: size of the code} of `decoders`, from codes (and classes, if the model has some) to samples, and of
        `encoders`, from samples to codes; {name: number of outputs} of `critics`."""
        choice, side, channels = task.variant.network, task.shape[0], task.shape[-1]
        network = network_of(choice, task.shape, f"variants.{task.name}.network")
        blueprints = {
            name: Blueprint(choice, "critic", {"resolution": side, "channels": channels, "outputs": outputs})
            for name, outputs in (dict(encoders) | dict(critics)).items()
        }
        blueprints |= {
            name: Blueprint(choice, "generator", {"resolution": side, "latent": code, "classes": self.classes})
            for name, code in decoders.items()
        }
        self.latent = task.training.latent
        self.modules = on_device(
            device, {name: initialise(network, plan.module(network), seed, name) for name, plan in blueprints.items()}
        )
        self.exports = {
            name: Export(self.modules[name], plan, "latent", "samples", averaged=name == "generator")
            if name in decoders
            else Export(self.modules[name], plan, "samples", "latent" if name in encoders else "scores")
            for name, plan in blueprints.items()
        }

    def generated(self, draws: Draws) -> Tensor:
        """As many samples of a generator without classes as the step has."""
        return full_precision(self.modules["generator"](draws.normal("latent", (draws.size, self.latent))))


def full_precision(values: Tensor) -> Tensor:
    """A network's outputs in float32 or better, at any precision of the network."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def reconstructions(reconstruct: Callable[[nn.Module, Tensor], Tensor], task: Task) -> tuple[Grid, ...]:
    """A grid of held-out images, each row above its reconstructions by the scored module; none for points."""
    if len(task.shape) == 1:
        return ()

    def make(module: nn.Module, draws: Draws) -> Tensor:
        images = draws.batch().values[: COLUMNS * PAIRS]
        images = images[: len(images) // COLUMNS * COLUMNS or len(images)]  # complete rows
        pairs = zip(images.split(COLUMNS), reconstruct(module, images).float().split(COLUMNS), strict=True)
        return torch.cat([row for pair in pairs for row in pair])

    caption = "Held-out images (odd rows) and their reconstructions (even rows) after the last iteration."
    return (Grid("reconstructions", "Reconstructions", caption, COLUMNS, make),)
