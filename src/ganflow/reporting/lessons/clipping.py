"""Lesson: a clipped critic is simpler and its generator slower than with a gradient penalty (WGAN-GP, arXiv 1704.00028,
section 3 and figure 1).

Each has its paper's optimiser. It counts as shown if in every seed, after equally many iterations, the clipped
variant's generator is farther from held-out points by exact transport, and its critic closer to an affine function.
"""

from collections.abc import Sequence

import numpy as np

from ganflow.reporting.lessons.interfaces import Lesson, Seeds, is_clipped, is_penalised, pairs, span, trained
from ganflow.reporting.lessons.pictures import of_samples
from ganflow.reporting.points import critic_surface
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.tables import HELD_OUT

BUT = ("constraint", "optimizer", "optimizers")
EM = "exact_em"


def lesson(runs: Sequence[RunRecord]) -> Lesson | None:
    """The lesson on the first points in the plane that have both variants and exact transport; None without any."""
    points = [run for run in runs if run.points and EM in run.score["scores"]]
    for clipped, other in pairs(points, is_clipped, is_penalised, BUT):
        surfaces = [[critic_surface(run) for run in seeds] for seeds in (clipped, other)]
        if all(surface is not None for row in surfaces for surface in row):
            return _lesson(clipped, other, *([affine(s) for s in row if s is not None] for row in surfaces))
    return None


def _lesson(clipped: Seeds, other: Seeds, flat: list[float], bent: list[float]) -> Lesson:
    far, near = ([run.score["scores"][EM] for run in seeds] for seeds in (clipped, other))
    floor = clipped[0].score["checks"][HELD_OUT]["scores"].get(EM, 0.0)
    at = clipped[0].samples[-1][0]
    sentence = (
        f"After {at:,} iterations on {clipped[0].dataset} {clipped[0].variant}'s points are {span(far, '.3f')} from "
        f"held-out ones by exact transport, {other[0].variant}'s {span(near, '.3f')} (independent data {floor:.3f}). "
        f"The best affine function explains {span(flat, '.0%')} of the clipped critic's variance over the plane, "
        f"{span(bent, '.0%')} of the other's ({trained(clipped)}, with its paper's optimiser)."
    )
    pictures = tuple(of_samples(seeds[0], f"EM {value:.3f}") for seeds, value in ((clipped, far[0]), (other, near[0])))
    shown = min(far) > max(near) and min(flat) > max(bent)
    return Lesson("clipping", "Clipping is slower, and its critic simpler", shown, sentence, pictures)


def affine(values: np.ndarray) -> float:
    """The share of the variance of values on a lattice, (k, k), that the best affine function explains: 0 to 1."""
    sides = np.linspace(-1, 1, len(values))
    centred, whole = values - values.mean(), float(np.square(values - values.mean()).sum())
    if whole == 0:
        return 1.0
    across = [np.repeat(sides[:, None], len(sides), 1), np.repeat(sides[None], len(sides), 0)]
    return sum(float((centred * side).sum() ** 2 / np.square(side).sum()) for side in across) / whole
