"""The norm of a critic's gradient in its input, between real and generated images: what a gradient penalty holds at 1,
and by what any other constraint is to be judged."""

import torch
from torch import Tensor

from ganflow.methods.components import Score
from ganflow.methods.interfaces import Values
from ganflow.portable_operations import sqrt

QUANTILES = {"q10": 0.1, "q50": 0.5, "q90": 0.9}


def gradient_norms(score: Score, real: Tensor, fake: Tensor, epsilon: Tensor) -> Tensor:
    """|grad D(x^)|, (n,), at x^ = epsilon x_real + (1 - epsilon) x_fake, epsilon (n,) in [0, 1).

    Always float32 or better, also where the networks run in bfloat16, and differentiable where the gradient is zero.
    """
    with torch.autocast(real.device.type, enabled=False):
        precise = torch.promote_types(real.dtype, torch.float32)
        epsilon = epsilon.view(-1, *[1] * (real.dim() - 1))
        mixed = (epsilon * real.to(precise) + (1 - epsilon) * fake.to(precise)).detach()
        gradient = score.gradient(mixed)
        square = gradient.flatten(1).square().sum(1)
        return sqrt(square.clamp_min(torch.finfo(square.dtype).tiny))  # the clamp's gradient at zero is zero


def summary(norms: Tensor, name: str) -> Values:
    """Mean and quantiles of gradient norms, (n,), under `name` and `name`_q10, _q50, _q90."""
    levels = torch.stack([norms.new_full((), level) for level in QUANTILES.values()])  # made where the norms are
    quantiles = torch.quantile(norms, levels)
    return {name: norms.mean()} | {f"{name}_{key}": q for key, q in zip(QUANTILES, quantiles, strict=True)}
