"""Missed modes of a GAN and of another method, compared in every seed."""

from ganflow.reporting.lessons.interfaces import Seeds, span

SCORE = "missed_modes"


def missed(seeds: Seeds) -> list[float]:
    """The missed modes of each seed."""
    return [run.score["scores"][SCORE] for run in seeds]


def fewer_missed(gan: Seeds, other: Seeds) -> tuple[bool, str]:
    """Whether the other method misses fewer modes in every seed, and how many both do, in words."""
    lost, kept = missed(gan), missed(other)
    words = f"{gan[0].variant} misses {span(lost, '.0f')} modes, {other[0].variant} {span(kept, '.0f')}"
    return min(lost) > max(kept), f"on {gan[0].dataset} {words}"
