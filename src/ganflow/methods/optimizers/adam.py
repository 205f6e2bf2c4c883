"""Adam (Kingma and Ba, arXiv 1412.6980), as in torch; weight decay for the critic alone (WGAN-GP, appendix B) and, if
asked, apart from the gradient (AdamW, arXiv 1711.05101)."""

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn, optim

from ganflow.methods.interfaces import Optimizer

Beta = Annotated[float, Field(ge=0, lt=1)]


class Adam(Optimizer):
    """Learning rate and moment decays; epsilon is 1e-8."""

    about: ClassVar = "torch's Adam; weight decay for the critic alone, coupled or decoupled"
    lr: float = Field(2e-4, gt=0, description="learning rate")
    betas: tuple[Beta, Beta] = Field((0.5, 0.999), strict=False, description="decays of the two moments")
    critic_weight_decay: float = Field(0.0, ge=0, description="of the critic's parameters (1e-3 in the paper's sweep)")
    decoupled: bool = Field(False, description="true: the decay multiplies the weights; false: it joins the gradient")

    def build(self, parameters: Iterable[nn.Parameter], player: str) -> optim.Optimizer:
        return optim.Adam(
            parameters,
            lr=self.lr,
            betas=self.betas,
            weight_decay=self.critic_weight_decay if player == "critic" else 0.0,
            decoupled_weight_decay=self.decoupled,
            fused=True,  # its root is the same on every CPU, and it is the fastest
        )
