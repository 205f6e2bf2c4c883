"""Lesson: the GAN loses part of the data where WGAN-GP, with the same networks, optimiser and schedule, does not
(WGAN-GP, arXiv 1704.00028, figure 2; WGAN, arXiv 1701.07875, section 4.3).

It counts as shown if on every dataset, in every seed, the GAN misses more modes of a mixture, or makes ten times the
near-duplicates that WGAN-GP and real images have at most.
"""

from collections.abc import Sequence

from ganflow.reporting.lessons.interfaces import Lesson, Picture, Seeds, is_gan, is_penalised, pairs, span, trained
from ganflow.reporting.lessons.missed_modes import SCORE, fewer_missed
from ganflow.reporting.lessons.pictures import of_samples
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.tables import HELD_OUT

DUPLICATES = "near_duplicates"
FACTOR = 10  # near-duplicates of a collapsed generator over those of another


def lesson(runs: Sequence[RunRecord]) -> Lesson | None:
    """The lesson on the datasets that have both variants and a score of lost modes; None without one."""
    chosen = list(pairs(runs, is_gan, is_penalised, ("objective", "constraint")))
    found = [(gan, other, name) for gan, other in chosen for name in _score(gan[0], other[0])]
    if not found:
        return None
    compared = [_compared(gan, other, name) for gan, other, name in found]
    return Lesson(
        "collapse",
        "The GAN collapses; the same networks with WGAN-GP do not",
        all(shown for shown, _ in compared),
        f"They differ in the loss alone: {'; '.join(words for _, words in compared)} ({trained(found[0][0])}).",
        tuple(_picture(seeds[0], name) for gan, other, name in found for seeds in (gan, other)),
    )


def _score(gan: RunRecord, other: RunRecord) -> list[str]:
    """The score of lost modes that both have: missed modes, else near-duplicates."""
    shared = [name for name in gan.score["order"] if name in other.score["better"]]
    return [name for start in (SCORE, DUPLICATES) for name in shared if name.startswith(start)][:1]


def _values(seeds: Seeds, name: str) -> list[float]:
    return [run.score["scores"][name] for run in seeds]


def _compared(gan: Seeds, other: Seeds, name: str) -> tuple[bool, str]:
    return _duplicates(gan, other, name) if name.startswith(DUPLICATES) else fewer_missed(gan, other)


def _duplicates(gan: Seeds, other: Seeds, name: str) -> tuple[bool, str]:
    alike, apart = _values(gan, name), _values(other, name)
    real = gan[0].score["checks"][HELD_OUT]["scores"].get(name, 0.0)
    words = (
        f"on {gan[0].dataset} {span(alike, '.1%')} of {gan[0].variant}'s samples nearly repeat another one, "
        f"{span(apart, '.1%')} of {other[0].variant}'s, and {real:.1%} of held-out images"
    )
    return min(alike) >= FACTOR * max(*apart, real), words


def _picture(run: RunRecord, name: str) -> Picture:
    score = run.score["scores"][name]
    return of_samples(run, f"{score:.1%} near-duplicates" if name.startswith(DUPLICATES) else f"{score:.0f} missed")
