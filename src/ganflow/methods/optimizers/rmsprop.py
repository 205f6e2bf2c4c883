"""RMSProp as in torch: decay 0.99, epsilon 1e-8 outside the root, accumulator from 0 (what the WGAN authors' code
runs)."""

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from torch import nn, optim

from ganflow.methods.interfaces import Optimizer


class RMSProp(Optimizer):
    """Learning rate; the rest as torch has it."""

    about: ClassVar = "torch's: ε outside the root, accumulator from 0, as the WGAN authors' code runs"
    lr: float = Field(5e-5, gt=0, description="learning rate")

    def build(self, parameters: Iterable[nn.Parameter], player: str) -> optim.Optimizer:
        return optim.RMSprop(parameters, lr=self.lr, foreach=True)
