"""Multilayer perceptrons for points, as in the WGAN-GP authors' toy code: 3 hidden layers of 512, no normalisation.

With the defaults and latent 2 the generator has 527,874 parameters in the plane, the critic 527,361. The paper's figure
1b has layers 12 in both.
"""

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from ganflow.networks.interfaces import Network
from ganflow.networks.layers import he_value, perceptron

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
}


class ToyMLP(Network):
    """Generator and critic have the same number of hidden layers; initial weights are uniform, He's before a ReLU."""

    about: ClassVar = "perceptrons for points, as in WGAN-GP's toy code"
    resolutions: ClassVar = ()
    width: int = Field(512, ge=1, le=8192, description="units of a hidden layer")
    layers: int = Field(3, ge=1, le=100, description="hidden layers")
    activation: Literal["relu", "leaky_relu", "tanh"] = Field("relu", description="after each hidden layer")

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        return self._perceptron(latent + classes, resolution)

    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        return self._perceptron(channels, outputs)

    def initial(self, module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
        return he_value(module, name, shape, draw)

    def _perceptron(self, inputs: int, outputs: int) -> nn.Module:
        gain = 1.0 if self.activation == "tanh" else 2.0
        return nn.Sequential(*perceptron(inputs, self.width, self.layers, outputs, ACTIVATIONS[self.activation], gain))
