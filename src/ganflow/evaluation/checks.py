"""Scores that check themselves: of real held-out samples, of known degradations of them, and of sets whose score the
literature knows. What a check found wrong is a flag, one sentence, and goes wherever the scores go."""

from dataclasses import dataclass

from ganflow.evaluation.interfaces import Metric

HELD_OUT = "held_out"


@dataclass(frozen=True)
class Known:
    """A score that the literature gives of a whole set of real images."""

    dataset: str  # format
    images: int
    score: str
    value: float
    within: float
    source: str


KNOWN = (Known("cifar10", 50_000, "inception_score", 11.24, 0.1, "11.24 +- 0.12, Salimans et al., arXiv 1606.03498"),)


def flags(metric: Metric, names: dict[str, str], checks: dict[str, dict[str, float]]) -> list[str]:
    """What a metric's scores, by the names they carry, do not see of the degradations that they should see.

    `checks` is {held_out or a degradation: {score: value}}.
    """
    found = []
    for score, sense in metric.better.items():
        name, real = names[score], checks[HELD_OUT][names[score]]
        for degradation in metric.sensitive_to.get(score, ("blurred", "noisy")):
            if degradation not in checks:
                continue
            value = checks[degradation][name]
            if value <= real if sense == "lower" else value >= real:
                said = degradation.replace("_", " ")
                found.append(f"{name}: {said} held-out samples score {value:.4g}, no worse than real ones, {real:.4g}")
    return found


def known_of(dataset: str, images: int) -> dict[str, Known]:
    """{score: what the literature has of so many training images of a format}."""
    return {known.score: known for known in KNOWN if (known.dataset, known.images) == (dataset, images)}


def compared(known: Known, found: float) -> dict[str, float | str | bool]:
    """A score beside the one of the literature."""
    agrees = abs(found - known.value) <= known.within
    return {"found": found, "expected": known.value, "source": known.source, "agrees": agrees}
