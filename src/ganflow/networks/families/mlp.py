"""Multilayer perceptrons for images: ReLU, layers of one width, no convolution.

The generator of WGAN's figures (arXiv 1701.07875, section 4.3, and the authors' code): layers 3, width 512, latent 100,
output linear, init torch has 6,880,768 parameters at 64 pixels. That of WGAN-GP's (arXiv 1704.00028, figure 2): layers
4, output tanh, latent 128, init he has 7,157,760.
"""

from typing import ClassVar, Literal, cast

import numpy as np
import torch
from pydantic import Field
from torch import nn

from ganflow.networks.interfaces import Network
from ganflow.networks.layers import he_value, perceptron, uniform


class MLP(Network):
    """Generator and critic have the same number of hidden layers."""

    about: ClassVar = "perceptrons, as in the figures of both WGAN papers"
    resolutions: ClassVar = (8, 16, 32, 64, 128)
    width: int = Field(512, ge=1, le=8192, description="units of a hidden layer")
    layers: int = Field(4, ge=1, le=100, description="hidden layers")
    output: Literal["tanh", "linear"] = Field("tanh", description="linear: pixels are clipped to [-1, 1] when shown")
    init: Literal["he", "torch"] = Field(
        "he", description="he: uniform, He's deviation before a ReLU and Glorot's at the end; torch: that of nn.Linear"
    )

    def generator(self, resolution: int, latent: int, classes: int = 0) -> nn.Module:
        last = [nn.Tanh()] if self.output == "tanh" else []
        shape = nn.Unflatten(1, (3, resolution, resolution))
        return nn.Sequential(*self._perceptron(latent + classes, 3 * resolution**2), *last, shape)

    def critic(self, resolution: int, channels: int = 3, outputs: int = 1) -> nn.Module:
        return nn.Sequential(nn.Flatten(), *self._perceptron(channels * resolution**2, outputs))

    def initial(self, module: nn.Module, name: str, shape: torch.Size, draw: np.random.Generator) -> np.ndarray:
        if self.init == "torch":
            return uniform((3 * cast(nn.Linear, module).in_features) ** -0.5, shape, draw)
        return he_value(module, name, shape, draw)

    def _perceptron(self, inputs: int, outputs: int) -> list[nn.Module]:
        return perceptron(inputs, self.width, self.layers, outputs, nn.ReLU, 2.0)
