"""RMSProp as in TensorFlow 1, which the WGAN-GP authors' code runs: epsilon inside the root, the accumulator from 1.

With the accumulator at 1 a step is bounded by the learning rate times the gradient at first, where torch's, from 0,
begins with steps of ten times the learning rate.
"""

from collections.abc import Iterable
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn, optim

from ganflow.methods.interfaces import Optimizer
from ganflow.portable_operations import sqrt


class RMSPropTF1Steps(optim.Optimizer):
    """s <- decay s + (1 - decay) g^2; w <- w - lr g / sqrt(s + epsilon); s starts at 1."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, decay: float, epsilon: float):
        super().__init__(parameters, {"lr": lr, "decay": decay, "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # torch also takes a closure
        for group in self.param_groups:
            trained = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients = [parameter.grad for parameter in trained]
            for parameter in trained:
                if not self.state[parameter]:
                    self.state[parameter]["square_average"] = torch.ones_like(parameter)
            squares = [self.state[parameter]["square_average"] for parameter in trained]
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["decay"])
            roots = [sqrt(square + group["epsilon"]) for square in squares]
            torch._foreach_addcdiv_(trained, gradients, roots, -group["lr"])


class RMSPropTF1(Optimizer):
    """Learning rate, decay and epsilon; no momentum."""

    about: ClassVar = "TensorFlow 1's: ε inside the root, accumulator from 1, as the WGAN-GP authors' code runs"
    lr: float = Field(5e-5, gt=0, description="learning rate")
    averaging: float = Field(0.9, ge=0, lt=1, description="decay of the mean square (`decay` in TensorFlow)")
    epsilon: float = Field(1e-10, gt=0, description="added to the mean square, inside the root")

    def build(self, parameters: Iterable[nn.Parameter], player: str) -> optim.Optimizer:
        return RMSPropTF1Steps(parameters, self.lr, self.averaging, self.epsilon)
