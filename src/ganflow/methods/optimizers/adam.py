"""Adam (Kingma and Ba, arXiv 1412.6980), as in torch."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from torch import nn, optim

from ganflow.methods.interfaces import Optimizer

Beta = Annotated[float, Field(ge=0, lt=1)]


class Adam(Optimizer):
    """Learning rate and moment decays; epsilon is 1e-8."""

    lr: float = Field(2e-4, gt=0, description="learning rate")
    betas: tuple[Beta, Beta] = Field((0.5, 0.999), strict=False, description="decays of the two moments")

    def build(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        return optim.Adam(parameters, lr=self.lr, betas=self.betas, foreach=True)
