"""Checks of metrics: on real held-out samples, on degradations of them, and on real sets with a published score.

A failed check is a flag, a sentence that is stored and shown with the scores.
"""

from dataclasses import dataclass

from ganflow.evaluation.interfaces import Metric

HELD_OUT = "held_out"
FEATURES = "features by"  # with what a flag of features begins


@dataclass(frozen=True)
class LiteratureScore:
    """A published score of a complete set of real images."""

    dataset: str  # format
    images: int
    score: str
    value: float
    tolerance: float
    source: str


LITERATURE = (
    LiteratureScore(
        "cifar10", 50_000, "inception_score", 11.24, 0.1, "11.24 +- 0.12, Salimans et al., arXiv 1606.03498"
    ),
)


def flags(metric: Metric, names: dict[str, str], checks: dict[str, dict[str, float]]) -> list[str]:
    """Sentences for the degradations that should worsen a metric's scores but don't.

    `names`: {metric's name of a score: full name}; `checks`: {held_out or degradation: {full name: value}}.
    """
    found = []
    for score, direction in metric.better.items():
        name, real = names[score], checks[HELD_OUT][names[score]]
        for degradation in metric.sensitive_to.get(score, ("blurred", "noisy")):
            if degradation not in checks:
                continue
            value = checks[degradation][name]
            if value <= real if direction == "lower" else value >= real:
                words = degradation.replace("_", " ")
                found.append(f"{name}: {words} held-out samples score {value:.4g}, no worse than real ones, {real:.4g}")
    return found


def literature_scores(dataset: str, images: int) -> dict[str, LiteratureScore]:
    """{score: published value} for this number of training images of a format."""
    return {known.score: known for known in LITERATURE if (known.dataset, known.images) == (dataset, images)}


def compare_with_literature(known: LiteratureScore, found: float) -> dict[str, float | str | bool]:
    """Our score with the published one, and whether they agree."""
    agrees = abs(found - known.value) <= known.tolerance
    return {"found": found, "expected": known.value, "source": known.source, "agrees": agrees}
