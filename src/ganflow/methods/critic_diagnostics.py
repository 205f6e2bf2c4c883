"""Diagnostics of critics for journals and figures: gradients by layer, and the direction of transport."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ganflow.methods.components import Score
from ganflow.optimal_transport import transport_plan


def layer_gradient_norms(critic: nn.Module, loss: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """The norm of a loss's gradient at the output of each linear layer of a critic, (layers,) float32."""
    outputs: list[Tensor] = []
    layers = [layer for layer in critic.modules() if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_hook(lambda _, __, output: outputs.append(output)) for layer in layers]
    with torch.enable_grad():
        gradients = torch.autograd.grad(loss(points.detach().requires_grad_()), outputs)
    for hook in hooks:
        hook.remove()
    return torch.stack([gradient.double().norm() for gradient in gradients]).float()


def transport_cosine(score: Score, real: Tensor, fake: Tensor) -> Tensor:
    """Cosine between the critic's gradient at a generated point and the direction to the real point that the optimal
    transport plan assigns, averaged over the plan's mass; 1 for an optimal critic (WGAN-GP, arXiv 1704.00028,
    proposition 1). real (m, d), fake (n, d)."""
    with torch.enable_grad():
        at = fake.detach().float().requires_grad_()
        [gradient] = torch.autograd.grad(score(at).sum(), at)
    matched, _ = transport_plan(real.cpu().numpy(), fake.cpu().numpy())
    mass = torch.from_numpy(matched).to(gradient)  # (m, n)
    direction = normalize(real[:, None] - fake[None], dim=-1)  # (m, n, d)
    return (mass * (direction * normalize(gradient, dim=-1)).sum(-1)).sum()
