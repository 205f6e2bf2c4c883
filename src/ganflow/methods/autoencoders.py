"""Methods with encoders and decoders: a network family's critic with several outputs, and its generator."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganflow.errors import UserError
from ganflow.methods.draws import Draws
from ganflow.methods.interfaces import Export, Grid, Method, Model, Task, on_device
from ganflow.networks.building import Blueprint, initialise, network_of
from ganflow.networks.interfaces import Network

COLUMNS, PAIRS = 8, 2  # of the grid: images in a row, rows of originals


class AutoencoderMethod(Method):
    """A method whose modules are encoders and decoders."""

    def check(self, task: Task) -> None:
        """Raises UserError if the task's network can't be trained as an autoencoder."""
        if _network(task).fixed_generator:
            raise UserError(
                f"params.yaml: variants.{task.name}.network = {task.variant.network.name!r}: its generator has no "
                "parameters, so it can't be a decoder; choose another network"
            )
        task.refuse("dequantise", "generator_batch")


class AutoencoderModel(Model):
    """Encoders and decoders by name; the decoder called `generator` makes the samples."""

    def __init__(self, task: Task, seed: int, device: str, encoders: dict[str, int], decoders: dict[str, int]):
        """{name: size of the code} of `encoders`, from samples to codes, and of `decoders`, from codes to samples."""
        network, choice, side, channels = _network(task), task.variant.network, task.shape[0], task.shape[-1]
        blueprints = {
            name: Blueprint(choice, "critic", {"resolution": side, "channels": channels, "outputs": outputs})
            for name, outputs in encoders.items()
        }
        blueprints |= {
            name: Blueprint(choice, "generator", {"resolution": side, "latent": code, "classes": 0})
            for name, code in decoders.items()
        }
        self.latent = task.training.latent
        self.modules = on_device(
            device, {name: initialise(network, plan.module(network), seed, name) for name, plan in blueprints.items()}
        )
        self.exports = {
            name: Export(self.modules[name], plan, "samples", "latent")
            if name in encoders
            else Export(self.modules[name], plan, "latent", "samples", averaged=name == "generator")
            for name, plan in blueprints.items()
        }


def _network(task: Task) -> Network:
    return network_of(task.variant.network, task.shape, f"variants.{task.name}.network")


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
