"""Each layer's weights on the unit sphere, W / |W|: the other compact set that the WGAN paper tried (arXiv 1701.07875,
section 3: "projecting the weights to a sphere"). Biases are not constrained."""

from typing import ClassVar

import torch
from torch import nn

from ganflow.methods.components import Constraint


class UnitSphere(Constraint):
    """Projects every layer's `weight`, the gain of a normalisation too, at the start and after each critic step."""

    effect: ClassVar = "each layer's weights on the unit sphere"
    source: ClassVar = "WGAN, arXiv 1701.07875, section 3"
    estimates: ClassVar = "K × W, K unknown (unit sphere)"
    bounds_scores: ClassVar = True

    def prepare(self, network: nn.Module, seed: int, name: str = "critic") -> None:
        self.after_step(network)

    @torch.no_grad()
    def after_step(self, network: nn.Module) -> None:
        for name, parameter in network.named_parameters():
            if name.endswith("weight"):
                parameter.div_(parameter.norm().clamp_min(torch.finfo(parameter.dtype).tiny))
