"""Weight clipping (WGAN, arXiv 1701.07875, Algorithm 1): all critic parameters in [-limit, limit]."""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from ganflow.methods.components import Constraint


class WeightClipping(Constraint):
    """`after` the critic's step, as the paper writes it, or `before` it, as the authors' code does it."""

    effect: ClassVar = "parameters in [−c, c], `after` the step (paper) or `before` it (authors' code)"
    source: ClassVar = "WGAN, arXiv 1701.07875, Algorithm 1"
    estimates: ClassVar = "K × W, K unknown (clipped critic)"
    bounds_scores: ClassVar = True

    limit: float = Field(0.01, gt=0, description="largest absolute value of a parameter")
    when: Literal["before", "after"] = Field("after", description="around the critic's step")

    def before_step(self, network: nn.Module) -> None:
        if self.when == "before":
            self._clip(network)

    def after_step(self, network: nn.Module) -> None:
        if self.when == "after":
            self._clip(network)

    @torch.no_grad()
    def _clip(self, network: nn.Module) -> None:
        for parameter in network.parameters():
            parameter.clamp_(-self.limit, self.limit)
