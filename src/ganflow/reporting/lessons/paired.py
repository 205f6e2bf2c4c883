"""Lesson: the critic of pix2pix keeps translations from being blurred, which the distance pixel by pixel does not
(Isola et al., arXiv 1611.07004, section 4.2).

It counts as shown if in every seed the translations with a critic are nearer to the data as a set, by sliced
Wasserstein, although those without one are nearer pixel by pixel.
"""

from collections.abc import Sequence

from ganflow.reporting.lessons.interfaces import Lesson, Seeds, is_of, pairs, span, trained
from ganflow.reporting.lessons.pictures import of_grid
from ganflow.reporting.runs import RunRecord

SET, PIXELS = "sliced_wasserstein", "mean_error"  # scores
GRID = "translations"


def lesson(runs: Sequence[RunRecord]) -> Lesson | None:
    """The lesson on the first two variants of pix2pix that differ in the critic's weight, 0 or not; None without."""
    both = [
        (with_critic, without)
        for with_critic, without in pairs(
            runs, lambda run: _weight(run) > 0, lambda run: _weight(run) == 0, ("method",)
        )
        if all({SET, PIXELS} <= run.score["scores"].keys() for run in (*with_critic, *without))
    ]
    if not both:
        return None
    sharp, blurred = both[0]
    nearer = all(_of(sharp, SET)[n] < _of(blurred, SET)[n] for n in range(len(sharp)))
    farther = all(_of(sharp, PIXELS)[n] > _of(blurred, PIXELS)[n] for n in range(len(sharp)))
    told = "; ".join(
        f"{seeds[0].variant} has the mean error {span(_of(seeds, PIXELS), '.1f')} and the sliced Wasserstein distance "
        f"{span(_of(seeds, SET), '.0f')}"
        for seeds in (sharp, blurred)
    )
    return Lesson(
        "paired",
        "The critic makes sharp what the distance pixel by pixel blurs",
        nearer and farther,
        f"On {sharp[0].dataset} {told} ({trained(sharp)}).",
        tuple(of_grid(seeds[0], GRID, "given, translation, and the image itself") for seeds in (sharp, blurred)),
    )


def _weight(run: RunRecord) -> float:
    """Of the critic in pix2pix; -1 for other methods."""
    return float(run.manifest["settings"]["method"]["settings"]["adversarial"]) if is_of("pix2pix")(run) else -1.0


def _of(seeds: Seeds, score: str) -> list[float]:
    return [run.score["scores"][score] for run in seeds]
