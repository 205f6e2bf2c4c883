"""Diagnostics of critics for journals and charts: gradients by layer, the direction of transport, and estimates."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ganflow.methods.components import Legend, Score
from ganflow.methods.interfaces import Chart
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


def estimate_charts(
    legend: Legend, lipschitz: str | None, compared: str, constraints: tuple[str, ...], variant: str
) -> tuple[Chart, ...]:
    """Charts of the estimate on held-out samples and, if the Lipschitz constant K scales it, of the estimate divided by
    the largest gradient norm.

    Estimates of one distance share an axis if they do not depend on K (`lipschitz` is None) or if K is near one; with
    an unknown K each variant has its own axis.
    """
    name = legend.estimate.removesuffix(" estimate")
    match lipschitz:
        case "unknown":
            kinds = {"weight_clipping": "clipped critic", "none": "unconstrained critic"}
            kind = ", ".join(kinds.get(constraint, constraint.replace("_", " ")) for constraint in constraints)
            title, note = f"{variant}: K × {name}", f"= K × distance, K unknown ({kind})"
        case "one":
            title, note = f"{name}, slope near 1", "≈ distance, Lipschitz constant near 1"
        case _:
            largest = "" if legend.largest is None else f", at most {legend.largest:.3g}"
            title, note = name, f"(lower bound{largest})"
    axis = f"{title}, of {compared}"
    charts = (Chart("validation_estimate", "estimates", axis, title, f"{legend.formula}\n{note}", 0.0),)
    if lipschitz is None:
        return charts
    over = "Wasserstein estimates over measured gradient norms"
    label = "estimate / largest gradient norm measured\n(rough: the critic's true K may be larger)"
    return (*charts, Chart("validation_estimate_over_gradient_norm", "estimates", over, over, label, 0.0))


def estimate_name(legend: Legend, lipschitz: str | None, compared: str, variant: str) -> str:
    """The name of an estimate in MLflow: the distance and, with an unknown Lipschitz constant, the variant."""
    name = legend.estimate.removesuffix(" estimate").lower()
    name += "" if compared == "images" else f" of {compared}"
    return name + (f" times K of {variant}" if lipschitz == "unknown" else "")
