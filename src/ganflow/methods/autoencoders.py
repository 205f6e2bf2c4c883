"""Encoders and decoders out of network families: a family's critic with as many outputs as the code has numbers, and
its generator."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganflow.errors import UserError
from ganflow.methods.interfaces import Draws, Grid, Task
from ganflow.networks.building import Blueprint, initialise, network_of

COLUMNS, PAIRS = 8, 2  # of the grid: images in a row, rows of originals


def check_autoencoder(task: Task) -> None:
    """Raises UserError if the task's network can't be trained as an autoencoder."""
    network = network_of(task.variant.network, task.shape, f"variants.{task.name}.network")
    if network.fixed_generator:
        raise UserError(
            f"params.yaml: variants.{task.name}.network = {task.variant.network.name!r}: its generator has no "
            "parameters, so it is no decoder; choose another network"
        )
    task.refuse("dequantise", "generator_batch")


def encoder(task: Task, outputs: int) -> Blueprint:
    """From samples to (n, outputs)."""
    arguments = {"resolution": task.shape[0], "channels": task.shape[-1], "outputs": outputs}
    return Blueprint(task.variant.network, "critic", arguments)


def decoder(task: Task, code: int) -> Blueprint:
    """From codes, (n, code), to samples."""
    return Blueprint(task.variant.network, "generator", {"resolution": task.shape[0], "latent": code, "classes": 0})


def initialised(task: Task, seed: int, blueprints: dict[str, Blueprint]) -> dict[str, nn.Module]:
    """Modules with initial weights by their names."""
    network = network_of(task.variant.network, task.shape, f"variants.{task.name}.network")
    return {name: initialise(network, plan.module(network), seed, name) for name, plan in blueprints.items()}


def full_precision(values: Tensor) -> Tensor:
    """Outputs of a network in float32 or better, whatever precision it runs at."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def reconstructions(reconstruct: Callable[[nn.Module, Tensor], Tensor], task: Task) -> tuple[Grid, ...]:
    """Held-out images, and below each row what `reconstruct` makes of them by the scored module; none of points."""
    if len(task.shape) == 1:
        return ()

    def make(module: nn.Module, draws: Draws) -> Tensor:
        images = draws.batch().values[: COLUMNS * PAIRS]
        images = images[: len(images) // COLUMNS * COLUMNS or len(images)]  # whole rows
        pairs = zip(images.split(COLUMNS), reconstruct(module, images).float().split(COLUMNS), strict=True)
        return torch.cat([row for pair in pairs for row in pair])

    caption = "Held-out images (odd rows) and their reconstructions (even rows) after the last iteration."
    return (Grid("reconstructions", "Reconstructions", caption, COLUMNS, make),)
