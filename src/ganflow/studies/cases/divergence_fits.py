"""One Gaussian fitted to a mixture of two under several divergences (f-GAN, arXiv 1606.00709, section 2.5, table 3).

The forward KL covers both modes, the reverse KL covers one. By integration on a grid, and by f-GAN training.
"""

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import minimize
from torch import nn

from ganflow.methods.constraints.none import Unconstrained
from ganflow.methods.objectives.f_gan import FGAN
from ganflow.methods.optimizers.adam import Adam
from ganflow.networks.families.toy_mlp import ToyMLP
from ganflow.randomness import generator
from ganflow.studies.critics import Critic, points
from ganflow.studies.interfaces import Findings, Line, Panel, Study, line

CENTRES, DEVIATION, SHARES = (-1.5, 1.5), 0.5, (0.6, 0.4)
X = np.linspace(-8, 8, 3201)
Divergence = Literal["kl", "reverse_kl"]
DIVERGENCES: dict[Divergence, str] = {"kl": "forward KL(p‖q)", "reverse_kl": "reverse KL(q‖p)"}
BATCH = 512
START, MIDDLE = (-1.0, 0.7), (0.0, 1.0)  # mean and deviation of the trained generator at first


class DivergenceFits(Study):
    """The generator is mu + sigma z; the critic has two hidden layers of 64 tanh units, as in the paper. Unlike there,
    the critic has two updates for each of the generator's."""

    steps: int = Field(1500, ge=10, le=100_000, description="updates of the generator, after two of the critic each")

    def run(self) -> Findings:
        shown = [line("mixture p", X, mixture(X), 6, "area")]
        trained = [line("mixture p", X, mixture(X), 6, "area")]
        numbers: dict[str, float] = {}
        for colour, (divergence, name) in enumerate(DIVERGENCES.items()):
            for how, (mean, deviation), lines, style in (
                ("exact", best_fit(divergence), shown, "line"),
                ("f_gan", self._trained(divergence, START), trained, "dotted"),
            ):
                numbers[f"{divergence}_{how}_mean"], numbers[f"{divergence}_{how}_deviation"] = mean, deviation
                label = f"{name}: {mean:.2f} ± {deviation:.2f}"
                lines.append(line(label, X, normal(X, mean, deviation), colour, style))
        mean, deviation = self._trained("reverse_kl", MIDDLE)
        numbers |= {"reverse_kl_from_the_middle_mean": mean, "reverse_kl_from_the_middle_deviation": deviation}
        caption = (
            "One Gaussian fitted to a mixture of two (f-GAN, table 3). The forward KL must have mass wherever p has "
            "some, so it covers both modes and the gap between them; the reverse KL must not have mass where p has "
            "none, so it covers the larger mode only. Left: minimised by integration, from the best of several starts; "
            "right: by f-GAN training with the saturating generator of its algorithm 1 and two updates of the critic "
            f"for each of the generator's, from μ = {START[0]:g}, σ = {START[1]:g}: a local search, chosen to start "
            f"near the larger mode. From μ = {MIDDLE[0]:g}, σ = {MIDDLE[1]:g} the reverse KL's ends at "
            f"{mean:.2f} ± {deviation:.2f}."
        )
        keep = (X > -5) & (X < 5)
        panels = tuple(
            Panel(title, "x", "density", tuple(_cut(one, keep) for one in lines))
            for title, lines in (("By integration", shown), ("By f-GAN training", trained))
        )
        return Findings(caption, panels, numbers)

    def _trained(self, divergence: Divergence, start: tuple[float, float]) -> tuple[float, float]:
        """Mean and deviation after training from a start, averaged over the last fifth of the steps."""
        objective = FGAN(divergence=divergence)
        network = ToyMLP(width=64, layers=2, activation="tanh")
        critic = Critic(objective, Unconstrained(), 1, network, 2e-3, self.seed)
        shape = nn.Parameter(torch.tensor([start[0], math.log(start[1])]))  # mean, log of the deviation
        optimizer = Adam(lr=5e-3, betas=(0.5, 0.9)).build([shape], "generator")
        seen = []
        for step in range(self.steps):
            draw = generator(self.seed, f"f-GAN {divergence}", step)
            noise = points(lambda d: d.standard_normal((BATCH, 1)), draw)
            for _ in range(2):
                real = points(sampled, draw)
                critic.step(real, (shape[0] + shape[1].exp() * noise).detach(), noise[:, 0])
            optimizer.zero_grad()
            objective.generator_loss(critic(shape[0] + shape[1].exp() * noise)).backward()
            optimizer.step()
            seen.append((shape[0].item(), shape[1].exp().item()))
        mean, deviation = np.mean(seen[-max(1, self.steps // 5) :], axis=0)
        return float(mean), float(deviation)


def mixture(x: np.ndarray) -> np.ndarray:
    """The density p."""
    modes = (share * normal(x, centre, DEVIATION) for share, centre in zip(SHARES, CENTRES, strict=True))
    return sum(modes, start=np.zeros_like(x))


def normal(x: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    """The density of N(mean, deviation^2)."""
    return np.exp(-((x - mean) ** 2) / (2 * deviation**2)) / (deviation * (2 * np.pi) ** 0.5)


def sampled(draw: np.random.Generator) -> np.ndarray:
    """Points of the mixture, (BATCH, 1)."""
    centres = np.array(CENTRES)[draw.choice(2, BATCH, p=SHARES)]
    return (centres + DEVIATION * draw.standard_normal(BATCH))[:, None]


def divergence_of(name: Divergence, mean: float, deviation: float) -> float:
    """KL(p || q) or KL(q || p) of the mixture p and q = N(mean, deviation^2), integrated on the grid X."""
    p, q = (np.maximum(density, 1e-300) for density in (mixture(X), normal(X, mean, deviation)))
    integrand = p * np.log(p / q) if name == "kl" else q * np.log(q / p)
    return float(np.trapezoid(integrand, X))


def best_fit(name: Divergence) -> tuple[float, float]:
    """Mean and deviation of the Gaussian with the smallest divergence from the mixture."""
    starts = [(mean, np.log(deviation)) for mean in (*CENTRES, 0.0) for deviation in (0.5, 1.5)]
    fits = [
        minimize(lambda at: divergence_of(name, at[0], float(np.exp(at[1]))), start, method="Nelder-Mead")
        for start in starts
    ]
    mean, log_deviation = min(fits, key=lambda fit: fit.fun).x
    return float(mean), float(np.exp(log_deviation))


def _cut(curve: Line, keep: np.ndarray) -> Line:
    chosen = np.flatnonzero(keep)[::10]
    return line(curve.label, np.array(curve.x)[chosen], np.array(curve.y)[chosen], curve.colour, curve.style)
