"""What a network family is: a generator from codes to images in [-1, 1] or to points, a critic from these to scores.

A code is what a generator is given: a latent vector, then the class one-hot where there are classes.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ganflow.components import Component, component
from ganflow.config import Choice
from ganflow.errors import UserError
from ganflow.randomness import generator

Shape = tuple[int, ...]  # of a sample as shards hold it: (height, width, 3) of images, (d,) of points


class Network(Component):
    """A generator and a critic for square RGB images of some resolutions, or for points of any dimension."""

    folder: ClassVar = "networks.families"
    resolutions: ClassVar[tuple[int, ...]]  # pixels a side that the family is defined for; none: it is for points

    @abstractmethod
    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        """A module from codes, (n, latent + classes) float, to (n, 3, resolution, resolution) in [-1, 1].

        A family for points is given their dimension d, and its module gives (n, d), unbounded.
        """

    @abstractmethod
    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        """A module from (n, channels, resolution, resolution) to (n, outputs), unbounded whatever the objective.

        The first output is the score, the others are logits of the classes. A family for points takes (n, channels).
        """

    def see(self, generator: nn.Module, first: Callable[[int], np.ndarray]) -> None:
        """Shows training samples to a generator that is made of them, others don't look: `first(n)` gives (n, *shape),
        as stored, from the first on, repeated if there are fewer."""
        return

    @abstractmethod
    def critic_mixes_samples(self) -> bool:
        """Whether a score depends on the other images of the batch, as with batch normalisation."""

    def critic_normalises(self) -> bool:
        """Whether the critic has a normalisation layer of any kind."""
        return self.critic_mixes_samples()

    @abstractmethod
    def initial(self, module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
        """The initial value of parameter `name` of one layer."""


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels (n,) int64 in 0..classes-1 as (n, classes) float; no column where there are no classes."""
    return (labels[:, None] == torch.arange(classes, device=labels.device)).float()


def codes(latent: Tensor, labels: Tensor, classes: int) -> Tensor:
    """A generator's input: latent vectors (n, latent) and labels (n,) as (n, latent + classes)."""
    return torch.cat([latent, one_hot(labels, classes).to(latent.dtype)], dim=1)


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


def network_of(choice: Choice, shape: Shape, where: str) -> Network:
    """The network family with its settings; raises UserError for an unknown one or samples it is not made for."""
    network = component(Network, choice, where)
    if (shape[0] if len(shape) == 3 else None) in (network.resolutions or (None,)):
        return network
    known = f"images of {', '.join(map(str, network.resolutions))} pixels" if network.resolutions else "points"
    asked = f"{shape[0]}" if len(shape) == 3 and network.resolutions else "images" if len(shape) == 3 else "points"
    raise UserError(f"params.yaml: {where} = {choice.name!r} makes {known}, not {asked}")
