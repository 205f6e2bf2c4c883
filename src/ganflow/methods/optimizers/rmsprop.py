"""RMSProp as in torch: decay 0.99, epsilon 1e-8 outside the root, accumulator from 0 (what the WGAN authors' code
runs)."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn, optim

from ganflow.methods.interfaces import Optimizer

FAR = 2.0**24  # a step at which Adam's corrections of bias are 1, and which float32 does not count on from


class RMSPropSteps(optim.Adam):
    """s <- decay s + (1 - decay) g^2; w <- w - lr g / (sqrt(s) + epsilon); s starts at 0.

    It is Adam without a first moment and without correction of bias: of Adam, torch has a fused kernel, whose root is
    the same on every CPU.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, decay: float, epsilon: float):
        super().__init__(parameters, lr=lr, betas=(0.0, decay), eps=epsilon, fused=True)

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # torch also takes a closure
        for parameter in (p for group in self.param_groups for p in group["params"]):
            if parameter.grad is not None and not self.state[parameter]:
                moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                self.state[parameter] = {"step": torch.full((), FAR, device=parameter.device)} | moments
        super().step()


class RMSProp(Optimizer):
    """Learning rate; the rest as torch has it."""

    about: ClassVar = "torch's: ε outside the root, accumulator from 0, as the WGAN authors' code runs"
    lr: float = Field(5e-5, gt=0, description="learning rate")

    def build(self, parameters: Iterable[nn.Parameter], player: str) -> optim.Optimizer:
        return RMSPropSteps(parameters, self.lr, decay=0.99, epsilon=1e-8)
