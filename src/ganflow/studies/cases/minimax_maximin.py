"""Which player is in the inner loop (Goodfellow's tutorial, arXiv 1701.00160, section 5.1.1).

With the discriminator in the inner loop, the game is the minimax of GANs; with the generator, it is the maximin, whose
generator puts all its mass where the current discriminator is highest, one mode after another.
"""

import numpy as np
import torch
from pydantic import Field

from ganflow.data.distributions.eight_gaussians import EightGaussians
from ganflow.methods.constraints.none import Unconstrained
from ganflow.methods.objectives.non_saturating import NonSaturating
from ganflow.methods.optimizers.adam import Adam
from ganflow.networks.building import initialise
from ganflow.networks.families.toy_mlp import ToyMLP
from ganflow.randomness import generator
from ganflow.studies.critics import Critic, points
from ganflow.studies.interfaces import Findings, Panel, Study, line

BATCH, LATENT = 256, 16
ROUNDS = {"minimax": (10, 1), "maximin": (1, 10)}  # discriminator and generator updates a round


class MinimaxMaximin(Study):
    """Eight Gaussians, with the same networks and total number of updates."""

    rounds: int = Field(400, ge=2, le=100_000, description="rounds of each game, with eleven updates each")

    def run(self) -> Findings:
        shares, lasts, numbers = [], [], {}
        at = np.arange(1, 9)
        for colour, (name, (of_critic, of_generator)) in enumerate(ROUNDS.items()):
            when, largest, last = self._play(of_critic, of_generator)
            label = f"{name}: {of_critic} discriminator, {of_generator} generator update(s) a round"
            shares.append(line(label, when, largest, colour))
            lasts.append(line(name, at, last, colour, "marks"))
            tail = largest[len(largest) // 2 :]
            numbers[f"{name}_largest_share"] = float(np.mean(tail))
            numbers[f"{name}_modes"] = float((last > 0.02).sum())
        shares.append(line("even: 1 / 8", [0, self.rounds], [1 / 8, 1 / 8], 6, "dotted"))
        lasts.append(line("even: 1 / 8", at, np.full(8, 1 / 8), 6, "dotted"))
        caption = (
            "Eight Gaussians: the share of generated points nearest to the mode that has most of them. With the "
            f"discriminator in the inner loop it is {numbers['minimax_largest_share']:.2f} on average over the second "
            f"half, with the generator there {numbers['maximin_largest_share']:.2f}: it covers one mode at a time. "
            "Minimax alone does not make the shares even."
        )
        return Findings(
            caption,
            (
                Panel("Share of the fullest mode", "round", "share of points", tuple(shares)),
                Panel("Shares after the last round", "mode", "share of points", tuple(lasts)),
            ),
            numbers,
        )

    def _play(self, of_critic: int, of_generator: int) -> tuple[list[int], list[float], np.ndarray]:
        """Rounds, the largest share of a mode after each, and all shares after the last."""
        network = ToyMLP(width=64, layers=2)
        model = initialise(network, network.generator(2, LATENT), self.seed, "generator")
        critic = Critic(NonSaturating(), Unconstrained(), 2, network, 1e-3, self.seed)
        optimizer = Adam(lr=1e-3, betas=(0.5, 0.9)).build(model.parameters(), "generator")
        noise = points(lambda draw: draw.standard_normal((1000, LATENT)), generator(self.seed, "shown"))
        when, largest = [], []
        for number in range(self.rounds):
            draw = generator(self.seed, "round", number)
            for _ in range(of_critic):
                with torch.no_grad():
                    fake = model(points(lambda d: d.standard_normal((BATCH, LATENT)), draw))
                critic.step(points(lambda d: EightGaussians().sample(BATCH, d)[0], draw), fake, fake[:, 0])
            for _ in range(of_generator):
                optimizer.zero_grad()
                fake = model(points(lambda d: d.standard_normal((BATCH, LATENT)), draw))
                critic.objective.generator_loss(critic(fake)).backward()
                optimizer.step()
            if number % 5 == 4 or number == self.rounds - 1:
                with torch.no_grad():
                    shares = mode_shares(model(noise).numpy())
                when.append(number + 1)
                largest.append(float(shares.max()))
        return when, largest, shares


def mode_shares(made: np.ndarray) -> np.ndarray:
    """The share of points, (n, 2), in the sector of each mode of the ring: (8,)."""
    eighths = np.round(np.arctan2(made[:, 1], made[:, 0]) / (np.pi / 4)).astype(int) % 8
    return np.bincount(eighths, minlength=8) / len(made)
