"""Two Gaussians that hardly overlap (WGAN, arXiv 1701.07875, figure 2): the optimal discriminator is flat at the
generated points, the critic is not; with the effect on the generator's gradient during training (Arjovsky and Bottou,
arXiv 1701.04862, figures 2 and 3)."""

import numpy as np
import torch
from pydantic import Field

from ganflow.methods.components import Objective
from ganflow.methods.constraints.gradient_penalty import GradientPenalty
from ganflow.methods.constraints.none import Unconstrained
from ganflow.methods.objectives.minimax import Minimax
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.methods.objectives.wasserstein import Wasserstein
from ganflow.networks.families.toy_mlp import ToyMLP
from ganflow.randomness import generator
from ganflow.studies.critics import Critic, Sampler, points
from ganflow.studies.interfaces import Findings, Panel, Study, line

BATCH = 512
PENALTY = 10.0  # lambda of the critic's gradient penalty
REAL, FAKE, DEVIATION = -2.0, 2.0, 0.4
SMALLEST = 1e-12  # gradient that is drawn


class DisjointGaussians(Study):
    """N(-2, 0.4^2) is real, N(theta, 0.4^2) generated, theta = 2: the shift theta is the generator's only parameter."""

    steps: int = Field(1500, ge=10, le=100_000, description="of the discriminator and of the critic")

    def run(self) -> Findings:
        network = ToyMLP(width=64, layers=2)
        discriminator = Critic(NonSaturating(), Unconstrained(), 1, network, 1e-3, self.seed)
        critic = Critic(Wasserstein(), GradientPenalty(weight=PENALTY), 1, network, 1e-3, self.seed)
        held_out = points(gaussian(FAKE), generator(self.seed, "held out"))
        moments = {int(step) for step in np.geomspace(1, self.steps, 40).round()}
        found: dict[str, list[float]] = {name: [] for name in ("minimax", "non-saturating", "Wasserstein")}
        seen: list[int] = []
        fits = (one.fit(gaussian(REAL), gaussian(FAKE), self.steps) for one in (discriminator, critic))
        for step, _ in zip(*fits, strict=True):
            if step in moments:
                seen.append(step)
                found["minimax"].append(shift_gradient(discriminator, Minimax(), held_out))
                found["non-saturating"].append(shift_gradient(discriminator, NonSaturating(), held_out))
                found["Wasserstein"].append(shift_gradient(critic, Wasserstein(), held_out))
        x = np.linspace(-4, 4, 321)
        places = torch.from_numpy(x[:, None].astype(np.float32))
        with torch.no_grad():
            chance, scores = torch.sigmoid(discriminator(places)).numpy(), critic(places).numpy()
        height = lambda mean: np.exp(-((x - mean) ** 2) / (2 * DEVIATION**2))  # noqa: E731
        optimum = 1 / (1 + np.exp(np.clip((x - FAKE) ** 2 * -1 + (x - REAL) ** 2, -1400, 1400) / (2 * DEVIATION**2)))
        shown = Panel(
            "Discriminator and critic",
            "x",
            "density (scaled), D(x), f(x)",
            (
                line("real", x, height(REAL), 6, "area"),
                line("generated", x, height(FAKE), 1, "area"),
                line("optimal D = p / (p + q)", x, optimum, 0),
                line("trained D", x, chance, 0, "dotted"),
                line("trained critic f, f(0) = 0", x, scores - scores[160], 2),
            ),
        )
        norms = Panel(
            "The generator's gradient",
            "updates of discriminator or critic",
            "|d loss / d θ|",
            tuple(line(name, seen, values, colour) for colour, (name, values) in enumerate(found.items())),
            log_x=True,
            log_y=True,
        )
        numbers = {f"last_gradient_{name.replace('-', '_').lower()}": values[-1] for name, values in found.items()}
        numbers["critic_slope_between"] = float(-np.gradient(scores, x)[(x > -1.5) & (x < 1.5)].mean())
        caption = (
            "Two Gaussians that hardly overlap (WGAN, figure 2). The optimal discriminator is flat on both, the "
            f"critic has a slope of {numbers['critic_slope_between']:.2f} between them. Right: the gradient of the "
            "generator's loss with respect to its shift θ while the discriminator or critic is trained and θ is fixed: "
            f"it ends at {numbers['last_gradient_minimax']:.1g} with the minimax loss, at "
            f"{numbers['last_gradient_non_saturating']:.1f} with the non-saturating one, and at "
            f"{numbers['last_gradient_wasserstein']:.2f} with the Wasserstein loss. The discriminator rejects the "
            "points ever more, so the first should vanish and the second follow the discriminator's slope, which "
            "grows; the third is the critic's slope, at the optimum under a penalty of weight λ 1 + W / (2 λ) = "
            f"{1 + (FAKE - REAL) / (2 * PENALTY):.2f}. Values below {SMALLEST:g} are drawn at {SMALLEST:g}."
        )
        return Findings(caption, (shown, norms), numbers)


def shift_gradient(opponent: Critic, objective: Objective, fake: torch.Tensor) -> float:
    """|d loss / d theta| of the generator's loss for generated points theta + noise, (n, 1)."""
    shift = torch.zeros((), requires_grad=True)
    loss = objective.generator_loss(opponent(fake + shift))
    return max(abs(float(torch.autograd.grad(loss, shift)[0])), SMALLEST)


def gaussian(mean: float) -> Sampler:
    """Draws of N(mean, DEVIATION^2), (BATCH, 1)."""
    return lambda draw: mean + DEVIATION * draw.standard_normal((BATCH, 1))
