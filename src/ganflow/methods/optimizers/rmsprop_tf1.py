"""RMSProp as in TensorFlow 1, which the WGAN-GP authors' code runs: epsilon inside the root, the accumulator from 1.

With the accumulator at 1 a step is bounded by the learning rate times the gradient at first, where torch's, from 0,
begins with steps of ten times the learning rate.
"""

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from torch import nn, optim

from ganflow.methods.interfaces import Optimizer
from ganflow.methods.optimizers.rmsprop import RMSPropSteps


class RMSPropTF1(Optimizer):
    """Learning rate, decay and epsilon; no momentum."""

    about: ClassVar = "TensorFlow 1's: ε inside the root, accumulator from 1, as the WGAN-GP authors' code runs"
    lr: float = Field(5e-5, gt=0, description="learning rate")
    averaging: float = Field(0.9, ge=0, lt=1, description="decay of the mean square (`decay` in TensorFlow)")
    epsilon: float = Field(1e-10, gt=0, description="added to the mean square, inside the root")

    def build(self, parameters: Iterable[nn.Parameter], player: str) -> optim.Optimizer:
        return RMSPropSteps(parameters, self.lr, self.averaging, self.epsilon, inside=True, initial=1.0)
