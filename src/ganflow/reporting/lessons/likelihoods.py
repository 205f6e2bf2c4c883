"""Lesson: an autoregressive network has a likelihood, which is measured in bits on images that it has not seen
(PixelRNN, arXiv 1601.06759, section 5.1).

It counts as shown if in every run the bits of held-out images fell over training, and are within `GAP` of those of
training images.
"""

from collections.abc import Sequence

from ganflow.reporting.lessons.interfaces import Lesson, is_of
from ganflow.reporting.lessons.pictures import of_samples
from ganflow.reporting.runs import RunRecord

HELD_OUT, TRAINING = "validation_bits_per_dimension", "training_bits_per_dimension"
GAP = 0.02  # of the bits


def lesson(runs: Sequence[RunRecord]) -> Lesson | None:
    """The lesson on all autoregressive runs; None without one."""
    found = [run for run in runs if is_of("autoregressive")(run)]
    if not found:
        return None
    bits = {run.name: (run.journal[HELD_OUT], run.journal[TRAINING]) for run in found}
    shown = all(held[-1] < held[0] and abs(held[-1] - seen[-1]) <= GAP * held[-1] for held, seen in bits.values())
    words = [
        f"{run.name} has {held[-1]:.2f} bits per dimension on held-out images and {seen[-1]:.2f} on as many training "
        f"images, at first {held[0]:.2f}"
        for run, (held, seen) in zip(found, bits.values(), strict=True)
    ]
    return Lesson(
        "likelihoods",
        "A likelihood is measured in bits, also on images that were not seen",
        shown,
        f"{'; '.join(words)}. Values without a pattern take 8.",
        tuple(of_samples(run, f"{bits[run.name][0][-1]:.2f} bits") for run in _firsts(found)),
    )


def _firsts(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The first seed of each variant and dataset."""
    return list({(run.dataset, run.variant): run for run in reversed(runs)}.values())[::-1]
