"""Builds networks from families: with initial weights, or for a file of weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from ganflow.components import component
from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.networks.interfaces import Network, Shape
from ganflow.randomness import generator


class Blueprint(NamedTuple):
    """How to build a module: a family with its settings, one of its networks, and the arguments."""

    network: Choice
    part: Literal["generator", "critic", "translator"]
    arguments: dict[str, int]

    def module(self, family: Network) -> nn.Module:
        """The module, by the family that `network` selects, with torch's initial weights."""
        return getattr(family, self.part)(**self.arguments)


@torch.no_grad()
def initialise(network: Network, module: nn.Module, seed: int, purpose: str) -> nn.Module:
    """Initialises each parameter from a separate random stream, so that a new layer does not change the others."""
    for path, layer in module.named_modules():
        for name, parameter in layer.named_parameters(recurse=False):
            draw = generator(seed, f"initial/{purpose}/{path}.{name}")
            value = network.initial(layer, name, parameter.shape, draw)
            parameter.copy_(torch.from_numpy(value.astype(np.float32)))
    return module


def parameter_count(module: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def network_of(choice: Choice, shape: Shape, where: str) -> Network:
    """The network family with its settings; raises UserError for an unknown one and for unsupported samples."""
    network = component(Network, choice, where)
    if (shape[0] if len(shape) == 3 else None) in (network.resolutions or (None,)):
        return network
    known = f"images of {', '.join(map(str, network.resolutions))} pixels" if network.resolutions else "points"
    wanted = f"{shape[0]}" if len(shape) == 3 and network.resolutions else "images" if len(shape) == 3 else "points"
    raise UserError(f"params.yaml: {where} = {choice.name!r} makes {known}, not {wanted}")


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Puts networks in evaluation mode: batch normalisation uses its running statistics."""
    for module in modules:
        module.eval()
    yield


@contextmanager
def batch_statistics(*modules: nn.Module) -> Iterator[None]:
    """Makes batch normalisation of networks in evaluation mode use the statistics of each batch, as in training; the
    running ones stay as they are."""
    layers = [
        norm for module in modules for norm in module.modules() if isinstance(norm, nn.modules.batchnorm._BatchNorm)
    ]
    kept = [(layer, layer.running_mean, layer.running_var) for layer in layers]
    for layer in layers:
        layer.running_mean = layer.running_var = None
    try:
        yield
    finally:
        for layer, mean, variance in kept:
            layer.running_mean, layer.running_var = mean, variance
