"""Which player is in the inner loop (Goodfellow's tutorial, arXiv 1701.00160, section 5.1.1).

The game is zero-sum: the generator minimises what the discriminator maximises. With the discriminator in the inner loop
it is the minimax of GANs; with the generator, it is the maximin, whose generator puts all its mass where the current
discriminator is highest, one mode after another.
"""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field

from ganflow.data.distributions.eight_gaussians import EightGaussians
from ganflow.methods.constraints.none import Unconstrained
from ganflow.methods.objectives.minimax import Minimax
from ganflow.methods.optimizers.adam import Adam
from ganflow.networks.building import initialise
from ganflow.networks.families.toy_mlp import ToyMLP
from ganflow.randomness import generator
from ganflow.studies.critics import Critic, points
from ganflow.studies.interfaces import Findings, Panel, Study, line

OBJECTIVE = Minimax()  # zero-sum, as the order of play only then makes minimax and maximin
BATCH, LATENT = 256, 16
MODES = 8
ORDERS = {"minimax": (10, 1), "maximin": (1, 10)}  # discriminator and generator updates a round
COVERED = 0.02  # share of the points from which a mode counts as covered


@dataclass(frozen=True)
class Game:
    """A game that was played: the shares of the modes, (8,), after each of some `rounds`.

    The generator moves from mode to mode, so that one round says little: `share` and `modes` are means over the second
    half of them.
    """

    rounds: list[int]
    shares: list[np.ndarray]

    @property
    def fullest(self) -> list[float]:
        """The share of the fullest mode after each of the rounds."""
        return [float(shares.max()) for shares in self.shares]

    @property
    def share(self) -> float:
        """The share of the fullest mode."""
        return float(np.mean(self.fullest[len(self.rounds) // 2 :]))

    @property
    def modes(self) -> float:
        """The number of modes with at least COVERED of the points."""
        later = self.shares[len(self.rounds) // 2 :]
        return float(np.mean([(shares >= COVERED).sum() for shares in later]))


class MinimaxMaximin(Study):
    """Eight Gaussians, the zero-sum game in both orders, with the same networks and total number of updates, played
    several times from different initial weights."""

    rounds: int = Field(200, ge=2, le=100_000, description="rounds of each game, with eleven updates each")
    games: int = Field(3, ge=1, le=100, description="games of each order; their seeds are `seed`, `seed` + 1, ...")

    def run(self) -> Findings:
        played = {
            order: [self._play(*updates, self.seed + game) for game in range(self.games)]
            for order, updates in ORDERS.items()
        }
        shares, lasts = [], []
        numbers: dict[str, float] = {}
        for colour, (order, games) in enumerate(played.items()):
            of_critic, of_generator = ORDERS[order]
            label = f"{order}: {of_critic} × D, {of_generator} × G a round"
            for number, game in enumerate(games):
                shares.append(line(label if number == 0 else "", game.rounds, game.fullest, colour))
                lasts.append(
                    line(order if number == 0 else "", np.arange(1, 9), np.sort(game.shares[-1])[::-1], colour, "marks")
                )
            for name, values in (("largest_share", [g.share for g in games]), ("modes", [g.modes for g in games])):
                numbers |= {f"{order}_{name}": float(np.mean(values))}
                numbers |= {f"{order}_{name}_least": float(min(values)), f"{order}_{name}_most": float(max(values))}
        even = 1 / MODES
        shares.append(line("even: 1 / 8", [0, self.rounds], [even, even], 6, "dotted"))
        lasts.append(line("even: 1 / 8", [1, MODES], [even, even], 6, "dotted"))
        panels = (
            Panel("Share of the fullest mode", "round", "share of points", tuple(shares)),
            Panel("Shares after the last round", "mode, by its share", "share of points", tuple(lasts)),
        )
        numbers["games_as_expected"] = float(sum(map(as_expected, played["minimax"], played["maximin"])))
        return Findings(caption(played), panels, numbers)

    def _play(self, of_critic: int, of_generator: int, seed: int) -> Game:
        """One game."""
        network = ToyMLP(width=64, layers=2)
        model = initialise(network, network.generator(2, LATENT), seed, "generator")
        critic = Critic(OBJECTIVE, Unconstrained(), 2, network, 1e-3, seed)
        optimizer = Adam(lr=1e-3, betas=(0.5, 0.9)).build(model.parameters(), "generator")
        noise = points(lambda draw: draw.standard_normal((1000, LATENT)), generator(seed, "shown"))
        when, shares = [], []
        for number in range(self.rounds):
            draw = generator(seed, "round", number)
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
                    shares.append(mode_shares(model(noise).numpy()))
                when.append(number + 1)
        return Game(when, shares)


def as_expected(minimax: Game, maximin: Game) -> bool:
    """Whether the maximin's generator has a larger share on one mode, and covers fewer modes."""
    return maximin.share > minimax.share and maximin.modes < minimax.modes


def caption(played: dict[str, list[Game]]) -> str:
    """What the games show, from their numbers alone."""
    said = [
        f"{order.capitalize()}: {', '.join(f'{game.share:.2f}' for game in games)} of the points on the fullest mode, "
        f"{', '.join(f'{game.modes:.1f}' for game in games)} of {MODES} modes covered."
        for order, games in played.items()
    ]
    count, expected = len(played["minimax"]), sum(map(as_expected, played["minimax"], played["maximin"]))
    how = "as expected, in every game" if expected == count else f"not as expected, only in {expected} of {count} games"
    return (
        "Eight Gaussians and the zero-sum game, in which the generator minimises what the discriminator maximises, "
        f"{count} game{'s' * (count > 1)} of each order. The discriminator is in the inner loop of the minimax, the "
        f"generator in that of the maximin. {' '.join(said)} (Means over the second half of the rounds; a mode is "
        f"covered with {COVERED:.0%} of the points nearest to it.) By the theory the maximin's generator covers one "
        f"mode at a time; {how} it keeps to fewer modes than the minimax's and has a larger share on one."
    )


def mode_shares(made: np.ndarray) -> np.ndarray:
    """The share of points, (n, 2), in the sector of each mode of the ring: (8,)."""
    eighths = np.round(np.arctan2(made[:, 1], made[:, 0]) / (np.pi / 4)).astype(int) % 8
    return np.bincount(eighths, minlength=8) / len(made)
