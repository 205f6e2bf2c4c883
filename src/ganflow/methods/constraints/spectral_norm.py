"""Spectral normalisation (Miyato et al., arXiv 1802.05957, equation 8 and Algorithm 1): every layer's W / sigma(W).

The power iteration runs only in critic steps, and its vectors are buffers of the critic, so that they are part of
checkpoints and evaluating a critic does not change it.
"""

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import ParametrizationList, register_parametrization

from ganflow.methods.components import Constraint, Objective
from ganflow.networks.interfaces import Network
from ganflow.randomness import generator

WARM_UP = 15  # power iterations on the initial weights


class Normalised(nn.Module):
    """W / (u^T W v), W as a matrix (outputs, the rest), u and v its first singular vectors, held constant."""

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, outputs: int, u: Tensor):
        """`outputs` is the dimension of the weight that counts the layer's outputs: 1 in a transposed convolution."""
        super().__init__()
        self.outputs = outputs
        self.register_buffer("u", normalize(u.to(weight.dtype), dim=0))
        self.register_buffer("v", weight.new_zeros(weight.numel() // weight.shape[outputs]))
        self.iterate(weight, WARM_UP)

    def forward(self, weight: Tensor) -> Tensor:
        return weight / torch.dot(self.u, torch.mv(self._matrix(weight), self.v))

    def _matrix(self, weight: Tensor) -> Tensor:
        return (weight.transpose(0, 1) if self.outputs else weight).flatten(1)

    @torch.no_grad()
    def iterate(self, weight: Tensor, times: int) -> None:
        """Power iterations on u and v."""
        matrix = self._matrix(weight)
        for _ in range(times):
            self.v.copy_(normalize(torch.mv(matrix.T, self.u), dim=0))
            self.u.copy_(normalize(torch.mv(matrix, self.v), dim=0))


class SpectralNorm(Constraint):
    """A bound of 1 on each layer's matrix; a convolution's constant can be larger, by its kernel's overlap.

    So a perceptron whose activations have slopes of at most 1 has K <= 1, up to the error of the power iteration, and
    its Wasserstein estimate is a lower bound; how far below, no formula says, so there is no `optimum`.
    """

    effect: ClassVar = "W / σ(W) by power iteration; also for generators"
    source: ClassVar = "arXiv 1802.05957, equation 8"

    estimates: ClassVar = "K × W, perceptrons: K ≤ 1\nconvolutions: K unknown"
    for_generators: ClassVar = True
    iterations: int = Field(1, ge=1, le=100, description="power iterations in each critic step")

    def prepare(self, network: nn.Module, seed: int, name: str = "critic") -> None:
        stream = "initial/spectral_norm" if name == "critic" else f"initial/spectral_norm/{name}"
        for path, layer in list(network.named_modules()):
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                outputs = int(isinstance(layer, nn.ConvTranspose2d))
                draw = generator(seed, f"{stream}/{path}")
                u = torch.from_numpy(draw.standard_normal(layer.weight.shape[outputs]).astype(np.float32))
                register_parametrization(layer, "weight", Normalised(layer.weight, outputs, u))

    def before_step(self, network: nn.Module) -> None:
        for weight in network.modules():
            if isinstance(weight, ParametrizationList) and isinstance(weight[0], Normalised):
                weight[0].iterate(weight.original, self.iterations)

    def refusal(self, critic: Network, objective: Objective) -> str | None:
        if critic.critic_normalises():
            return (
                "a normalisation layer scales by the statistics of its input, which undoes the bound on each layer; "
                "set the network's critic_norm to none"
            )
        return None
