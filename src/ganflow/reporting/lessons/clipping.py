"""Lesson: clipping is slower than a gradient penalty and drives the critic's weights to its limits (WGAN-GP, arXiv
1704.00028, section 3 and figure 1).

Each has its paper's optimiser. It counts as shown if in every seed, after equally many iterations, fewer of the clipped
variant's points are of high quality, and at least ten times the share of its critic's weights are as large as the
largest one.
"""

from collections.abc import Sequence

import numpy as np

from ganflow.reporting.lessons.interfaces import (
    CARD,
    Lesson,
    Picture,
    Seeds,
    is_clipped,
    is_penalised,
    pairs,
    span,
    trained,
)
from ganflow.reporting.lessons.pictures import of_samples
from ganflow.reporting.points import critic_weights, weights_figure
from ganflow.reporting.runs import RunRecord

BUT = ("constraint", "optimizer", "optimizers")
QUALITY = "high_quality_samples"
NEAR = 0.99  # of the largest absolute weight
FACTOR = 10


def lesson(runs: Sequence[RunRecord]) -> Lesson | None:
    """The lesson on the first points that have both variants and modes; None without any."""
    points = [run for run in runs if run.points and QUALITY in run.score["scores"]]
    return next((_lesson(clipped, other) for clipped, other in pairs(points, is_clipped, is_penalised, BUT)), None)


def _lesson(clipped: Seeds, other: Seeds) -> Lesson:
    few, many = ([run.score["scores"][QUALITY] for run in seeds] for seeds in (clipped, other))
    bound, free = ([at_limit(critic_weights(run)) for run in seeds] for seeds in (clipped, other))
    sentence = (
        f"After {clipped[0].samples[-1][0]:,} iterations on {clipped[0].dataset} {span(few, '.0%')} of "
        f"{clipped[0].variant}'s points are within three deviations of a mode, {span(many, '.0%')} of "
        f"{other[0].variant}'s; {span(bound, '.0%')} of its critic's weights are at the limit, "
        f"{span(free, '.0%')} of the other's as large as its largest ({trained(clipped)}, with its paper's optimiser)."
    )
    pictures = tuple(
        of_samples(seeds[0], f"{quality[0]:.0%} near a mode") for seeds, quality in ((clipped, few), (other, many))
    )
    weights = weights_figure([clipped[0], other[0]], CARD[0])
    pictures += (
        Picture("weights", f"The weights of the critics of {clipped[0].variant} and {other[0].variant}", weights),
    )
    shown = max(few) < min(many) and min(bound) >= FACTOR * max(free)
    title = "Clipping is slower, and drives the critic's weights to the limit"
    return Lesson("clipping", title, shown, sentence, pictures)


def at_limit(weights: np.ndarray) -> float:
    """The share of weights that are at least NEAR times as large as the largest one."""
    sizes = np.abs(weights)
    return float((sizes >= NEAR * sizes.max()).mean())
