"""Two parallel lines (WGAN, arXiv 1701.07875, example 1): which distances depend on how far they are apart.

Z uniform in [0, 1); P_0 is (0, Z), P_theta is (theta, Z). EM is |theta|; JS, KL and TV jump at 0 and are constant
elsewhere.
"""

import math

import numpy as np
from pydantic import Field

from ganflow.methods.constraints.gradient_penalty import GradientPenalty
from ganflow.methods.constraints.none import Unconstrained
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.methods.objectives.wasserstein import Wasserstein
from ganflow.networks.families.toy_mlp import ToyMLP
from ganflow.optimal_transport import transport_plan
from ganflow.randomness import generator
from ganflow.studies.critics import Critic, Sampler, finish, points
from ganflow.studies.interfaces import Findings, Panel, Study, line

BATCH = 256
PENALTY = 10.0  # lambda of the critic's gradient penalty
LARGEST = 1.0  # theta


class ParallelLines(Study):
    """EM, JS (with the half), KL and TV over theta: analytic, by exact transport (POT), and by trained critics."""

    places: int = Field(13, ge=3, le=101, description="values of theta in [-1, 1]")
    steps: int = Field(200, ge=1, le=100_000, description="of a critic at each theta")
    points: int = Field(512, ge=8, le=5000, description="of each line, for exact transport and for estimates")

    def run(self) -> Findings:
        network = ToyMLP(width=64, layers=2)
        thetas = np.linspace(-LARGEST, LARGEST, self.places).round(6)
        penalty = GradientPenalty(weight=PENALTY)
        critic = Critic(Wasserstein(), penalty, 2, network, 2e-3, self.seed)
        transport, uncorrected, estimated, discriminated = [], [], [], []
        for theta in thetas.tolist():
            draw = generator(self.seed, "parallel lines", round(1e6 * theta))
            real, fake = (points(on_line(place, self.points), draw) for place in (0.0, theta))
            transport.append(transport_plan(real.numpy(), fake.numpy())[1])
            finish(critic.fit(on_line(0.0), on_line(theta), self.steps))
            uncorrected.append(critic.estimate(real, fake))
            estimated.append(penalty.optimum().distance_of(uncorrected[-1]))
            discriminator = Critic(NonSaturating(), Unconstrained(), 2, network, 5e-3, self.seed)
            finish(discriminator.fit(on_line(0.0), on_line(theta), self.steps))
            discriminated.append(discriminator.estimate(real, fake))
        em = [exact("EM", theta) for theta in thetas]
        fine = np.linspace(-LARGEST, LARGEST, 201)
        jumping = {
            name: np.where(fine == 0, np.nan, [exact(name, theta) for theta in fine.tolist()]) for name in ("TV", "JS")
        }
        near = Panel(
            "Earth mover's distance",
            "θ",
            "EM between the lines at 0 and θ",
            (
                line("analytic: |θ|", fine, np.abs(fine), 6),
                line(f"exact transport, {self.points} points", thetas, transport, 0, "marks"),
                line("critic, gradient penalty, corrected", thetas, estimated, 1, "dotted"),
            ),
        )
        far = Panel(
            "Divergences: constant where the lines are disjoint",
            "θ",
            "divergence (KL = ∞ unless θ = 0, not drawn)",
            (
                line("TV: 1 unless θ = 0", fine, jumping["TV"], 2),
                line("JS with the half: log 2 unless θ = 0", fine, jumping["JS"], 0),
                line("JS by trained discriminators (lower bound)", thetas, discriminated, 0, "marks"),
                line("TV, JS and KL at θ = 0: 0", [0.0], [0.0], 6, "filled"),
            ),
        )
        numbers = {
            "largest_error_of_transport": float(np.abs(np.array(transport) - em).max()),
            "largest_error_of_critic": float(np.abs(np.array(estimated) - em).max()),
            "mean_error_of_critic": float(np.abs(np.array(estimated) - em).mean()),
            "mean_error_uncorrected": float(np.abs(np.array(uncorrected) - em).mean()),
            "smallest_js_estimate_off_zero": float(np.array(discriminated)[thetas != 0].min()),
        }
        caption = (
            "Two parallel lines a distance θ apart (WGAN, example 1). Only the earth mover's distance decreases "
            "as the lines approach each other; a critic with a gradient penalty estimates it within "
            f"{numbers['mean_error_of_critic']:.3f} on average, corrected for the slope of its optimum, 1 + θ / "
            f"{2 * PENALTY:g}, and {numbers['mean_error_uncorrected']:.3f} uncorrected. JS is with the half: log 2 "
            "when disjoint; each mark is a discriminator of its own, at least "
            f"{numbers['smallest_js_estimate_off_zero']:.3f} off θ = 0. Exact transport is between finite samples, so "
            "it is above 0 at θ = 0."
        )
        return Findings(caption, (near, far), numbers)


def exact(distance: str, theta: float) -> float:
    """EM, JS (with the half), TV or KL (either way round) between the lines at 0 and theta."""
    if distance == "EM":
        return abs(theta)
    return {"JS": math.log(2), "TV": 1.0, "KL": math.inf}[distance] if theta else 0.0


def on_line(theta: float, count: int = BATCH) -> Sampler:
    """Draws (theta, u), u uniform in [0, 1): (count, 2)."""
    return lambda draw: np.stack([np.full(count, theta), draw.random(count)], axis=1)
