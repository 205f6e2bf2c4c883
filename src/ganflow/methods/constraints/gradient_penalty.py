"""The gradient penalty (WGAN-GP, arXiv 1704.00028, equation 3 and Algorithm 1): weight * E (|grad D(x^)| - 1)^2.

Always float32, also where the networks run in bfloat16, and without NaN where the gradient is zero.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from ganflow.methods.interfaces import Constraint, Objective
from ganflow.networks.interfaces import Network


class GradientPenalty(Constraint):
    """On x^ = epsilon x_real + (1 - epsilon) x_fake, epsilon drawn for each sample."""

    weight: float = Field(10.0, gt=0, description="lambda of the paper")
    one_sided: bool = Field(False, description="penalise only norms above 1 (the paper's appendix C)")

    def penalty(
        self, critic: nn.Module, real: Tensor, fake: Tensor, epsilon: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.autocast(real.device.type, enabled=False):
            precise = torch.promote_types(real.dtype, torch.float32)
            epsilon = epsilon.view(-1, *[1] * (real.dim() - 1))
            mixed = (epsilon * real.to(precise) + (1 - epsilon) * fake.to(precise)).requires_grad_()
            [gradient] = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
            square = gradient.flatten(1).square().sum(1)
            norm = square.clamp_min(torch.finfo(square.dtype).tiny).sqrt()  # the clamp's gradient at zero is zero
            excess = (norm - 1).clamp_min(0) if self.one_sided else norm - 1
            loss = self.weight * excess.square().mean()
        return loss, {"penalty": loss.detach(), "gradient_norm": norm.detach().mean()}

    def refusal(self, network: Network, objective: Objective) -> str | None:
        if network.critic_mixes_samples():
            return (
                "the penalty is defined for each sample, and batch normalisation in the critic mixes samples "
                "(WGAN-GP, section 4); set the network's critic_norm to none"
            )
        return None
