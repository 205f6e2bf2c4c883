"""The interface of network families: a generator from codes to images in [-1, 1] or points, and a critic of these."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ganflow.components import Component
from ganflow.networks.layers import initial_value

Shape = tuple[int, ...]  # of a stored sample: (height, width, 3) of images, (d,) of points


class Network(Component):
    """A generator and a critic for square RGB images of some resolutions, or for points of any dimension."""

    folder: ClassVar = "networks.families"
    about: ClassVar[str]  # a phrase for the table in the docs
    fixed_generator: ClassVar[bool] = False  # whether the generator has no parameters
    specialised: ClassVar[bool] = False  # whether only methods whose `family` it is train it
    resolutions: ClassVar[tuple[int, ...]]  # pixels a side that the family supports; empty: it is for points

    @abstractmethod
    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        """A module from codes, (n, latent + classes) float, to (n, 3, resolution, resolution) in [-1, 1].

        For points `resolution` is their dimension d, and the module returns (n, d), unbounded.
        """

    @abstractmethod
    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        """A module from (n, channels, resolution, resolution) to (n, outputs), unbounded for any objective.

        The first output is the score, the others are logits of the classes. For points the input is (n, channels).
        """

    def initialise_from_data(self, generator: nn.Module, first: Callable[[int], np.ndarray]) -> None:
        """Initialises a generator made of training samples: `first(n)` returns the first n, repeated if fewer."""
        return

    def latent(self, resolution: int) -> int | None:
        """The only dimension of latent vectors that a generator of this resolution takes; None: any."""
        return None

    def critic_normalisation(self) -> str:
        """The kind of the critic's normalisation layers: "batch", "layer", "instance" or "none"."""
        return "none"

    def critic_mixes_samples(self) -> bool:
        """Whether a score depends on the other samples of the batch, as with batch normalisation."""
        return self.critic_normalisation() == "batch"

    def critic_normalises(self) -> bool:
        """Whether the critic has a normalisation layer of any kind."""
        return self.critic_normalisation() != "none"

    def initial(self, module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
        """The initial value of parameter `name` of one layer."""
        return initial_value(module, name, shape, draw)
