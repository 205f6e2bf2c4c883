"""What a network family is: a generator from latent vectors to images in [-1, 1], a critic from images to one score
each."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ganflow.components import Component, component
from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.networks import families
from ganflow.randomness import generator


class Network(Component):
    """A generator and a critic for square RGB images."""

    resolutions: ClassVar[tuple[int, ...]]  # pixels a side that the family is defined for

    @abstractmethod
    def generator(self, resolution: int, latent: int) -> nn.Module:
        """A module from (n, latent) float to (n, 3, resolution, resolution) in [-1, 1]."""

    @abstractmethod
    def critic(self, resolution: int) -> nn.Module:
        """A module from (n, 3, resolution, resolution) to (n,) unbounded scores; no sigmoid, whatever the objective."""

    @abstractmethod
    def critic_mixes_samples(self) -> bool:
        """Whether a score depends on the other images of the batch, as with batch normalisation."""

    @abstractmethod
    def initial(self, module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
        """The initial value of parameter `name` of one layer."""


@torch.no_grad()
def initialise(network: Network, module: nn.Module, seed: int, purpose: str) -> nn.Module:
    """Draws every parameter from a stream of its own name, so that a new layer leaves the others' values as they
    are."""
    for path, layer in module.named_modules():
        for name, parameter in layer.named_parameters(recurse=False):
            draw = generator(seed, f"initial/{purpose}/{path}.{name}")
            value = network.initial(layer, name, parameter.shape, draw)
            parameter.copy_(torch.from_numpy(value.astype(np.float32)))
    return module


def parameter_count(module: nn.Module) -> int:
    """The number of trained values."""
    return sum(parameter.numel() for parameter in module.parameters())


def network_of(choice: Choice, resolution: int, where: str) -> Network:
    """The network family with its settings; raises UserError for an unknown one or a resolution it is not made for."""
    network = component(families, Network, choice, f"{where}.network")
    if resolution not in network.resolutions:
        known = ", ".join(map(str, network.resolutions))
        raise UserError(
            f"params.yaml: {where}.network = {choice.name!r} makes images of {known} pixels, not {resolution}"
        )
    return network
