"""Lesson: a generator that is trained with an encoder misses fewer modes than a GAN (MRGAN and MDGAN, arXiv
1612.02136).

It counts as shown if each such method, with the networks, optimiser and schedule of a GAN, misses fewer modes than it
in every seed.
"""

from collections.abc import Sequence

from ganflow.reporting.lessons.interfaces import Lesson, is_gan, is_of, pairs, trained
from ganflow.reporting.lessons.missed_modes import SCORE, fewer_missed, missed
from ganflow.reporting.lessons.pictures import of_samples
from ganflow.reporting.runs import RunRecord

METHODS = ("mrgan", "mdgan")
OF_A_GAN = ("method", "objective", "constraint", "generator_constraint", "conditioning")


def lesson(runs: Sequence[RunRecord]) -> Lesson | None:
    """The lesson on datasets with both and a score of missed modes; None without one."""
    both = [pair for method in METHODS for pair in pairs(runs, is_gan, is_of(method), OF_A_GAN)]
    found = [seeds for seeds in both if all(SCORE in run.score["scores"] for half in seeds for run in half)]
    if not found:
        return None
    compared = [fewer_missed(gan, other) for gan, other in found]
    shown = {run.name: run for gan, other in found for run in (gan[0], other[0])}
    return Lesson(
        "encoders",
        "With an encoder a generator misses fewer modes",
        all(fewer for fewer, _ in compared),
        f"With the same networks for generator and critic, {'; '.join(words for _, words in compared)} "
        f"({trained(found[0][1])}).",
        tuple(of_samples(run, f"{missed([run])[0]:.0f} missed") for run in shown.values()),
    )
