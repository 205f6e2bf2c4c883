"""RMSProp as in torch: decay 0.99, epsilon 1e-8 outside the root, accumulator from 0 (what the WGAN authors' code
runs)."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn, optim

from ganflow.methods.interfaces import Optimizer
from ganflow.portable_operations import sqrt


class RMSPropSteps(optim.Optimizer):
    """s <- decay s + (1 - decay) g^2; w <- w - lr g / root, with the root sqrt(s) + epsilon or, if `inside`,
    sqrt(s + epsilon); s starts at `initial`."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, decay: float, epsilon: float, inside: bool, initial: float
    ):
        settings = {"lr": lr, "decay": decay, "epsilon": epsilon, "inside": inside, "initial": initial}
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # torch also takes a closure
        for group in self.param_groups:
            trained = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients = [parameter.grad for parameter in trained]
            for parameter in trained:
                if not self.state[parameter]:
                    self.state[parameter]["square_average"] = torch.full_like(parameter, group["initial"])
            squares = [self.state[parameter]["square_average"] for parameter in trained]
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["decay"])
            inside, outside = (group["epsilon"], 0.0) if group["inside"] else (0.0, group["epsilon"])
            roots = [sqrt(square + inside).add_(outside) for square in squares]
            torch._foreach_addcdiv_(trained, gradients, roots, -group["lr"])


class RMSProp(Optimizer):
    """Learning rate; the rest as torch has it."""

    about: ClassVar = "torch's: ε outside the root, accumulator from 0, as the WGAN authors' code runs"
    lr: float = Field(5e-5, gt=0, description="learning rate")

    def build(self, parameters: Iterable[nn.Parameter], player: str) -> optim.Optimizer:
        return RMSPropSteps(parameters, self.lr, decay=0.99, epsilon=1e-8, inside=False, initial=0.0)
